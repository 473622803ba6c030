//! The way of records to `answer` in handler.rs, and of its results back. You need not change this file.
//!
//! ```text
//! request {"v":1,"task":"NAME","records":[RECORD, ...]}
//! answer  {"v":1,"task":"NAME","results":[RESULT, ...],"ids":[0,1, ...],
//!          "errors":[{"id":3,"code":"..."}]}      and on the first request "cold":true
//! ```
//!
//! Records and results are any JSON values. The event is the request itself (a direct invoke) or a function URL's
//! (payload version 2), whose body is the request.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

use super::handler::answer;

const VERSION: u64 = 1;

/// What `answer` returns for a record that it cannot compute: a [`BadRecord`], or any other error. Another error fails
/// the whole request: Floodway then divides it until the record stands alone.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Return it for a record that has no result. The code says why, such as `no_price`.
#[derive(Debug)]
pub struct BadRecord(pub &'static str);

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadRecord {}

/// Why an event has no answer: its type for Lambda, and a message.
#[derive(Debug)]
struct Failed(&'static str, String);

impl From<Failed> for Diagnostic {
    fn from(Failed(kind, message): Failed) -> Diagnostic {
        Diagnostic { error_type: kind.to_owned(), error_message: message }
    }
}

/// Asks Lambda for events and answers them.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    let is_cold = AtomicBool::new(true);
    let handle = async |event: LambdaEvent<Value>| {
        handle(event.payload, is_cold.swap(false, Ordering::Relaxed))
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// Answers one event.
fn handle(mut event: Value, cold: bool) -> Result<Value, Failed> {
    if event.get("requestContext").is_none() {
        return answer_all(checked(&mut event).map_err(invalid)?, cold);
    }
    match body(&event).and_then(|mut request| checked(&mut request)) {
        Ok(request) => answer_all(request, cold),
        // A function that fails is a 502 without a reason to a URL's caller: this says what is wrong.
        Err(message) => {
            let body = json!({ "errorType": "InvalidEvent", "errorMessage": message }).to_string();
            let headers = json!({ "content-type": "application/json" });
            Ok(json!({ "statusCode": 400, "headers": headers, "body": body }))
        }
    }
}

fn invalid(message: String) -> Failed {
    Failed("InvalidEvent", message)
}

/// A request's task and its records.
struct Request {
    task: Value,
    records: Vec<Value>,
}

fn answer_all(request: Request, cold: bool) -> Result<Value, Failed> {
    let (mut results, mut ids, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (id, record) in request.records.iter().enumerate() {
        match answer(record) {
            Ok(result) => {
                results.push(result);
                ids.push(id);
            }
            Err(failure) => match failure.downcast_ref::<BadRecord>() {
                Some(bad) => errors.push(json!({ "id": id, "code": bad.0 })),
                None => return Err(Failed("Error", failure.to_string())),
            },
        }
    }
    let mut made = json!({
        "v": VERSION, "task": request.task, "results": results, "ids": ids, "errors": errors,
    });
    if cold {
        made["cold"] = true.into();
    }
    Ok(made)
}

fn checked(request: &mut Value) -> Result<Request, String> {
    let (Some(version), Some(task)) = (request.get("v"), request.get("task")) else {
        let expected = r#"{"v":1,"task":"NAME","records":[RECORD, ...]}"#;
        return Err(format!("the event is not a request: expected {expected}"));
    };
    if version.as_u64() != Some(VERSION) {
        let shown: String = version.to_string().chars().take(64).collect();
        return Err(format!(
            "version {shown} of the wire is not version {VERSION}, which this function speaks: replace its wire.rs by \
             the one that `floodway init` of the calling floodway writes"
        ));
    }
    // The templates and the local Lambda set it, so that the wrong function does not answer.
    let own = std::env::var("FLOODWAY_TASK").unwrap_or_default();
    if !own.is_empty() && task.as_str() != Some(&own) {
        let shown: String = task.to_string().chars().take(64).collect();
        return Err(format!(
            "the request is for the task {shown}, and this function computes {own}: name the function of that task with \
             --lambda"
        ));
    }
    let task = task.clone();
    match request.get_mut("records").map(Value::take) {
        Some(Value::Array(records)) => Ok(Request { task, records }),
        _ => Err(r#"the request has no array "records": send one, empty if need be"#.to_owned()),
    }
}

/// The request that a function URL's event carries.
fn body(event: &Value) -> Result<Value, String> {
    let body = event["body"].as_str().filter(|body| !body.is_empty());
    let body =
        body.ok_or("the HTTP request has no body: POST a request of floodway's to this URL")?;
    let decoded = match event["isBase64Encoded"].as_bool() {
        Some(true) => {
            BASE64.decode(body).map_err(|error| format!("the body is not base64: {error}"))?
        }
        _ => body.as_bytes().to_vec(),
    };
    serde_json::from_slice(&decoded).map_err(|error| format!("the body is not JSON: {error}"))
}
