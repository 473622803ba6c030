//! The service's HTTP: paths in, AWS's shapes out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::FunctionError;
use super::invocation::{Outcome, Report, Service, request_id};
use super::server::FUNCTION_NAME;
use crate::wire::MAX_BODY;

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// The two doors of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Invoke,
    Url,
}

const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error of the service, as AWS writes it.
struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    reason: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, kind, message: message.into(), reason: None }
    }

    fn response(self) -> Response<Body> {
        let side = if self.status.is_server_error() { "Server" } else { "User" };
        let mut body = json!({ "Type": side, "message": self.message });
        if let Some(reason) = self.reason {
            body["Reason"] = reason.into();
        }
        let mut response = json_response(self.status, body.to_string());
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(self.kind));
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Answers one request.
pub(super) async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (door, event, tail) = match read(request).await {
        Ok(read) => read,
        Err(refusal) => {
            service.round_trip().await;
            return Ok(refusal.response());
        }
    };
    // An invocation goes on when its client has hung up.
    let invocation = tokio::spawn(async move { service.invoke(event).await });
    let outcome = invocation.await.unwrap_or(Outcome::Service);
    Ok(match outcome {
        Outcome::Answered(body, report) => answered(full(body.clone()), &body, &report, tail),
        Outcome::Broken(body, report) => answered(broken(&body), &body, &report, tail),
        Outcome::Failed(error, report) => failed(door, &error, &report, tail),
        Outcome::Throttled => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut refusal = Refusal::new(status, "TooManyRequestsException", "Rate Exceeded.");
            refusal.reason = Some("ConcurrentInvocationLimitExceeded");
            refusal.response()
        }
        // The connection is closed without an answer.
        Outcome::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
        Outcome::Service => {
            let message = "The service failed (simulated).";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Refusal::new(status, "ServiceException", message).response()
        }
    })
}

/// Reads a request: by which door, with which event, and whether the log's tail is wanted.
async fn read(request: Request<Incoming>) -> Result<(Door, Bytes, bool), Refusal> {
    let (head, body) = request.into_parts();
    let door = door(head.uri.path())?;
    if head.method != Method::POST {
        let message = format!("{} is not allowed here: POST an event", head.method);
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal::new(status, "MethodNotAllowedException", message));
    }
    let too_large = || {
        let message = format!(
            "Request must be smaller than {MAX_BODY} bytes for the InvokeFunction operation"
        );
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message)
    };
    let bad = |message: String| {
        Refusal::new(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
    };
    if door == Door::Invoke
        && text(&head.headers, &INVOCATION_TYPE).is_some_and(|kind| kind != "RequestResponse")
    {
        let kind = "InvalidParameterValueException";
        let message = "only the invocation type RequestResponse is served here";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, kind, message));
    }
    let event = match Limited::new(body, MAX_BODY).collect().await {
        Ok(event) => event.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(bad(format!("Could not read the request body: {error}"))),
    };
    if door == Door::Invoke && serde_json::from_slice::<serde::de::IgnoredAny>(&event).is_err() {
        return Err(bad("Could not parse request body into json".to_owned()));
    }
    let tail = text(&head.headers, &LOG_TYPE) == Some("Tail");
    Ok((door, event, tail))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn door(path: &str) -> Result<Door, Refusal> {
    let Some(rest) = path.strip_prefix("/2015-03-31/") else { return Ok(Door::Url) };
    let name = rest.strip_prefix("functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    let name = name.unwrap_or(rest).replace("%3A", ":").replace("%3a", ":");
    // A name, a partial or a whole ARN, each with or without a version.
    let short = name.rsplit_once("function:").map_or(name.as_str(), |(_, short)| short);
    if short.split(':').next() == Some(FUNCTION_NAME) {
        return Ok(Door::Invoke);
    }
    let message = format!("Function not found: {name}. The one that is here is {FUNCTION_NAME}");
    Err(Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message))
}

fn answered(body: Body, whole: &Bytes, report: &Report, tail: bool) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    describe(headers, report, tail);
    response
}

/// A failed function is a 200 through the Invoke path, and a 502 through a URL.
fn failed(door: Door, error: &FunctionError, report: &Report, tail: bool) -> Response<Body> {
    let mut response = match door {
        Door::Invoke => {
            let body = json!({
                "errorMessage": error.message, "errorType": error.error_type, "stackTrace": [],
            });
            let mut response = json_response(StatusCode::OK, body.to_string());
            let unhandled = HeaderValue::from_static("Unhandled");
            response.headers_mut().insert(FUNCTION_ERROR, unhandled);
            response
        }
        Door::Url if error.error_type == "Function.ResponseSizeTooLarge" => {
            let (status, kind) = (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException");
            Refusal::new(status, kind, error.message.clone()).response()
        }
        Door::Url => json_response(StatusCode::BAD_GATEWAY, "Internal Server Error".to_owned()),
    };
    describe(response.headers_mut(), report, tail);
    response
}

/// What every invocation's answer says about it.
fn describe(headers: &mut HeaderMap, report: &Report, tail: bool) {
    headers.insert(VERSION, HeaderValue::from_static("$LATEST"));
    // Hexadecimal digits and base64 are header values.
    if let Ok(id) = HeaderValue::from_str(&request_id(report.number)) {
        headers.insert(REQUEST_ID, id);
    }
    if tail && let Ok(log) = HeaderValue::from_str(&STANDARD.encode(report.log())) {
        headers.insert(LOG_RESULT, log);
    }
}

fn json_response(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// The first half of a body, and then nothing: the connection breaks.
fn broken(body: &Bytes) -> Body {
    BoxBody::new(Broken { half: Some(body.slice(..body.len() / 2)), sent: false })
}

struct Broken {
    half: Option<Bytes>,
    sent: bool,
}

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        // A body that is not ready makes hyper send what it has: the client is to see it.
        if !std::mem::replace(&mut self.sent, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
