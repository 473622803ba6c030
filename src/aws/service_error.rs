//! The reason that AWS gives when it refuses a request.

use std::fmt;

/// A refusal by AWS, and its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// HTTP status.
    pub status: u16,
    /// Kind of the refusal.
    pub kind: ServiceErrorKind,
    /// The error's name, such as `AccessDeniedException`.
    pub code: String,
    /// AWS's message, cut to 300 characters.
    pub message: String,
}

/// Kinds of refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceErrorKind {
    /// The signature does not match the secret key.
    Signature,
    /// The signature is too old, or in the future: this machine's clock is wrong.
    Clock,
    /// The access key does not exist.
    UnknownKey,
    /// The credentials have expired.
    Expired,
    /// The request has to be signed.
    Unsigned,
    /// The caller lacks the permission for this action, if the action is named.
    Denied(Option<String>),
    /// The function or the version does not exist.
    UnknownFunction,
    /// The function is being updated, or is not ready yet.
    NotReady,
    /// The request is not what the service expects.
    Request,
    /// A function of Floodway refuses the request, and says what to do.
    Function,
    /// AWS cannot use the encryption key, the network or the file system that the function is configured with.
    Setup,
    /// Any other reason.
    Other,
}

/// How many bytes of a body are read.
pub(crate) const MAX_ERROR_BODY: usize = 4_096;

impl ServiceError {
    /// Reads a response whose status is not 200: its header `x-amzn-errortype`, if there is one, and its
    /// body, JSON or XML. `None` if the response is not from AWS.
    pub fn read(status: u16, error_type: Option<&str>, body: &[u8]) -> Option<ServiceError> {
        let body = String::from_utf8_lossy(&body[..body.len().min(MAX_ERROR_BODY)]);
        let json: Option<serde_json::Value> = serde_json::from_str(&body).ok();
        let text = |names: &[&str]| {
            let field = |name: &&str| json.as_ref()?.get(*name)?.as_str();
            names.iter().find_map(field).map(str::to_owned)
        };
        let code = error_type.map(str::to_owned);
        let code = code
            .or_else(|| text(&["__type", "code", "Code"]))
            .or_else(|| element(&body, "Code"))
            .or_else(|| text(&["Type"]).filter(|kind| kind.ends_with("Exception")))
            .or_else(|| text(&["errorType"]));
        let message =
            text(&["message", "Message", "errorMessage"]).or_else(|| element(&body, "Message"));
        // The code may have the form `com.amazonaws#Code` or `Code:http://…`.
        let code = code.map(|code| {
            let code = code.rsplit('#').next().unwrap_or_default();
            code.split(':').next().unwrap_or_default().trim().chars().take(80).collect::<String>()
        });
        let message = message.unwrap_or_default();
        let code = code.filter(|code| !code.is_empty()).or_else(|| {
            // A function URL refuses with this message. Its header may be missing, because proxies may drop
            // it.
            (status == 403 && message.starts_with("Forbidden"))
                .then(|| "AccessDeniedException".to_owned())
        })?;
        let kind = kind(status, &code, &message);
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(ServiceError { status, kind, code, message: message.chars().take(300).collect() })
    }

    /// Reads the error of a Floodway function that refuses the request itself. Through a function URL this is
    /// status 400; through the Invoke API it is reported as any failure of a function. `None` if it is
    /// another error.
    pub fn from_function(error: &[u8]) -> Option<ServiceError> {
        let json: serde_json::Value = serde_json::from_slice(error).ok()?;
        // In Java the package precedes the name.
        let name = json.get("errorType")?.as_str()?.rsplit('.').next()?;
        let error = ServiceError::read(400, Some(name), error)?;
        (error.kind == ServiceErrorKind::Function).then_some(error)
    }

    /// Returns whether the same request may succeed soon.
    pub fn is_transient(&self) -> bool {
        self.kind == ServiceErrorKind::NotReady || self.status >= 500
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)?;
        // Advice may follow the message.
        let message = self.message.trim_end_matches('.');
        if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
    }
}

