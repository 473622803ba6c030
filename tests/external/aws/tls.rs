//! HTTPS: whom it trusts, HTTP/2 where it is offered, and names that do not resolve.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use hyper::Version;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::server::{Server, well};
use super::{expected_locally, remote, run, was_done_locally};
use crate::common::{Place, error_of, output_of, within_tries};

/// A server's TLS for `localhost`, and the certificate of who vouches for it.
fn tls(alpn: &[&[u8]]) -> (ServerConfig, String) {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).unwrap();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private.into())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    (config, root.pem())
}

#[test]
fn http2_is_used_where_it_is_offered_and_the_certificate_is_trusted() {
    for (alpn, version) in
        [(&[&b"h2"[..], b"http/1.1"][..], "HTTP/2.0"), (&[b"http/1.1"], "HTTP/1.1")]
    {
        let (config, root) = tls(alpn);
        let old = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&old);
        let server = Server::start(Some(config), move |seen| {
            counted.fetch_add(usize::from(seen.version != Version::HTTP_2), SeqCst);
            well(seen)
        });
        let place = Place::new();
        std::fs::write(place.path("root.pem"), root).unwrap();
        let url = format!("https://localhost:{}/", server.address.port());
        let trusted = [("SSL_CERT_FILE", "root.pem")];
        let checked = run(&place, &["check", "--lambda", &url], &trusted);
        assert!(checked.status.success(), "{}", error_of(&checked));
        assert!(output_of(&checked).contains(version), "{}", output_of(&checked));
        let ran = run(&place, &remote(&url, "2k", &[]), &trusted);
        assert!(ran.status.success(), "{}", error_of(&ran));
        assert!(place.summary()["records_remote"].as_u64() > Some(0), "{}", place.summary());
        assert_eq!(old.load(SeqCst) == 0, version == "HTTP/2.0", "what the server saw");
    }
}

/// Of 50 requests in flight a connection takes 10: the others go by other connections, and none waits for a stream
/// for as long as the function takes. Nothing is billed that was not on the wire.
#[test]
fn requests_beyond_the_stream_limit_use_other_connections() {
    const TAKES: Duration = Duration::from_millis(500);
    for streams in [10, 100] {
        let (config, root) = tls(&[b"h2"]);
        let server = Server::slow(Some(config), streams, TAKES, well);
        let place = Place::new();
        std::fs::write(place.path("root.pem"), root).unwrap();
        let url = format!("https://localhost:{}/", server.address.port());
        let mut args = vec!["run", "--lambda", &url, "--policy", "remote", "--sink", "null"];
        args.extend(["--events", "6k", "--rate", "2k", "--batch", "20", "--hedge", "0"]);
        // Machines are busy: a time-out is not what is tried here.
        args.extend(["--timeout", "60s", "--summary", "summary.json"]);
        // On a busy machine a request may be late, and the idle worker does its records.
        let summary = within_tries("a run that does all of it remotely", || {
            let ran = run(&place, &args, &[("SSL_CERT_FILE", "root.pem")]);
            assert!(ran.status.success(), "{}", error_of(&ran));
            let summary = place.summary();
            // The breaker may open there too.
            let is_right = summary["breaker_opened"] != 0 || summary["records_local"] == 0;
            assert!(is_right, "{streams}: {summary}\n{}", error_of(&ran));
            if summary["records_remote"] == 6_000 { Ok(summary) } else { Err(summary.to_string()) }
        });
        let count = |field: &str| summary[field].as_f64().unwrap();
        let billed = count("billed_ms") / (count("attempts") + count("probes"));
        assert!(billed >= 500.0, "a request takes {billed} ms: {summary}");
        println!("{streams} streams: billed {billed:.0} ms, {}", summary["latency_ms"]);
    }
}

#[test]
fn an_unverifiable_certificate_is_refused_and_the_run_completes_locally() {
    let (config, _) = tls(&[b"h2"]);
    let server = Server::start(Some(config), |_| unreachable!("nothing is sent to it"));
    let place = Place::new();
    let url = format!("https://localhost:{}/", server.address.port());
    let checked = run(&place, &["check", "--lambda", &url], &[]);
    assert_eq!(error_of(&checked).lines().count(), 1, "it is said once: {}", error_of(&checked));
    let ran = run(&place, &remote(&url, "2k", &[]), &[]);
    for output in [checked, ran] {
        assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
        let said = error_of(&output);
        assert!(said.contains("certificate cannot be verified"), "{said}");
        assert!(said.contains("SSL_CERT_FILE"), "{said}");
    }
    was_done_locally(&place, &expected_locally("2k"));
}

#[test]
fn a_host_that_does_not_resolve_is_a_temporary_error() {
    let place = Place::new();
    let url = "https://nothing.invalid/";
    let checked = run(&place, &["check", "--lambda", url], &[]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(error_of(&checked).contains("does not resolve"), "{}", error_of(&checked));
    let ran = run(&place, &remote(url, "2k", &[]), &[]);
    assert!(ran.status.success(), "{}", error_of(&ran));
    assert!(error_of(&ran).contains("does not resolve"), "{}", error_of(&ran));
    was_done_locally(&place, &expected_locally("2k"));
}
