//! The endpoint: where requests are sent.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use super::proxy::{Proxy, ProxyError};
use super::redact::without_secrets;
use crate::aws::{Environment, EnvironmentError, Function, FunctionError, Region};

/// Where a bridge sends its requests, and whether they are signed. `Display` and `Debug` leave out what may
/// be secret: a URL's query, user and password, and an ARN's account.
///
/// # Examples
/// An endpoint from what a user types. If it names no region, the region is the environment's:
/// ```
/// use floodway::bridge::Endpoint;
///
/// let plain: Endpoint = "https://example.com/api/words?code=secret".parse()?;
/// assert_eq!(plain.to_string(), "https://example.com/api/words");
/// let function: Endpoint = "arn:aws:lambda:eu-north-1:123456789012:function:words:live".parse()?;
/// assert_eq!(function.to_string(), "words:live");
/// # Ok::<(), floodway::bridge::EndpointError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// No endpoint was given. A bridge does not start with it.
    #[default]
    Unset,
    /// Any service that speaks the wire format under this URL, for example a function URL with the auth type
    /// `NONE`. Requests are not signed.
    Url(Url),
    /// A function URL with the auth type `AWS_IAM`. Requests are signed for this region.
    SignedUrl {
        /// Its URL.
        url: Url,
        /// Its region.
        region: Region,
    },
    /// A function by its name or ARN, through Lambda's Invoke API. Requests are signed.
    Function {
        /// The function.
        function: Function,
        /// Its region.
        region: Region,
        /// The URL of the Lambda service: the region's own, or another one with the same API.
        service: Url,
    },
}

/// Whether requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Requests are not signed.
    None,
    /// Requests are signed with AWS credentials.
    Iam,
}

/// An endpoint that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No endpoint was given.
    #[error("no endpoint was given: expected a URL, or a function's name or ARN")]
    Unset,
    /// The URL is not valid.
    #[error(
        "{url} is not a URL that requests can be sent to: {why}; expected one such as \
         https://ID.lambda-url.REGION.on.aws/"
    )]
    Url {
        /// The given URL, without secrets.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The environment's URL of the Lambda service is not valid.
    #[error(
        "{from} is {url:?}, which is not a URL that requests can be sent to: {why}; expected one such as \
         http://127.0.0.1:3000/, or none"
    )]
    Service {
        /// The variable, or its place in a profile.
        from: String,
        /// The given URL, without secrets.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The text is neither a URL nor a function.
    #[error("it is neither a URL nor a function's name or ARN: {0}")]
    Function(#[from] FunctionError),
    /// Calls of the Invoke API are always signed.
    #[error(
        "a function by its name or ARN is called by Lambda's API, which takes signed requests only"
    )]
    AlwaysSigned,
    /// Requests to this endpoint are signed, and this build cannot sign.
    #[error(
        "requests to it are signed with AWS credentials, which needs Floodway's cargo feature `aws`: build with it, or \
         name the URL of something that takes requests without a signature"
    )]
    CannotSign,
    /// The function's region is not known.
    #[error(
        "the region is not known: give --region, an ARN or a function URL that has it, or set AWS_REGION{}",
        if *is_url { "" } else { "; or, if it is to be a URL, write http:// or https:// before it" }
    )]
    NoRegion {
        /// Whether the endpoint is a URL.
        is_url: bool,
    },
    /// The function's region is not known, and the profile that could name it does not exist.
    #[error(
        "the region is not known, and there is no profile {profile}, which {variable} names: looked in {looked}"
    )]
    NoProfile {
        /// The profile's name.
        profile: String,
        /// The variable that names the profile.
        variable: &'static str,
        /// The files that were searched.
        looked: String,
    },
    /// The given region contradicts the endpoint's own.
    #[error("{given} is not the region of {what}, which is {own}")]
    OtherRegion {
        /// The region that was given.
        given: Region,
        /// What has a region of its own.
        what: &'static str,
        /// That region.
        own: Region,
    },
    /// A region was given for requests that are not signed.
    #[error("is for signed requests, and these are not signed: give --auth iam too")]
    UnsignedRegion,
    /// The environment's region, or the file that may contain it, is not valid.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The environment's proxy for this endpoint is not valid.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A host without a scheme.
    #[error("it is neither a function nor a whole URL: write http://{0} or https://{0}")]
    NoScheme(String),
}

impl Endpoint {
    /// Returns an endpoint for any service that speaks the wire format under `url`. Requests are not signed.
    ///
    /// # Errors
    /// If `url` is not a URL, or its scheme is neither http nor https.
    pub fn url(url: &str) -> Result<Self, EndpointError> {
        http(url).map(Endpoint::Url)
    }

