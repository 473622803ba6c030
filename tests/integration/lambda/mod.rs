//! The local Lambda, embedded and as a process of its own: one suite for both, over real HTTP.

mod answers;
mod model;
mod refused;
mod throttling;

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use floodway::emulator::{Model, Server};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::common::Lambda;

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
