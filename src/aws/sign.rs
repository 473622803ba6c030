//! Signs requests with Signature Version 4, through `aws-sigv4`.

use std::time::SystemTime;

use reqwest::header::{HeaderName, HeaderValue};
use tracing::subscriber::{NoSubscriber, with_default};

use super::Credentials;

/// A request to sign.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// The whole URL, percent-encoded once. The signature covers a path that is encoded twice (`%3A` becomes
    /// `%253A`), as all services except S3 require.
    pub url: &'a str,
    /// Headers that the signature covers, besides the host and those that signing adds.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body, which the signature covers too.
    pub payload: Payload<'a>,
}

/// A body that a signature covers.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// The bytes.
    Bytes(&'a [u8]),
    /// The SHA-256 of the bytes, in lower-case hexadecimal.
    Sha256(&'a str),
}

/// A request that cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct SignError(String);

/// Returns the headers that sign a request to `service` in `region` at `time`. Those that identify the signer
/// are marked as sensitive, so that HTTP's own logs leave them out.
///
/// # Errors
/// If the URL or a header is not valid.
///
/// # Examples
/// ```
/// use std::time::SystemTime;
///
/// use floodway::aws::{Credentials, Payload, Secret, Unsigned, sign};
///
/// let key = Credentials::new("AKIDEXAMPLE", Secret::new("wJalrXUtnFEMI"), None);
/// let request = Unsigned {
///     method: "POST",
///     url: "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/words/invocations",
///     headers: &[("content-type", "application/json")],
///     payload: Payload::Bytes(b"{}"),
/// };
/// let headers = sign(&request, &key, "us-east-1", "lambda", SystemTime::now())?;
/// assert!(headers.iter().any(|(name, value)| name == "authorization" && value.is_sensitive()));
/// # Ok::<(), floodway::aws::SignError>(())
/// ```
pub fn sign(
    request: &Unsigned<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    // At the level `trace`, `aws-sigv4` logs the request with the session token, so its log is discarded.
    with_default(NoSubscriber::default(), || signed(request, credentials, region, service, time))
}

#[cfg(feature = "aws")]
fn signed(
    request: &Unsigned<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings};
    use aws_sigv4::sign::v4::SigningParams;

    // Its errors may quote the request, so only the kind of error is reported.
    let wrong = |what: &str| SignError(what.to_owned());
    let token = credentials.session_token.as_ref().map(|token| token.reveal().to_owned());
    let identity = aws_credential_types::Credentials::new(
        credentials.access_key_id.clone(),
        credentials.secret_access_key.reveal(),
        token,
        credentials.expires,
        "floodway",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| wrong("a parameter is missing"))?;
    let body = match request.payload {
        Payload::Bytes(bytes) => SignableBody::Bytes(bytes),
        Payload::Sha256(hash) => SignableBody::Precomputed(hash.to_owned()),
    };
    let headers = request.headers.iter().copied();
    let signable = SignableRequest::new(request.method, request.url, headers, body)
        .map_err(|_| wrong("its URL is none"))?;
    let signed = aws_sigv4::http_request::sign(signable, &params.into());
    let (instructions, _) = signed
        .map_err(|_| wrong("a header, or a part of the credentials, cannot stand in a request"))?
        .into_parts();
    let header = |(name, value): (&str, &str)| {
        let name = HeaderName::try_from(name).map_err(|_| wrong("a header's name is none"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| wrong("the credentials cannot stand in a header"))?;
        value.set_sensitive(name != "x-amz-date");
        Ok((name, value))
    };
    instructions.headers().map(header).collect()
}

/// A bridge without the feature `aws` does not start to an endpoint that wants signed requests.
#[cfg(not(feature = "aws"))]
fn signed(
    _: &Unsigned<'_>,
    _: &Credentials,
    _: &str,
    _: &str,
    _: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    Err(SignError("Floodway was built without its cargo feature `aws`".to_owned()))
}
