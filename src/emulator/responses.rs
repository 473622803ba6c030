//! Responses in AWS's formats.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::environments::Throttle;
use super::report::{Report, request_id};
use super::sigv4::Unsigned;

pub(super) type Body = BoxBody<Bytes, io::Error>;

pub(super) const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error of the service in AWS's format.
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
    reason: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, kind, message: message.into(), reason: None }
    }

    /// Returns the refusal of a throttled request, by the function's reserved concurrency or the account's
    /// limit.
    pub(super) fn throttled(why: Throttle, is_reserved: bool) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut refusal = Refusal::new(status, "TooManyRequestsException", "Rate Exceeded.");
        refusal.reason = Some(match (why, is_reserved) {
            (Throttle::Concurrency, false) => "ConcurrentInvocationLimitExceeded",
            (Throttle::RequestRate, false) => "FunctionInvocationRateLimitExceeded",
            (Throttle::Concurrency, true) => "ReservedFunctionConcurrentInvocationLimitExceeded",
            (Throttle::RequestRate, true) => "ReservedFunctionInvocationRateLimitExceeded",
        });
        refusal
    }

    /// Returns the refusal of a request that is not signed correctly.
    pub(super) fn unsigned(why: Unsigned) -> Self {
        let (kind, message) = match why {
            Unsigned::Missing => {
                ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned())
            }
            Unsigned::Incomplete(why) => ("IncompleteSignatureException", why.to_owned()),
            Unsigned::UnknownKey => (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".to_owned(),
            ),
            Unsigned::Expired => (
                "ExpiredTokenException",
                "The security token included in the request is expired".to_owned(),
            ),
            Unsigned::Signature(why) => ("InvalidSignatureException", why),
        };
        Refusal::new(StatusCode::FORBIDDEN, kind, message)
    }

    /// Returns the refusal of such a request at a function's URL, which gives no reason.
    pub(super) fn forbidden() -> Response<Body> {
        let body = json!({ "Message": "Forbidden" });
        let mut response = json_response(StatusCode::FORBIDDEN, body.to_string());
        let kind = HeaderValue::from_static("AccessDeniedException");
        response.headers_mut().insert(ERROR_TYPE, kind);
        response
    }

    pub(super) fn response(self) -> Response<Body> {
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

/// Adds the headers of every invocation's response.
pub(super) fn describe(headers: &mut HeaderMap, report: &Report, tail: bool) {
    headers.insert(VERSION, HeaderValue::from_static("$LATEST"));
    // Hexadecimal digits and base64 are header values.
    if let Ok(id) = HeaderValue::from_str(&request_id(report.number)) {
        headers.insert(REQUEST_ID, id);
    }
    if tail && let Ok(log) = HeaderValue::from_str(&STANDARD.encode(report.tail())) {
        headers.insert(LOG_RESULT, log);
    }
}

pub(super) fn json_response(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// Returns a response with `bytes` as its body, or with half of them before the connection breaks.
pub(super) fn with_body(mut response: Response<()>, bytes: Bytes, breaks: bool) -> Response<Body> {
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let body = match breaks {
        true => {
            let half = Some(bytes.slice(..bytes.len() / 2));
            BoxBody::new(Broken { half, sent: false })
        }
        false => full(bytes),
    };
    response.map(|()| body)
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
        // Hyper sends what it has when the body is not ready, so the client receives the first half.
        if !std::mem::replace(&mut self.sent, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
