//! Where requests go.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use super::proxy;
use crate::aws::{Environment, EnvironmentError, Function, FunctionError, Region};

/// Where a bridge's requests go, and whether they are signed. It is printed without what may be a secret
/// in it: a URL's query, user and password, an ARN's account.
///
/// # Examples
/// From what a user types, and with the environment's region where none is in it:
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
    /// None was named: a bridge to it does not start.
    #[default]
    Unset,
    /// Whatever speaks the wire under this URL, a function URL of the auth type `NONE` among it. Requests
    /// are not signed.
    Url(Url),
    /// A function URL of the auth type `AWS_IAM`: requests are signed for this region.
    SignedUrl {
        /// Its URL.
        url: Url,
        /// Its region.
        region: Region,
    },
    /// A function by its name or ARN, through Lambda's Invoke API. Requests are signed.
    Function {
        /// Which.
        function: Function,
        /// Its region.
        region: Region,
        /// Where the service is: the region's own, or another that speaks its API.
        service: Url,
    },
}

/// Whether requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// They are not.
    None,
    /// With AWS credentials.
    Iam,
}

/// An endpoint that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// None was named.
    #[error("no endpoint was given: expected a URL, or a function's name or ARN")]
    Unset,
    /// The URL.
    #[error(
        "{url} is not a URL that requests can be sent to: {why}; expected one such as \
         https://ID.lambda-url.REGION.on.aws/"
    )]
    Url {
        /// What was given, without what may be a secret.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Where the environment says that the Lambda service is.
    #[error(
        "{from} is {url:?}, which is not a URL that requests can be sent to: {why}; expected one such as \
         http://127.0.0.1:3000/, or none"
    )]
    Service {
        /// The variable, or where it stands in a profile.
        from: String,
        /// What it says, without what may be a secret.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Neither a URL nor a function.
    #[error("it is neither a URL nor a function's name or ARN: {0}")]
    Function(#[from] FunctionError),
    /// Calls of the Invoke API are always signed.
    #[error(
        "a function by its name or ARN is called by Lambda's API, which takes signed requests only"
    )]
    AlwaysSigned,
    /// Requests to it are signed, and this build cannot.
    #[error(
        "requests to it are signed with AWS credentials, which needs Floodway's cargo feature `aws`: build with it, or \
         name the URL of something that takes requests without a signature"
    )]
    CannotSign,
    /// Nobody says in which region the function is.
    #[error(
        "the region is not known: give --region, an ARN or a function URL that has it, or set AWS_REGION; or, if \
         it is to be a URL, write http:// or https:// before it"
    )]
    NoRegion,
    /// Nobody says in which region the function is; the profile that might is not there.
    #[error(
        "the region is not known, and there is no profile {profile}, which {variable} names: looked in {looked}"
    )]
    NoProfile {
        /// Its name.
        profile: String,
        /// The variable that names it.
        variable: &'static str,
        /// The files.
        looked: String,
    },
    /// A region that contradicts the endpoint's own.
    #[error("{given} is not the region of {what}, which is {own}")]
    OtherRegion {
        /// The region that was given.
        given: Region,
        /// What has one of its own.
        what: &'static str,
        /// That one.
        own: Region,
    },
    /// A region for requests that are not signed.
    #[error("is for signed requests, and these are not signed: give --auth iam too")]
    UnsignedRegion,
    /// The environment's region, or a file that may have it.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A host, without what is spoken there.
    #[error("it is neither a function nor a whole URL: write http://{0} or https://{0}")]
    NoScheme(String),
}

impl Endpoint {
    /// Whatever speaks the wire under `url`; requests are not signed.
    ///
    /// # Errors
    /// It is no URL, or neither http nor https.
    pub fn url(url: &str) -> Result<Self, EndpointError> {
        http(url).map(Endpoint::Url)
    }

    /// What `given` means: a URL, or a function's name or ARN. Without `auth`, URLs are not signed for and
    /// functions are. Without `region` it is that of the ARN or of the function URL, or else the
    /// environment's, which also says where the service is if it is elsewhere
    /// ([`Environment::lambda_endpoint`]).
    ///
    /// # Errors
    /// What of it cannot be, or contradicts the rest.
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
            (None, None) => environment.region()?.ok_or_else(|| no_region(environment)),
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

    /// What a request is posted to.
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

    /// The proxy by which requests to it go, if the environment names one (`HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`). Requests to this machine itself go by none.
    pub fn proxy(&self) -> Option<String> {
        let url = self.target().ok()?;
        proxy::of(&url).as_ref().map(proxy::shown)
    }

    /// The region that requests are signed for, if they are.
    pub fn region(&self) -> Option<&Region> {
        match self {
            Endpoint::Unset | Endpoint::Url(_) => None,
            Endpoint::SignedUrl { region, .. } | Endpoint::Function { region, .. } => Some(region),
        }
    }
}

fn no_region(environment: &Environment) -> EndpointError {
    let missing = environment.profile().ok().filter(|profile| !profile.is_there());
    match environment.profile_variable().zip(missing) {
        Some((variable, profile)) => EndpointError::NoProfile {
            profile: profile.name().to_owned(),
            variable,
            looked: profile.looked(),
        },
        None => EndpointError::NoRegion,
    }
}

/// Whether what has no scheme is a host, perhaps with a port and a path, and no function: a function has none of these
/// characters, and nobody calls one `localhost`. Of `words:9000` the 9000 is a version.
fn is_host(given: &str) -> bool {
    let host = given.split(':').next().unwrap_or_default();
    let is_host = given.contains(['.', '/', '[', '@']) || host.eq_ignore_ascii_case("localhost");
    is_host && !given.starts_with("arn:")
}

/// A URL up to its query, without a user and a password.
fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = match plain.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), plain),
    };
    format!("{scheme}{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}

/// A URL that a request can be sent to.
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

    /// As [`Endpoint::resolve`], with the environment of this process.
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
                // A URL with a host can be without all of these.
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
    fn where_requests_go() {
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
    fn what_cannot_be_is_refused() {
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
            assert!(resolve(host, None, region, &[]).is_err(), "{host} is no function");
        }
        let region = Some("us-east-1");
        says("localhost:9000", None, region, "write http://localhost:9000 or https://");
        says("user:secret@example.com/a?code=secret", None, region, "http://example.com/a ");
        assert!(resolve("words:9000", None, region, &[]).is_ok(), "that is a version");
        let error = resolve("http://user:secret@:1/?code=secret", None, None, &[]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
