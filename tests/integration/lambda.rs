//! The local Lambda, embedded and as a process of its own: one suite for both, over real HTTP.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::common::{Lambda, error_of, within_tries};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use floodway::emulator::{Model, Server};
use reqwest::{Client, Response};
use serde_json::{Value, json};

/// A local Lambda, wherever it runs.
enum Host {
    Embedded(Server),
    Process(Lambda),
}

impl Host {
    /// Both kinds, of `model`, on top of a network that takes no time.
    fn both(options: &str) -> [Host; 2] {
        let options = format!("network=0ms,{options}");
        let mut model = Model::default();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').expect("KEY=VALUE");
            model.set(key, value).expect("an option");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let embedded = Server::start(listener, model).expect("threads");
        [Host::Embedded(embedded), Host::Process(Lambda::start(options.trim_end_matches(',')))]
    }

    fn url(&self) -> String {
        match self {
            Host::Embedded(server) => server.url(),
            Host::Process(lambda) => lambda.url.clone(),
        }
    }

    /// The Invoke path of a function by name or ARN.
    fn invoke(&self, function: &str) -> String {
        format!("{}2015-03-31/functions/{function}/invocations", self.url())
    }
}

fn in_async<T>(run: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { run(Client::new()).await })
}

async fn post(client: &Client, url: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = client.post(url).header("x-amz-log-type", "Tail").body(body);
    request.send().await.expect("an answer")
}

fn words(records: &[&str]) -> String {
    json!({ "v": 1, "task": "words", "records": records }).to_string()
}

