//! The local Lambda with real processes: AWS's own runtime clients for Python and Java, Floodway's
//! for Node.js, and a program that speaks the Runtime API by itself.

mod bad;
mod bridge;
mod doors;
mod folders;
mod init;
mod java;
mod life;
mod limits;
mod node;
mod signed;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{parts, poll};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use serde_json::{Value, json};

pub(crate) use crate::common::Lambda as Hosted;

/// Keys that are not real, for a server that wants signed requests.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "a/secret+key")];

/// A folder of `tests/external/functions`.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/external/functions").join(name)
}

/// The program that speaks the Runtime API by itself, which is a script of the system's Python.
pub(crate) fn raw() -> Option<PathBuf> {
    parts::program("python3").map(|_| folder("raw"))
}

/// The command that serves `folder`, with an interpreter that has awslambdaric. As many requests a second as the tests
/// like may be sent: they have few environments.
pub(crate) fn command(folder: &Path, model: &str, args: &[&str]) -> Option<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
    command.args(["lambda", "--function"]).arg(folder).args(args);
    command.args([
        "--local-lambda",
        format!("network=0ms,requests=1000,{model}").trim_end_matches(','),
    ]);
    command.env("FLOODWAY_PYTHON", parts::python()?);
    Some(command)
}

impl Hosted {
    /// One with the function in a folder of `tests/external/functions`, and a network that takes no time.
    pub(crate) fn folder(name: &str, model: &str, args: &[&str]) -> Option<Hosted> {
        command(&folder(name), model, args).map(Hosted::of)
    }

    /// `tests/external/functions/python`.
    pub(crate) fn python(model: &str, args: &[&str]) -> Option<Hosted> {
        Hosted::folder("python", model, args)
    }

    /// `tests/external/functions/raw`.
    pub(crate) fn raw(model: &str, args: &[&str]) -> Option<Hosted> {
        command(&raw()?, model, args).map(Hosted::of)
    }

    pub(crate) fn invoke_path(&self) -> String {
        format!("{}2015-03-31/functions/floodway/invocations", self.url)
    }
}

/// What a client was told.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) error: Option<String>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
    pub(crate) log: String,
}

impl Told {
    /// The process that answered.
    pub(crate) fn pid(&self) -> i64 {
        self.body["pid"].as_i64().unwrap_or_else(|| panic!("no pid in {}: {}", self.body, self.log))
    }

    /// A field of the REPORT line.
    pub(crate) fn reported(&self, field: &str) -> Option<&str> {
        let (_, after) = self.log.split_once(&format!("\t{field}: "))?;
        after.split(['\t', '\n']).next()
    }
}

/// Invokes the function at `url`.
pub(crate) async fn post(client: &Client, url: &str, event: &Value) -> Told {
    let request = client.post(url).header("x-amz-log-type", "Tail").body(event.to_string());
    let response = request.send().await.expect("an answer");
    let headers = response.headers().clone();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let log = STANDARD.decode(header("x-amz-log-result").unwrap_or_default()).expect("base64");
    let (status, error) = (response.status().as_u16(), header("x-amz-function-error"));
    let body = response.bytes().await.expect("a body");
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    Told { status, error, headers, body, log: String::from_utf8_lossy(&log).into_owned() }
}

pub(crate) fn in_async<T>(run: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async { run(Client::new()).await })
}

/// Invokes the function once, by the Invoke path.
pub(crate) fn ask(hosted: &Hosted, event: Value) -> Told {
    in_async(async |client| post(&client, &hosted.invoke_path(), &event).await)
}

pub(crate) fn tell() -> Value {
    json!({ "do": "tell" })
}

/// Waits until a process is no more; one that nobody has waited for yet counts.
pub(crate) fn gone(pid: i64) {
    poll(&format!("the end of process {pid}"), || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('Z'));
        state.unwrap_or(true).then_some(())
    });
}
