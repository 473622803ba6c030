//! Serves the stages of a program where AWS Lambda starts it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::emulator::{Context, Function, FunctionError};
use crate::wire::refuse_url_event;

/// The variable with the address of Lambda's runtime. It is set in a function's environment, and nowhere else.
pub(super) const RUNTIME: &str = "AWS_LAMBDA_RUNTIME_API";

/// Answers the runtime's events by `function` until the environment ends.
///
/// # Errors
/// If the runtime cannot be reached.
pub(super) fn serve(function: Arc<dyn Function>) -> Result<(), Error> {
    let is_cold = AtomicBool::new(true);
    let answering = async |event: LambdaEvent<Box<RawValue>>| {
        let answer = answer(&*function, event.payload.get(), is_cold.swap(false, Relaxed));
        answer.map_err(|FunctionError { error_type, message }| Diagnostic {
            error_type,
            error_message: message,
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(service_fn(answering)))
}

/// Answers one event: a request, or that of a function URL with a request as its body.
fn answer(
    function: &dyn Function,
    event: &str,
    cold: bool,
) -> Result<Box<RawValue>, FunctionError> {
    invoke(function, event.as_bytes(), cold).or_else(|error| {
        let Some(body) = body_of_url_event(event) else { return Err(error) };
        let answered = match body {
            Ok(body) => invoke(function, &body, cold),
            Err(error) => Err(failure("InvalidEvent", format!("the body is not base64: {error}"))),
        };
        answered.or_else(|error| raw(refuse_url_event(&error.error_type, &error.message)))
    })
}

/// Returns the body if the event is that of a function URL.
fn body_of_url_event(event: &str) -> Option<Result<Vec<u8>, DecodeError>> {
    #[derive(Deserialize)]
    struct UrlEvent<'a> {
        #[serde(rename = "requestContext")]
        _context: IgnoredAny,
        #[serde(borrow, default)]
        body: Cow<'a, str>,
        #[serde(rename = "isBase64Encoded", default)]
        is_base64: bool,
    }
    let UrlEvent { body, is_base64, .. } = serde_json::from_str(event).ok()?;
    Some(if is_base64 { STANDARD.decode(&*body) } else { Ok(body.into_owned().into()) })
}

fn invoke(
    function: &dyn Function,
    event: &[u8],
    cold: bool,
) -> Result<Box<RawValue>, FunctionError> {
    let answer = function.invoke(event, &mut Context { cold, ..Context::default() })?;
    match String::from_utf8(answer) {
        Ok(json) => raw(json),
        Err(error) => Err(failure("InvalidResult", error.to_string())),
    }
}

fn raw(json: String) -> Result<Box<RawValue>, FunctionError> {
    RawValue::from_string(json).map_err(|error| failure("InvalidResult", error.to_string()))
}

fn failure(kind: &str, message: String) -> FunctionError {
    FunctionError { error_type: kind.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::emulator;

    #[test]
    fn requests_are_answered_alone_and_in_the_events_of_function_urls() {
        let half = emulator::function("half", |n: &u32| Ok(n / 2));
        let request = r#"{"v":1,"task":"half","records":[4,7]}"#;
        let answer = |event: &str| answer(&half, event, true).map(|json| json.get().to_owned());
        let expected = answer(request).unwrap();
        assert!(expected.contains(r#""results":[2,3],"ids":[0,1]"#), "{expected}");
        let plain = json!({ "requestContext": {}, "body": request }).to_string();
        let body = STANDARD.encode(request);
        let packed = json!({ "requestContext": {}, "body": body, "isBase64Encoded": true });
        assert_eq!(answer(&plain).unwrap(), expected);
        assert_eq!(answer(&packed.to_string()).unwrap(), expected);
        // To a caller of the Invoke API, a wrong request is a function error.
        assert!(answer(r#"{"v":1,"task":"third","records":[]}"#).is_err());
        let wrong = json!({ "requestContext": {}, "body": "no request" }).to_string();
        assert!(answer(&wrong).unwrap().contains(r#""statusCode":400"#));
    }
}