/// Records that cost nothing but modelled time.
fn work(records: usize, work_us: u64) -> String {
    json!({ "v": 1, "task": "words", "records": vec!["x"; records], "work_us": work_us })
        .to_string()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

async fn json_of(response: Response) -> Value {
    let body = response.bytes().await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

/// A field of the REPORT line, in milliseconds.
fn reported(response: &Response, field: &str) -> Option<f64> {
    let log = STANDARD.decode(header(response, "x-amz-log-result")?).expect("base64");
    let log = String::from_utf8(log).expect("UTF-8");
    assert!(log.contains("REPORT RequestId: "), "{log}");
    let (_, after) = log.split_once(&format!("\t{field}: "))?;
    after.split_whitespace().next()?.parse().ok()
}

#[test]
fn invoke_path_and_function_url_answer_the_same() {
    for host in Host::both("") {
        in_async(async |client| {
            let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Afloodway";
            let doors = [
                host.url(),
                host.invoke("floodway"),
                host.invoke("floodway:$LATEST"),
                host.invoke(arn),
            ];
            for door in doors {
                let response = post(&client, &door, words(&["a, b", "", "c_1!"])).await;
                assert_eq!(response.status(), 200, "{door}");
                assert_eq!(header(&response, "x-amz-function-error"), None);
                assert_eq!(header(&response, "content-type"), Some("application/json"));
                let answer = json_of(response).await;
                assert_eq!(answer["results"], json!(["a b", "", "c_1"]), "{door}");
                assert_eq!(answer["ids"], json!([0, 1, 2]));
                assert_eq!((&answer["v"], &answer["task"]), (&json!(1), &json!("words")));
            }
        });
    }
}

#[test]
fn errors_have_the_shapes_of_aws() {
    for host in Host::both("") {
        in_async(async |client| {
            let invoke = host.invoke("floodway");
            let cases = [
                (host.invoke("other"), words(&["a"]), 404, "ResourceNotFoundException"),
                (invoke.clone(), "{".to_owned(), 400, "InvalidRequestContentException"),
                (
                    invoke.clone(),
                    format!("\"{}\"", "x".repeat(6 << 20)),
                    413,
                    "RequestTooLargeException",
                ),
                (host.url(), "x".repeat((6 << 20) + 1), 413, "RequestTooLargeException"),
            ];
            for (url, body, status, kind) in cases {
                let response = post(&client, &url, body).await;
                assert_eq!(
                    (response.status().as_u16(), header(&response, "x-amzn-errortype")),
                    (status, Some(kind))
                );
                let error = json_of(response).await;
                assert_eq!(error["Type"], "User");
                assert!(error["message"].is_string(), "{error}");
            }
            let event = client.post(&invoke).header("x-amz-invocation-type", "Event");
            assert_eq!(event.body(words(&["a"])).send().await.expect("an answer").status(), 400);
            assert_eq!(client.get(&invoke).send().await.expect("an answer").status(), 405);
        });
    }
}

#[test]
fn a_failed_function_is_a_200_that_says_so_and_a_502_by_url() {
    for host in Host::both("") {
        in_async(async |client| {
            let unknown = json!({ "v": 1, "task": "other", "records": ["a"] }).to_string();
            let future = json!({ "v": 2, "task": "words", "records": ["a"] }).to_string();
            for event in [unknown, future, "[]".to_owned()] {
                let response = post(&client, &host.invoke("floodway"), event.clone()).await;
                assert_eq!(response.status(), 200, "{event}");
                assert_eq!(header(&response, "x-amz-function-error"), Some("Unhandled"));
                let error = json_of(response).await;
                assert!(error["errorMessage"].is_string() && error["errorType"].is_string());
                assert_eq!(post(&client, &host.url(), event).await.status(), 502);
            }
        });
    }
}

#[test]
fn an_answer_past_the_limit_is_a_function_error() {
    let [embedded, _] = Host::both("");
    in_async(async |client| {
        // A token of two digits a character: three times as long as the text.
        let text = "q7".repeat(1_000);
        let event = json!({ "v": 1, "task": "bpe", "records": vec![text; 1_500] }).to_string();
        let response = post(&client, &embedded.invoke("floodway"), event.clone()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-amz-function-error"), Some("Unhandled"));
        let error = json_of(response).await;
        assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
        assert_eq!(post(&client, &embedded.url(), event).await.status(), 413);
    });
}

#[test]
fn requests_past_the_concurrency_are_throttled() {
    for (host, reason) in [
        ("concurrency=1", "ConcurrentInvocationLimitExceeded"),
        ("concurrency=50,reserved=1", "ReservedFunctionConcurrentInvocationLimitExceeded"),
    ]
    .into_iter()
    .flat_map(|(model, reason)| {
        let hosts = Host::both(&format!("{model},cold_start=0ms"));
        hosts.into_iter().map(move |host| (host, reason))
    }) {
        in_async(async |client| {
            let url = host.invoke("floodway");
            let (one, other) = tokio::join!(
                post(&client, &url, work(100, 3_000)),
                post(&client, &url, work(100, 3_000)),
            );
            let (done, refused) = if one.status() == 200 { (one, other) } else { (other, one) };
            assert_eq!((done.status().as_u16(), refused.status().as_u16()), (200, 429));
            assert!(header(&refused, "retry-after").is_some());
            assert_eq!(header(&refused, "x-amzn-errortype"), Some("TooManyRequestsException"));
            let error = json_of(refused).await;
            assert_eq!(error["Reason"], reason);
            assert_eq!(post(&client, &url, words(&["a"])).await.status(), 200, "it is free again");
        });
    }
}

#[test]
fn environments_are_started_no_faster_than_the_ramp() {
    for host in Host::both("concurrency=10,ramp=2,cold_start=0ms") {
        in_async(async |client| {
            let url = host.invoke("floodway");
            let calls = (0..6).map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move { post(&client, &url, work(100, 5_000)).await.status() })
            });
            let mut done = 0;
            for call in calls.collect::<Vec<_>>() {
                done += usize::from(call.await.expect("it does not panic") == 200);
            }
            assert_eq!(done, 2);
        });
    }
}

#[test]
fn more_than_ten_requests_a_second_for_each_environment_are_throttled_for_that_reason() {
    for host in Host::both("concurrency=2,cold_start=0ms") {
        in_async(async |client| {
            let began = Instant::now();
            let (mut done, mut throttled) = (0, 0);
            // One after another: an environment is always free.
            while throttled == 0 {
                let response = post(&client, &host.invoke("floodway"), words(&["a"])).await;
                if response.status() == 200 {
                    done += 1;
                    continue;
                }
                throttled += 1;
                assert_eq!(response.status(), 429);
                assert_eq!(header(&response, "x-amzn-errortype"), Some("TooManyRequestsException"));
                assert_eq!(header(&response, "retry-after"), Some("1"));
                let error = json_of(response).await;
                assert_eq!(error["Reason"], "FunctionInvocationRateLimitExceeded");
            }
            // Twenty at once, and twenty more in each second.
            let most = 20.0 * (1.0 + began.elapsed().as_secs_f64()) + 1.0;
            assert!(done >= 20 && f64::from(done) <= most, "{done} of {most}");
            // A second later there is one again.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let response = post(&client, &host.invoke("floodway"), words(&["a"])).await;
            assert_eq!(response.status(), 200);
        });
    }
}