    /// Returns the endpoint that `given` names: a URL, or a function's name or ARN. Without `auth`, requests
    /// to functions are signed and requests to URLs are not. Without `region`, the region is that of the ARN
    /// or function URL, or else the environment's. The environment also names the Lambda service if it is not
    /// AWS's own ([`Environment::lambda_endpoint`]).
    ///
    /// # Errors
    /// If a part of it is not valid, or contradicts another part.
    pub fn resolve(
        given: &str,
        auth: Option<Auth>,
        region: Option<Region>,
        environment: &Environment,
    ) -> Result<Self, EndpointError> {
        let one = |what, own: Option<Region>| match (region.clone(), own) {
            (Some(given), Some(own)) if given != own => {
                Err(EndpointError::OtherRegion { given, what, own })
            }
            (Some(region), _) | (None, Some(region)) => Ok(region),
            (None, None) => {
                environment.region()?.ok_or_else(|| no_region(environment, given.contains("://")))
            }
        };
        if given.contains("://") {
            let url = http(given)?;
            if auth != Some(Auth::Iam) {
                return match region {
                    Some(_) => Err(EndpointError::UnsignedRegion),
                    None => Ok(Endpoint::Url(url)),
                };
            }
            let own = url.host_str().and_then(Region::of_function_url);
            let region = one("this function URL", own)?;
            return Ok(Endpoint::SignedUrl { url, region });
        }
        if is_host(given) {
            return Err(EndpointError::NoScheme(without_secrets(given)));
        }
        let function: Function = given.parse()?;
        if auth == Some(Auth::None) {
            return Err(EndpointError::AlwaysSigned);
        }
        let region = one("this ARN", function.region().cloned())?;
        let service = match environment.lambda_endpoint().map_err(EnvironmentError::from)? {
            Some((elsewhere, from)) => http(&elsewhere).map_err(|error| match error {
                EndpointError::Url { url, why } => EndpointError::Service { from, url, why },
                error => error,
            })?,
            None => http(&format!("https://{}/", region.lambda_host()))?,
        };
        Ok(Endpoint::Function { function, region, service })
    }

    /// Returns the URL that requests are posted to.
    pub(super) fn target(&self) -> Result<Url, EndpointError> {
        match self {
            _ if self.region().is_some() && !cfg!(feature = "aws") => {
                Err(EndpointError::CannotSign)
            }
            Endpoint::Unset => Err(EndpointError::Unset),
            Endpoint::Url(url) | Endpoint::SignedUrl { url, .. } => Ok(url.clone()),
            Endpoint::Function { function, service, .. } => {
                let mut url = service.clone();
                let below = url.path().trim_end_matches('/').to_owned();
                url.set_path(&format!("{below}{}", function.path()));
                Ok(url)
            }
        }
    }

    /// Returns the proxy for requests to this endpoint, if the environment names one (`HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), and the variable that does. Requests to this machine itself use
    /// no proxy.
    ///
    /// # Errors
    /// If the variable for this endpoint names nothing that can be used as a proxy.
    pub fn proxy(&self) -> Result<Option<String>, ProxyError> {
        let Ok(url) = self.target() else { return Ok(None) };
        Ok(Proxy::of(&url)?.map(|proxy| proxy.to_string()))
    }

    /// Returns the region that requests are signed for, if they are signed.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Endpoint::Unset | Endpoint::Url(_) => None,
            Endpoint::SignedUrl { region, .. } | Endpoint::Function { region, .. } => Some(region),
        }
    }
}

fn no_region(environment: &Environment, is_url: bool) -> EndpointError {
    let missing = environment.profile().ok().filter(|profile| !profile.is_there());
    match environment.profile_variable().zip(missing) {
        Some((variable, profile)) => EndpointError::NoProfile {
            profile: profile.name().to_owned(),
            variable,
            looked: profile.looked(),
        },
        None => EndpointError::NoRegion { is_url },
    }
}

/// Returns whether a text without a scheme is a host, perhaps with a port and a path, and not a function. A
/// function's name has none of these characters, and `localhost` is taken for a host. In `words:9000` the
/// 9000 is a version.
fn is_host(given: &str) -> bool {
    let host = given.split(':').next().unwrap_or_default();
    let is_host = given.contains(['.', '/', '[', '@']) || host.eq_ignore_ascii_case("localhost");
    is_host && !given.starts_with("arn:")
}

/// Parses a URL that requests can be sent to.
fn http(given: &str) -> Result<Url, EndpointError> {
    let wrong = |why: String| EndpointError::Url { url: without_secrets(given), why };
    let url = Url::parse(given.trim()).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(format!("its scheme, {}, is not http or https", url.scheme())));
    }
    if !url.has_host() {
        return Err(wrong("it has no host".to_owned()));
    }
    Ok(url)
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Like [`Endpoint::resolve`], with the environment of this process.
    fn from_str(given: &str) -> Result<Self, EndpointError> {
        Endpoint::resolve(given, None, None, &Environment::of_process())
    }
}