fn kind(status: u16, code: &str, message: &str) -> ServiceErrorKind {
    let code = code.trim_end_matches("Exception").trim_end_matches("Error");
    let says = |part: &str| message.contains(part);
    match code {
        "InvalidSignature" | "SignatureDoesNotMatch"
            if says("Signature expired") || says("not yet current") =>
        {
            ServiceErrorKind::Clock
        }
        "RequestExpired" | "RequestTimeTooSkewed" => ServiceErrorKind::Clock,
        "InvalidSignature" | "SignatureDoesNotMatch" => ServiceErrorKind::Signature,
        "ExpiredToken" | "ExpiredTokenId" | "TokenRefreshRequired" => ServiceErrorKind::Expired,
        "UnrecognizedClient" | "InvalidClientTokenId" | "InvalidAccessKeyId" | "InvalidToken"
            if says("is expired") =>
        {
            ServiceErrorKind::Expired
        }
        "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "AuthFailure" => ServiceErrorKind::UnknownKey,
        "MissingAuthenticationToken" | "IncompleteSignature" | "MissingAuthentication" => {
            ServiceErrorKind::Unsigned
        }
        "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => {
            if says("token included in the request is expired") {
                return ServiceErrorKind::Expired;
            }
            let action = message.split_once("to perform: ").map(|(_, after)| after);
            let action = action.and_then(|after| after.split_whitespace().next());
            ServiceErrorKind::Denied(
                action.map(|action| action.trim_end_matches(['.', ',']).to_owned()),
            )
        }
        "ResourceNotFound" => ServiceErrorKind::UnknownFunction,
        "InvalidEvent" | "InvalidRequest" if status == 400 => ServiceErrorKind::Function,
        "ResourceConflict" | "ResourceNotReady" | "SnapStartNotReady" => ServiceErrorKind::NotReady,
        _ if [
            "KMS",
            "EC2",
            "ENI",
            "EFS",
            "Subnet",
            "InvalidSubnet",
            "InvalidSecurityGroup",
            "SnapStart",
        ]
        .iter()
        .any(|begins| code.starts_with(begins)) =>
        {
            ServiceErrorKind::Setup
        }
        _ if matches!(status, 400 | 415) => ServiceErrorKind::Request,
        _ if status == 404 => ServiceErrorKind::UnknownFunction,
        _ => ServiceErrorKind::Other,
    }
}

/// Returns the text of the first XML element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_aws_is_read_with_its_kind() {
        for (status, header, body, kind) in [
            (
                403,
                Some("InvalidSignatureException"),
                r#"{"message":"The request signature we calculated does not match"}"#,
                ServiceErrorKind::Signature,
            ),
            (
                403,
                Some("InvalidSignatureException:http://internal.amazon.com/"),
                r#"{"message":"Signature expired: 20150830T123600Z is now earlier than 2026"}"#,
                ServiceErrorKind::Clock,
            ),
            (
                403,
                None,
                r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"Signature not yet current: x"}"#,
                ServiceErrorKind::Clock,
            ),
            (
                403,
                Some("UnrecognizedClientException"),
                r#"{"message":"The security token included in the request is invalid."}"#,
                ServiceErrorKind::UnknownKey,
            ),
            (
                403,
                Some("ExpiredTokenException"),
                r#"{"message":"The security token included in the request is expired"}"#,
                ServiceErrorKind::Expired,
            ),
            (
                403,
                None,
                "<ErrorResponse><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>",
                ServiceErrorKind::Signature,
            ),
            (
                403,
                Some("AccessDeniedException"),
                r#"{"Message":"User: arn:aws:iam::1:user/x is not authorized to perform: lambda:InvokeFunction on resource: arn"}"#,
                ServiceErrorKind::Denied(Some("lambda:InvokeFunction".to_owned())),
            ),
            (403, None, r#"{"Message":"Forbidden"}"#, ServiceErrorKind::Denied(None)),
            (
                404,
                Some("ResourceNotFoundException"),
                r#"{"Type":"User","Message":"Function not found: arn"}"#,
                ServiceErrorKind::UnknownFunction,
            ),
            (
                400,
                None,
                r#"{"errorType":"InvalidRequest","errorMessage":"there is no task \"bpe\" in this function"}"#,
                ServiceErrorKind::Function,
            ),
            (409, Some("ResourceConflictException"), "{}", ServiceErrorKind::NotReady),
            (400, Some("InvalidRequestContentException"), "{}", ServiceErrorKind::Request),
            (415, Some("UnsupportedMediaTypeException"), "{}", ServiceErrorKind::Request),
            (502, Some("KMSAccessDeniedException"), "{}", ServiceErrorKind::Setup),
            (502, Some("EC2UnexpectedException"), "{}", ServiceErrorKind::Setup),
            (500, Some("ServiceException"), "{}", ServiceErrorKind::Other),
        ] {
            let error = ServiceError::read(status, header, body.as_bytes()).unwrap();
            assert_eq!(error.kind, kind, "{error}");
        }
        assert_eq!(ServiceError::read(403, None, b"<html>no entry</html>"), None);
        assert_eq!(ServiceError::read(502, None, b""), None);
        assert_eq!(ServiceError::read(404, None, br#"{"v":1,"results":[]}"#), None);
    }

    #[test]
    fn a_refusal_by_a_function_is_distinguished_from_its_failure() {
        for name in ["InvalidRequest", "floodway.InvalidRequest", "InvalidEvent"] {
            let error = format!(r#"{{"errorType": "{name}", "errorMessage": "no task \"bpe\"."}}"#);
            let error = ServiceError::from_function(error.as_bytes()).unwrap();
            assert_eq!((error.status, error.kind), (400, ServiceErrorKind::Function));
            assert_eq!(error.message, "no task \"bpe\".");
        }
        for other in [r#"{"errorType": "KeyError"}"#, "{}", "\"InvalidRequest\"", "no JSON"] {
            assert_eq!(ServiceError::from_function(other.as_bytes()), None, "{other}");
        }
    }
}
