//! The Runtime API of one process. Each process has its own endpoint, so that a request of an ended process
//! reaches no other one.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::body_buffer::BodyBuffer;
use super::super::runtime::Failure;
use super::invocation_queue::{Call, InvocationQueue, Wrong};
use crate::wire::MAX_BODY;

const BASE: &str = "/2018-06-01/runtime/";
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Reply = Response<Full<Bytes>>;

/// Serves the process. Dropping the future closes its connections.
pub(super) async fn serve(listener: TcpListener, queue: Arc<InvocationQueue>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Usually too many files are open, and a moment later there are fewer.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        // On a platform without this option the latency is higher.
        let _ = stream.set_nodelay(true);
        let queue = Arc::clone(&queue);
        connections.spawn(async move {
            let answer = service_fn(|request| {
                let queue = Arc::clone(&queue);
                async move { Ok::<_, Infallible>(answer(&queue, request).await) }
            });
            // A broken connection is handled by the process.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(queue: &InvocationQueue, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let rest = head.uri.path().strip_prefix(BASE).unwrap_or_default();
    match (&head.method, rest) {
        (&Method::GET, "invocation/next") => match queue.next().await {
            Ok(call) => event(&call),
            Err(wrong) => refuse(wrong),
        },
        (&Method::POST, "init/error") => {
            let failure = failure(&head.headers, read(body).await.0);
            accept(queue.cannot_start(failure))
        }
        (&Method::POST, rest) => {
            let of = rest.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'));
            match of {
                Some((id, "response")) => respond(queue, id, body).await,
                Some((id, "error")) => {
                    let failure = failure(&head.headers, read(body).await.0);
                    accept(queue.answer(id, Err(failure)))
                }
                _ => unknown(),
            }
        }
        _ => unknown(),
    }
}

/// Handles the function's answer.
async fn respond(queue: &InvocationQueue, id: &str, body: Incoming) -> Reply {
    // The body is read even if nobody waits for it: if it were not, its client's connection would break.
    let (body, bytes, whole) = read(body).await;
    if !whole {
        // The connection broke. The process that sent the answer is watched elsewhere.
        return refuse(Wrong::State);
    }
    if bytes <= MAX_BODY {
        return accept(queue.answer(id, Ok(body)));
    }
    let too_large = Failure::too_large(bytes);
    match queue.answer(id, Err(too_large)) {
        Ok(()) => error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({MAX_BODY} bytes)."),
        ),
        Err(wrong) => refuse(wrong),
    }
}

/// Reads a body. Returns its bytes, its length, and whether it is complete. Of a body that is too long only
/// the length is kept.
async fn read(mut body: Incoming) -> (Bytes, usize, bool) {
    let (mut kept, mut bytes) = (BodyBuffer::of(&body, MAX_BODY), 0);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (kept.finish(), bytes, false) };
        if let Ok(data) = frame.into_data() {
            bytes += data.len();
            if bytes <= MAX_BODY {
                kept.push(data);
            } else {
                kept = BodyBuffer::default();
            }
        }
    }
    (kept.finish(), bytes, true)
}

fn failure(headers: &HeaderMap, body: Bytes) -> Failure {
    let error_type = headers.get(ERROR_TYPE).and_then(|kind| kind.to_str().ok());
    let error_type = error_type.unwrap_or("Unhandled").to_owned();
    if body.is_empty() {
        return Failure::new(&error_type, "the function gave no reason");
    }
    Failure { error_type, body }
}

fn event(call: &Call) -> Reply {
    let mut response = Response::new(Full::new(call.event.clone()));
    let headers = response.headers_mut();
    // Without this header Python's client crashes, and with another type its handlers receive bytes.
    headers.insert(CONTENT_TYPE, JSON);
    let deadline = call.deadline_ms.to_string();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", &call.id),
        ("lambda-runtime-deadline-ms", &deadline),
        ("lambda-runtime-invoked-function-arn", &call.arn),
        ("lambda-runtime-trace-id", &call.trace),
    ] {
        // All values are ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn accept(done: Result<(), Wrong>) -> Reply {
    match done {
        Ok(()) => reply(StatusCode::ACCEPTED, &json!({ "status": "OK" })),
        Err(wrong) => refuse(wrong),
    }
}

fn refuse(wrong: Wrong) -> Reply {
    match wrong {
        Wrong::Id => error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Wrong::State => {
            error(StatusCode::FORBIDDEN, "InvalidStateTransition", "Not allowed in this state")
        }
    }
}

fn unknown() -> Reply {
    error(StatusCode::NOT_FOUND, "NotFound", "There is no such call")
}

fn error(status: StatusCode, kind: &str, message: &str) -> Reply {
    reply(status, &json!({ "errorType": kind, "errorMessage": message }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Reply {
    let mut response = Response::new(Full::new(body.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