impl From<Url> for Endpoint {
    fn from(url: Url) -> Self {
        Endpoint::Url(url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Endpoint::Unset => f.write_str("none"),
            Endpoint::Function { function, .. } => write!(f, "{function}"),
            Endpoint::Url(url) | Endpoint::SignedUrl { url, .. } => {
                let mut url = url.clone();
                // These calls fail only for a URL without a host.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_query(None);
                url.set_fragment(None);
                write!(f, "{url}")
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = match self {
            Endpoint::Unset => "Unset",
            Endpoint::Url(_) => "Url",
            Endpoint::SignedUrl { .. } => "SignedUrl",
            Endpoint::Function { .. } => "Function",
        };
        write!(f, "{kind}({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://abc.lambda-url.eu-north-1.on.aws/";
    const ARN: &str = "arn:aws:lambda:eu-north-1:123456789012:function:words:live";

    fn resolve(
        given: &str,
        auth: Option<Auth>,
        region: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<String, EndpointError> {
        let region = region.map(|region| region.parse().unwrap());
        let environment = Environment::of(variables.iter().copied());
        let endpoint = Endpoint::resolve(given, auth, region, &environment)?;
        let region = endpoint.region().map(|region| format!(" {region}")).unwrap_or_default();
        Ok(format!("{}{region}", endpoint.target()?))
    }

    #[test]
    fn a_given_endpoint_auth_and_region_resolve_to_the_url_and_signature() {
        let us = [("AWS_REGION", "us-east-1")];
        let plain = "https://example.com/api?code=1";
        let invoke = "https://lambda.eu-north-1.amazonaws.com/2015-03-31/functions/";
        let arn = "arn%3Aaws%3Alambda%3Aeu-north-1%3A123456789012%3Afunction%3Awords%3Alive";
        for (given, auth, region, variables, expected) in [
            (plain, None, None, &[][..], plain.to_owned()),
            (URL, None, None, &us[..], URL.to_owned()),
            (URL, Some(Auth::Iam), None, &us, format!("{URL} eu-north-1")),
            (plain, Some(Auth::Iam), Some("us-west-2"), &us, format!("{plain} us-west-2")),
            (plain, Some(Auth::Iam), None, &us, format!("{plain} us-east-1")),
            (ARN, None, None, &us, format!("{invoke}{arn}/invocations eu-north-1")),
            ("words", None, Some("eu-north-1"), &us, format!("{invoke}words/invocations eu-north-1")),
            (
                "words",
                Some(Auth::Iam),
                None,
                &[("AWS_DEFAULT_REGION", "cn-north-1")],
                "https://lambda.cn-north-1.amazonaws.com.cn/2015-03-31/functions/words/invocations \
                 cn-north-1"
                    .to_owned(),
            ),
            (
                "words",
                None,
                None,
                &[us[0], ("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9/below/"), ("AWS_ENDPOINT_URL", "no")],
                "http://127.0.0.1:9/below/2015-03-31/functions/words/invocations us-east-1".to_owned(),
            ),
        ] {
            assert_eq!(resolve(given, auth, region, variables), Ok(expected), "{given}");
        }
    }

    #[test]
    fn an_invalid_endpoint_is_refused_with_a_reason() {
        let (iam, none) = (Some(Auth::Iam), Some(Auth::None));
        let says = |given: &str, auth, region, part: &str| {
            let error = resolve(given, auth, region, &[]).unwrap_err().to_string();
            assert!(error.contains(part), "{given}: {error}");
        };
        says(ARN, none, None, "signed requests only");
        says(ARN, None, Some("us-east-1"), "not the region of this ARN, which is eu-north-1");
        says(URL, iam, Some("us-east-1"), "not the region of this function URL");
        says("words", None, None, "the region is not known");
        says("https://example.com/", iam, None, "the region is not known");
        let misspelt = Environment::of([("AWS_PROFILE", "prdo"), ("HOME", "/nowhere")]);
        let error = Endpoint::resolve("words", None, None, &misspelt).unwrap_err().to_string();
        assert!(error.contains("no profile prdo") && error.contains("/nowhere/.aws"), "{error}");
        says("https://example.com/", None, Some("us-east-1"), "--auth iam");
        says("ftp://example.com/", None, None, "not http or https");
        says("two words", None, None, "neither a URL nor a function");
        for host in [
            "localhost:9000",
            "LocalHost",
            "localhost:9000/a",
            "127.0.0.1:9000",
            "[::1]:9000",
            "::1",
        ] {
            let region = Some("us-east-1");
            assert!(resolve(host, None, region, &[]).is_err(), "{host} is not a function");
        }
        let region = Some("us-east-1");
        says("localhost:9000", None, region, "write http://localhost:9000 or https://");
        says("user:secret@example.com/a?code=secret", None, region, "http://example.com/a ");
        assert!(resolve("words:9000", None, region, &[]).is_ok(), "the 9000 is a version");
        let error = resolve("http://user:secret@:1/?code=secret", None, None, &[]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
