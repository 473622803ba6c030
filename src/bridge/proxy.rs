//! The proxy for a URL, if the environment names one (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).

use std::net::IpAddr;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{Proxy, Url};

/// Returns the proxy for requests to `url` in this process's environment. None for this machine itself: a
/// proxy elsewhere cannot reach what listens here.
pub(super) fn of(url: &Url) -> Option<Intercept> {
    by(&Matcher::from_env(), url)
}

fn by(matcher: &Matcher, url: &Url) -> Option<Intercept> {
    let uri = url.as_str().parse().ok()?;
    matcher.intercept(&uri).filter(|_| !is_loopback(url))
}

/// Returns the proxy in the form that the HTTP client takes.
pub(super) fn for_client(found: &Intercept) -> reqwest::Result<Proxy> {
    let proxy = Proxy::all(found.uri().to_string())?;
    Ok(match found.basic_auth() {
        Some(auth) => proxy.custom_http_auth(auth.clone()),
        None => proxy,
    })
}

/// Returns the proxy's URL without a user and a password.
pub(super) fn shown(found: &Intercept) -> String {
    let uri = found.uri();
    let host = uri.authority().map_or("", |authority| {
        authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host)
    });
    format!("{}://{host}", uri.scheme_str().unwrap_or("http"))
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

    #[test]
    fn loopback_is_never_behind_a_proxy() {
        let matcher = Matcher::builder().all("http://user:secret@proxy.example:3128").build();
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
            assert!(by(&matcher, &url.parse().unwrap()).is_none(), "{url}");
        }
        for url in ["https://example.com/", "http://10.0.0.1/", "http://localhost.example.com/"] {
            let found = by(&matcher, &url.parse().unwrap());
            let found = found.as_ref().map(|found| (shown(found), for_client(found).is_ok()));
            assert_eq!(found, Some(("http://proxy.example:3128".to_owned(), true)), "{url}");
        }
        let spared = Matcher::builder().all("http://proxy.example").no("example.com").build();
        assert!(by(&spared, &"https://a.example.com/".parse().unwrap()).is_none());
    }
}
