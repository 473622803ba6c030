//! Requests that are refused before they are computed, and the memory that such requests may take.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{Host, in_async, words};
use crate::common::{Lambda, Place, error_of, within_tries};

/// A web page of another site cannot read an answer, but what it asks for would be done.
#[test]
fn requests_from_other_origins_are_refused() {
    for host in Host::both("cold_start=0ms") {
        let host_url = host.url();
        let own = host_url.trim_end_matches('/').to_owned();
        in_async(async |client| {
            let ask = async |name: &'static str, value: &str| {
                let request = client.post(host.url()).header(name, value).body(words(&["a"]));
                request.send().await.expect("it is answered").status().as_u16()
            };
            for (name, value, status) in [
                ("origin", "https://evil.example", 403),
                ("origin", "http://127.0.0.1:1", 403),
                ("origin", "null", 403),
                ("sec-fetch-site", "cross-site", 403),
                ("sec-fetch-site", "same-site", 403),
                // No browser's: it has no origin.
                ("host", "lambda.internal", 200),
                ("host", "localhost", 200),
                ("origin", &own, 200),
                ("sec-fetch-site", "same-origin", 200),
            ] {
                assert_eq!(ask(name, value).await, status, "{name}: {value}");
            }
            // A page whose own name resolves to this port: to the browser it is the same site.
            let rebound = |host: &'static str| {
                let origin = format!("http://{host}");
                let request = client.post(host_url.clone()).header("host", host);
                request.header("origin", origin).body(words(&["a"])).send()
            };
            assert_eq!(rebound("evil.example").await.unwrap().status(), 403);
            assert_eq!(rebound("localhost:9000").await.unwrap().status(), 200);
            let rebound = client.post(host_url.clone()).header("host", "evil.example");
            let rebound = rebound.header("sec-fetch-site", "same-origin").body(words(&["a"]));
            assert_eq!(rebound.send().await.unwrap().status(), 403);
            let get = client.get(host_url.clone()).header("host", "evil.example");
            assert_eq!(get.send().await.unwrap().status(), 403);
        });
    }
}

/// Sends `head` over a connection of its own and returns the first line of the answer.
fn status_line(url: &str, head: &str) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    stream.write_all(head.as_bytes()).expect("the head is sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line
}

#[test]
fn a_request_needs_exactly_one_host() {
    let body = words(&["a"]);
    let length = body.len();
    for host in Host::both("cold_start=0ms") {
        for (version, hosts, status) in [
            ("1.1", "Host: localhost\r\n", "200"),
            ("1.1", "", "400"),
            ("1.1", "Host: localhost\r\nHost: localhost\r\n", "400"),
            ("1.0", "", "200"),
        ] {
            let head = format!("POST / HTTP/{version}\r\n{hosts}Content-Length: {length}\r\n\r\n");
            let line = status_line(&host.url(), &format!("{head}{body}"));
            assert_eq!(line.split(' ').nth(1), Some(status), "{version} {hosts:?}: {line}");
        }
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_sent() {
    for host in Host::both("cold_start=0ms") {
        within_tries("an answer at once", || {
            let began = Instant::now();
            let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7000000\r\n\r\n";
            let line = status_line(&host.url(), head);
            assert!(line.contains(" 413 "), "{line}");
            // The server reads a refused body for 5 s.
            let took = began.elapsed();
            if took < Duration::from_secs(5) { Ok(()) } else { Err(format!("{took:?}")) }
        });
    }
}

/// What the process has in memory, in MB.
#[cfg(target_os = "linux")]
fn resident_mb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

#[cfg(target_os = "linux")]
#[test]
fn bodies_of_unauthenticated_clients_are_bounded() {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpStream;

    const LONG: usize = 6 << 20;
    let key = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    for (more, authorization) in [
        (&[][..], ""),
        (&["--auth", "iam"][..], ""),
        // One whose head looks right.
        (
            &["--auth", "iam"],
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/DAY/eu/lambda/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=SIGNATURE\r\nX-Amz-Date: NOW\r\n",
        ),
    ] {
        let lambda = Lambda::with(more, &key);
        let address = lambda.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let before = resident_mb(lambda.id());
        let now = time::OffsetDateTime::now_utc();
        let day = format!("{}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
        let date = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
        let authorization = authorization
            .replace("DAY", &day)
            .replace("NOW", &date)
            .replace("SIGNATURE", &"0".repeat(64));
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Length: {LONG}\r\n\r\n"
        );
        // All but the last byte of each body, as far as it is taken.
        let piece = vec![b'x'; 64 << 10];
        let mut clients: Vec<(TcpStream, usize)> = Vec::new();
        for _ in 0..200 {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            clients.push((stream, 0));
        }
        let began = Instant::now();
        let mut most = 0;
        while began.elapsed() < Duration::from_secs(4) {
            for (stream, sent) in &mut clients {
                let left = piece.len().min(LONG - 1 - *sent);
                match stream.write(&piece[..left]) {
                    Ok(written) => *sent += written,
                    // It is refused.
                    Err(error) if error.kind() != ErrorKind::WouldBlock => *sent = LONG - 1,
                    Err(_) => {}
                }
            }
            most = most.max(resident_mb(lambda.id()));
        }
        assert!(most < before + 200, "{more:?}: from {before} to {most} MB");
        drop(clients);
        // Who comes then is answered.
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = words(&["a"]);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = if more.is_empty() { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
        assert!(answer.starts_with(status), "{answer}");
    }
}

#[test]
fn a_port_in_use_is_named_and_exits_with_2() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let place = Place::new();
    let output = place.run(&["lambda", "--bind", &address]);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(&address), "{error}");
    for none in ["127.0.0.1", "127.0.0.1:65536", ":"] {
        let output = place.run(&["lambda", "--bind", none]);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("--bind") && error.contains("expected ADDRESS:PORT"), "{error}");
    }
}
