//! Refuses requests that web pages of other sites send through a user's browser. The servers of this program have neither
//! users nor passwords, and a browser can reach addresses that the site of a page cannot reach itself.
//!
//! - *DNS rebinding*: a page lets the name of its own site resolve to the address of the server, so that the browser takes
//!   both for the same site. The `Host` of its requests is that name. So the server accepts only addresses, `localhost`,
//!   the name that was bound, and names that are allowed.
//! - *Cross-site requests*: a page sends requests whose responses it cannot read, but which the server would execute. The
//!   browser says so in `Origin` or `Sec-Fetch-Site`.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, Uri, Version};

/// The host names that a server answers to, besides addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Allows `names`.
    pub(crate) fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> AllowedHosts {
        let names = names.into_iter().map(|name| normalize(name.as_ref()));
        AllowedHosts(names.filter(|name| !name.is_empty()).collect())
    }

    /// Refuses a request that is meant for another host.
    ///
    /// # Errors
    /// The reason, in words.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        // A request of HTTP/1.0 has no `Host`. Browsers always send one.
        let given = [uri.authority().map(Authority::as_str), host];
        for host in given.into_iter().flatten() {
            let authority = host.parse::<Authority>().ok().filter(|_| !host.contains('@'));
            let is_ours = authority.as_ref().is_some_and(|host| self.has(host.host()));
            if !is_ours {
                let host: String =
                    host.chars().filter(|char| char.is_ascii_graphic()).take(80).collect();
                return Err(format!(
                    "the request is for {host:?}, which is no name of this server: --allow-host allows one"
                ));
            }
        }
        Ok(())
    }

    fn has(&self, host: &str) -> bool {
        let name = normalize(host);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok() || name == "localhost" || self.0.contains(&name)
    }
}

/// Brings a host name into the form in which names are compared.
fn normalize(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    name.strip_suffix('.').map_or(name.clone(), str::to_owned)
}

/// Refuses a request that HTTP requires to be refused with 400: one of HTTP/1.1 without a `Host`, or with two.
///
/// # Errors
/// The reason, in words.
pub(crate) fn check_host_count(version: Version, headers: &HeaderMap) -> Result<(), String> {
    match headers.get_all(HOST).iter().count() {
        0 if version > Version::HTTP_10 => Err("the request has no Host".to_owned()),
        0 | 1 => Ok(()),
        _ => Err("the request has more than one Host".to_owned()),
    }
}

/// Whether a request has one of the headers by which a browser names the page that it comes from.
pub(crate) fn is_of_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE)
}

const FETCH_SITE: &str = "sec-fetch-site";

/// Whether a browser sends this request on behalf of a page of another site.
pub(crate) fn is_cross_site(method: &Method, headers: &HeaderMap) -> bool {
    let all = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    let is_other = |site: &str| !matches!(site, "same-origin" | "none");
    if all(FETCH_SITE).any(is_other) {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut origins = all(ORIGIN.as_str());
    let is_own = |origin: &str| {
        let of = origin.split_once("://").map(|(_, of)| of);
        of.is_some_and(|of| !of.is_empty() && of.eq_ignore_ascii_case(host))
    };
    // A browser sends this request before it sends one on behalf of another site.
    method == Method::OPTIONS && headers.contains_key("access-control-request-method")
        || origins.any(|origin| !is_own(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_addresses_and_allowed_names_are_accepted() {
        let hosts = AllowedHosts::new(["Floodway.internal.", "box"]);
        let takes = |uri: &'static str, of: &[&'static str]| {
            let all: Vec<_> = of.iter().map(|host| ("host", *host)).collect();
            hosts.check(&Uri::from_static(uri), &headers(&all)).is_ok()
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:9090",
            "[::1]:9090",
            "10.1.2.3",
            "localhost:1",
            "LocalHost",
            "localhost.",
            "floodway.INTERNAL:80",
            "box",
        ] {
            assert!(takes("/", &[host]), "{host}");
        }
        assert!(takes("/", &[]), "HTTP/1.0 has no host");
        for host in [
            "evil.example",
            "evil.example:9090",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil",
            "",
            "127.0.0.1@evil.example",
            "evil@127.0.0.1",
            "a b",
            "127.0.0.1, evil.example",
            "[::1",
            "127.0.0.1:9090:1",
        ] {
            assert!(!takes("/", &[host]), "{host:?}");
        }
        assert!(!takes("http://evil.example/", &["127.0.0.1"]), "the line counts too");
        assert!(takes("http://127.0.0.1/", &["127.0.0.1"]));
    }

    #[test]
    fn http_1_1_requires_exactly_one_host() {
        let takes = |version, hosts: &[&'static str]| {
            let all: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            check_host_count(version, &headers(&all)).is_ok()
        };
        assert!(takes(Version::HTTP_11, &["a"]) && takes(Version::HTTP_10, &["a"]));
        assert!(!takes(Version::HTTP_11, &[]) && takes(Version::HTTP_10, &[]));
        assert!(!takes(Version::HTTP_11, &["a", "a"]) && !takes(Version::HTTP_10, &["a", "a"]));
    }

    #[test]
    fn requests_of_other_sites_are_detected() {
        let is = |method: Method, of: &[(&'static str, &'static str)]| {
            is_cross_site(&method, &headers(&[&[("host", "127.0.0.1:9000")], of].concat()))
        };
        let post = Method::POST;
        assert!(!is(post.clone(), &[]), "no browser");
        assert!(!is(post.clone(), &[("origin", "http://127.0.0.1:9000")]));
        assert!(!is(post.clone(), &[("sec-fetch-site", "same-origin")]));
        assert!(!is(Method::GET, &[("sec-fetch-site", "none")]), "typed by the user");
        for cross in [
            [("origin", "http://evil.example")],
            [("origin", "http://127.0.0.1:8000")],
            [("origin", "null")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
        ] {
            assert!(is(post.clone(), &cross), "{cross:?}");
        }
        let twice = [("origin", "http://127.0.0.1:9000"), ("origin", "http://evil.example")];
        assert!(is(post, &twice));
        assert!(is(Method::OPTIONS, &[("access-control-request-method", "POST")]));
    }
}