#[test]
fn a_reserved_environment_has_a_rate_of_its_own() {
    for host in Host::both("concurrency=50,reserved=1,requests=1,cold_start=0ms") {
        in_async(async |client| {
            let error = loop {
                let response = post(&client, &host.invoke("floodway"), words(&["a"])).await;
                if response.status() == 429 {
                    break json_of(response).await;
                }
                assert_eq!(response.status(), 200);
            };
            assert_eq!(error["Reason"], "ReservedFunctionInvocationRateLimitExceeded");
        });
    }
}

#[test]
fn the_first_call_and_one_after_a_long_pause_are_cold_starts() {
    for host in Host::both("cold_start=40ms,idle=30ms") {
        in_async(async |client| {
            let mut cold = Vec::new();
            for pause in [0, 0, 100] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                let began = Instant::now();
                let response = post(&client, &host.url(), words(&["a"])).await;
                let took = began.elapsed();
                let init = reported(&response, "Init Duration");
                let billed = reported(&response, "Billed Duration").expect("a REPORT line");
                let answer = json_of(response).await;
                assert_eq!(answer["cold"].as_bool().unwrap_or(false), init.is_some());
                if let Some(init) = init {
                    assert!(init >= 40.0 && billed >= 40.0, "{init} ms, billed {billed} ms");
                    assert!(took >= Duration::from_millis(40), "{took:?}");
                }
                cold.push(init.is_some());
            }
            assert_eq!((cold[0], cold[2]), (true, true));
        });
    }
}

#[test]
fn modelled_work_takes_its_time_and_runs_side_by_side() {
    for host in Host::both("concurrency=10,cold_start=0ms") {
        in_async(async |client| {
            let url = host.url();
            let began = Instant::now();
            let response = post(&client, &url, work(1_000, 1_000)).await;
            assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
            let billed = reported(&response, "Billed Duration").expect("a REPORT line");
            assert!((1_000.0..1_500.0).contains(&billed), "{billed} ms");

            let began = Instant::now();
            let calls = (0..10).map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move { post(&client, &url, work(100, 1_000)).await.status() })
            });
            for call in calls.collect::<Vec<_>>() {
                assert_eq!(call.await.expect("it does not panic"), 200);
            }
            let took = began.elapsed();
            assert!(took >= Duration::from_millis(100), "{took:?}");
            // One after the other it would be a second.
            assert!(took < Duration::from_millis(900), "{took:?}");
        });
    }
}

#[test]
fn half_the_memory_is_half_as_fast() {
    let [small, _] = Host::both("memory=885,cold_start=0ms");
    in_async(async |client| {
        let response = post(&client, &small.url(), work(100, 1_000)).await;
        let billed = reported(&response, "Billed Duration").expect("a REPORT line");
        assert!(billed >= 199.0, "{billed} ms");
        assert_eq!(reported(&response, "Memory Size"), Some(885.0));
    });
}

#[test]
fn failures_come_before_the_work_after_it_in_mid_answer_and_from_the_function() {
    for host in Host::both("failure_rate=0.5,seed=5,cold_start=0ms") {
        in_async(async |client| {
            let text = "word ".repeat(100_000);
            let (mut service, mut broken, mut function, mut good) = (0, 0, 0, 0);
            for _ in 0..60 {
                let response = post(&client, &host.invoke("floodway"), words(&[&text])).await;
                let failed = header(&response, "x-amz-function-error").is_some();
                match (response.status().as_u16(), failed) {
                    (500, _) => service += 1,
                    (200, true) => function += 1,
                    (200, false) => match response.bytes().await {
                        Ok(_) => good += 1,
                        Err(_) => broken += 1,
                    },
                    other => panic!("{other:?}"),
                }
            }
            // Two of the four kinds are the service's.
            assert!(
                service >= 4 && broken >= 2 && function >= 2 && good >= 15,
                "{service} {broken} {function} {good}"
            );
        });
    }
}

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

#[test]
fn modelled_work_that_no_function_may_do_is_refused() {
    for host in Host::both("cold_start=0ms") {
        in_async(async |client| {
            for work_us in ["99999999999", "1e300", "-5"] {
                let body =
                    format!(r#"{{"v":1,"task":"words","records":["a"],"work_us":{work_us}}}"#);
                let response = post(&client, &host.invoke("floodway"), body).await;
                assert!(header(&response, "x-amz-function-error").is_some(), "{work_us}");
                let error = json_of(response).await.to_string();
                assert!(error.contains("work_us") && error.contains("900 s"), "{error}");
            }
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
    use std::time::Instant;

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
    let place = crate::common::Place::new();
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
