//! The proxy for a URL, if the environment names one (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).

use std::fmt;
use std::net::IpAddr;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::Url;

use super::Failure;
use super::redact::without_secrets;

/// A proxy, and the environment variable that names it. `Display` leaves out the user and the password.
#[derive(Clone)]
pub(super) struct Proxy {
    found: Intercept,
    variable: &'static str,
}

/// An environment variable that should name a proxy and does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {value:?}, which is not a proxy: {why}; {}", ProxyError::EXPECTED)]
pub struct ProxyError {
    /// The variable.
    pub variable: &'static str,
    /// Its value, without a user and a password.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
}

impl ProxyError {
    /// What would be right.
    pub const EXPECTED: &'static str = "expected one such as http://HOST:PORT, or no such variable; NO_PROXY names hosts that need no proxy";
}

impl Proxy {
    /// Returns the proxy for requests to `url` in this process's environment. None for this machine itself: a
    /// proxy elsewhere cannot reach what listens here.
    pub(super) fn of(url: &Url) -> Result<Option<Proxy>, ProxyError> {
        Proxy::by(url, |variable| std::env::var(variable).ok())
    }

    fn by(url: &Url, value: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, ProxyError> {
        let own = if url.scheme() == "https" {
            ["HTTPS_PROXY", "https_proxy"]
        } else {
            ["HTTP_PROXY", "http_proxy"]
        };
        let given =
            |names: [&'static str; 2]| names.iter().find_map(|name| Some((*name, value(name)?)));
        let named = [own, ["ALL_PROXY", "all_proxy"]].into_iter().filter_map(given);
        let Some((variable, named)) = named.into_iter().find(|(_, named)| !named.is_empty()) else {
            return Ok(None);
        };
        let exceptions =
            given(["NO_PROXY", "no_proxy"]).map(|(_, hosts)| hosts).unwrap_or_default();
        let proxy_for = |proxy: &str| {
            let matcher = Matcher::builder().all(proxy.to_owned()).no(exceptions.clone()).build();
            matcher.intercept(&url.as_str().parse().ok()?)
        };
        if is_loopback(url) || proxy_for("http://proxy").is_none() {
            return Ok(None);
        }
        let wrong = |why| ProxyError { variable, value: without_secrets(&named), why };
        check(&named).map_err(wrong)?;
        let found = proxy_for(&named).ok_or_else(|| wrong("it names no host".to_owned()))?;
        Ok(Some(Proxy { found, variable }))
    }

    /// Returns the proxy in the form that the HTTP client takes.
    pub(super) fn for_client(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(self.found.uri().to_string())?;
        Ok(match self.found.basic_auth() {
            Some(auth) => proxy.custom_http_auth(auth.clone()),
            None => proxy,
        })
    }

    /// Returns the failure of a request whose connection could not be made by this proxy.
    pub(super) fn failure(&self, failure: Failure) -> Failure {
        match failure {
            // Recognized by the text, because reqwest does not expose the error's type.
            Failure::Connection(why) if why.contains("proxy authorization required") => {
                self.wants_login()
            }
            Failure::Connection(why) => Failure::Connection(format!("by the proxy {self}: {why}")),
            failure => failure,
        }
    }

    /// Returns the failure of a request that the proxy answered with status 407.
    pub(super) fn wants_login(&self) -> Failure {
        Failure::ProxyLogin(self.to_string())
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.found.uri();
        let host = uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{host} ({})", uri.scheme_str().unwrap_or("http"), self.variable)
    }
}

/// Checks the value of a variable. A scheme may be left out.
fn check(named: &str) -> Result<(), String> {
    let url = if named.contains("://") { named.to_owned() } else { format!("http://{named}") };
    let url = Url::parse(&url).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        "socks4" | "socks4a" | "socks5" | "socks5h" => {
            Err("a SOCKS proxy cannot be used, only one that speaks HTTP".to_owned())
        }
        scheme => Err(format!("its scheme, {scheme}, is not http or https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = Proxy::by(&url.parse().unwrap(), value)?;
        assert!(found.as_ref().is_none_or(|found| found.for_client().is_ok()));
        Ok(found.map(|found| found.to_string()))
    }

    #[test]
    fn loopback_is_never_behind_a_proxy() {
        let all = [("ALL_PROXY", "http://user:secret@proxy.example:3128")];
        for url in [
            "http://127.0.0.1:9000/",
            "http://127.8.9.10/",
            "http://localhost/",
            "http://LOCALHOST.:80/",
            "https://a.localhost:1/",
            "http://[::1]:9/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0:9/",
        ] {
            assert_eq!(proxy(url, &all), Ok(None), "{url}");
            assert_eq!(proxy(url, &[("ALL_PROXY", "garbage://x")]), Ok(None), "{url}");
        }
        for url in ["https://example.com/", "http://10.0.0.1/", "http://localhost.example.com/"] {
            let shown = "http://proxy.example:3128 (ALL_PROXY)".to_owned();
            assert_eq!(proxy(url, &all), Ok(Some(shown)), "{url}");
        }
    }

    #[test]
    fn the_variable_that_names_the_proxy_is_the_one_for_the_scheme() {
        let both = [("https_proxy", "one:1"), ("ALL_PROXY", "http://two"), ("HTTP_PROXY", "")];
        let shown = |url| proxy(url, &both).unwrap().unwrap();
        assert_eq!(shown("https://example.com/"), "http://one:1 (https_proxy)");
        assert_eq!(shown("http://example.com/"), "http://two (ALL_PROXY)");
        let spared = [("HTTPS_PROXY", "garbage://x"), ("no_proxy", "example.com")];
        assert_eq!(proxy("https://a.example.com/", &spared), Ok(None));
        assert_eq!(proxy("http://example.org/", &spared), Ok(None), "it is for https only");
    }

    #[test]
    fn a_variable_that_names_no_usable_proxy_is_an_error() {
        for (value, shown, why) in [
            ("garbage://x", "garbage://x", "its scheme, garbage, is not http or https"),
            (
                "socks5://a:b@x:1",
                "socks5://x:1",
                "a SOCKS proxy cannot be used, only one that speaks HTTP",
            ),
            ("http://", "http://", "empty host"),
            ("http://a b", "http://a b", "invalid international domain name"),
            ("proxy:99999", "proxy:99999", "invalid port number"),
        ] {
            let variables = [("HTTPS_PROXY", value)];
            let error = proxy("https://example.com/", &variables).unwrap_err();
            let (value, why) = (shown.to_owned(), why.to_owned());
            assert_eq!(error, ProxyError { variable: "HTTPS_PROXY", value, why });
        }
    }
}
