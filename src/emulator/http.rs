//! The HTTP interface of the service: parses paths, and answers in AWS's formats.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::body_reader::{BodyReader, NotRead, discard};
use super::invocation::{Outcome, Service};
use super::report::{Report, request_id};
use super::responses::{Body, FUNCTION_ERROR, Refusal, describe, json_response, with_body};
use super::runtime::{Failure, TOO_LARGE};
use super::server::FUNCTION_NAME;
use super::sigv4::{Keys, Unsigned};
use super::url;
use crate::host_check::{AllowedHosts, check_host_count, is_cross_site, is_of_browser};
use crate::wire::MAX_BODY;

/// The two routes to a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    Invoke,
    Url,
}

const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");

/// What answers requests.
pub(super) struct Frontend {
    pub service: Service,
    /// The keys that requests must be signed with, if they must.
    pub keys: Option<Keys>,
    /// The host names that the server answers to.
    pub hosts: AllowedHosts,
    /// The reader of bodies.
    pub body_reader: BodyReader,
}

/// Answers a request of `peer`.
pub(super) async fn answer(
    front: Arc<Frontend>,
    request: Request<Incoming>,
    peer: IpAddr,
) -> io::Result<Response<Body>> {
    let service = &front.service;
    let (route, head, body) = match read(&front, request).await {
        Ok(read) => read,
        Err(refused) => {
            service.round_trip().await;
            return Ok(*refused);
        }
    };
    let number = service.next_number();
    // A process receives AWS's event; a function in Rust reads the wire format.
    let wrapped = service.is_real() && route == Route::Url;
    let event = match wrapped {
        true => url::event(&head, &body, peer, &request_id(number)),
        false => body,
    };
    let tail = text(&head.headers, &LOG_TYPE) == Some("Tail");
    // An invocation continues when its client has closed the connection.
    let of_invocation = Arc::clone(&front);
    let invocation = tokio::spawn(async move { of_invocation.service.invoke(number, event).await });
    let outcome = invocation.await.unwrap_or(Outcome::Service);
    let (body, report, breaks) = match outcome {
        Outcome::Answered(body, report) => (body, report, false),
        Outcome::Broken(body, report) => (body, report, true),
        Outcome::Failed(failure, report) => return Ok(failed(route, failure, &report, tail)),
        Outcome::Throttled(why) => {
            return Ok(Refusal::throttled(why, front.service.is_reserved()).response());
        }
        // The connection is closed without an answer.
        Outcome::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
        Outcome::Service => {
            let message = "The service failed (simulated).";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(Refusal::new(status, "ServiceException", message).response());
        }
    };
    let taken = if wrapped { url::response(body) } else { Some(plain(body)) };
    let Some((mut response, body)) = taken else {
        // The function's answer is not a valid response of a URL.
        return Ok(bad_gateway(&report, tail));
    };
    describe(response.headers_mut(), &report, tail);
    Ok(with_body(response, body, breaks))
}

/// Reads a request: its route and its body, or the response that refuses it.
async fn read(
    front: &Frontend,
    request: Request<Incoming>,
) -> Result<(Route, Parts, Bytes), Box<Response<Body>>> {
    let (head, body) = request.into_parts();
    // A client without permission receives no other response, and its body is discarded.
    if let Err(refused) = authorize(front, &head) {
        discard(body);
        return Err(refused);
    }
    let now = SystemTime::now();
    let claim = front.keys.as_ref().map(|keys| keys.claim(&head, now)).transpose();
    let claim = match claim {
        Ok(claim) => claim,
        Err(why) => {
            discard(body);
            return Err(unsigned(&head, why));
        }
    };
    let body = match front.body_reader.read(body).await {
        Ok(body) => body,
        Err(NotRead::TooLarge) => {
            let message = format!(
                "Request must be smaller than {MAX_BODY} bytes for the InvokeFunction operation"
            );
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(refuse(status, "RequestTooLargeException", message));
        }
        Err(NotRead::TooSlow) => {
            let message = "The request's body did not come in time.";
            return Err(refuse(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", message));
        }
        Err(NotRead::Broken(why)) => {
            return Err(bad(format!("Could not read the request body: {why}")));
        }
    };
    if let Some(Err(why)) = claim.map(|claim| claim.check(&body)) {
        return Err(unsigned(&head, why));
    }
    if head.uri.path().trim_end_matches('/') == ACCOUNT && head.method == Method::GET {
        return Err(Box::new(json_response(StatusCode::OK, front.service.account().to_string())));
    }
    let route = route(head.uri.path()).map_err(|refusal| Box::new(refusal.response()))?;
    let any_method = route == Route::Url && front.service.is_real();
    if head.method != Method::POST && !any_method {
        let message = format!("{} is not allowed here: POST an event", head.method);
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(refuse(status, "MethodNotAllowedException", message));
    }
    if route == Route::Url {
        return Ok((route, head, body));
    }
    if text(&head.headers, &INVOCATION_TYPE).is_some_and(|kind| kind != "RequestResponse") {
        let kind = "InvalidParameterValueException";
        let message = "only the invocation type RequestResponse is served here";
        return Err(refuse(StatusCode::BAD_REQUEST, kind, message));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        return Err(bad("Could not parse request body into json".to_owned()));
    }
    Ok((route, head, body))
}

/// Checks that the request is not from a web page of another site. A browser marks its requests with an origin or
/// `Sec-Fetch-Site`, so a POST without them is from a program, for any host: it may have come through a proxy or into
/// a container. A signed request is not from a web page either.
fn authorize(front: &Frontend, head: &Parts) -> Result<(), Box<Response<Body>>> {
    let forbidden = |why: &str| refuse(StatusCode::FORBIDDEN, "AccessDeniedException", why);
    check_host_count(head.version, &head.headers).map_err(bad)?;
    if is_cross_site(&head.method, &head.headers) {
        return Err(forbidden("Requests of web pages of other sites are not accepted."));
    }
    let may_be_a_page = head.method != Method::POST || is_of_browser(&head.headers);
    match may_be_a_page && front.keys.is_none() {
        true => front.hosts.check(&head.uri, &head.headers).map_err(|why| forbidden(&why)),
        false => Ok(()),
    }
}

fn unsigned(head: &Parts, why: Unsigned) -> Box<Response<Body>> {
    Box::new(match head.uri.path().starts_with(INVOKE) || head.uri.path().starts_with(ACCOUNT) {
        true => Refusal::unsigned(why).response(),
        false => Refusal::forbidden(),
    })
}

fn refuse(
    status: StatusCode,
    kind: &'static str,
    message: impl Into<String>,
) -> Box<Response<Body>> {
    Box::new(Refusal::new(status, kind, message).response())
}

fn bad(message: String) -> Box<Response<Body>> {
    refuse(StatusCode::BAD_REQUEST, "InvalidRequestContentException", message)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

const INVOKE: &str = "/2015-03-31/";

/// The path of the account's settings, by which a client learns its limits.
const ACCOUNT: &str = "/2016-08-19/account-settings";

fn route(path: &str) -> Result<Route, Refusal> {
    let Some(rest) = path.strip_prefix(INVOKE) else { return Ok(Route::Url) };
    let name = rest.strip_prefix("functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    let name = name.unwrap_or(rest).replace("%3A", ":").replace("%3a", ":");
    // The name may be a short name, a partial ARN or a whole ARN, each with or without a version.
    let short = name.rsplit_once("function:").map_or(name.as_str(), |(_, short)| short);
    if short.split(':').next() == Some(FUNCTION_NAME) {
        return Ok(Route::Invoke);
    }
    let message = format!("Function not found: {name}. The one that is here is {FUNCTION_NAME}");
    Err(Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message))
}

/// Returns the response as the function gave it.
fn plain(body: Bytes) -> (Response<()>, Bytes) {
    let mut response = Response::new(());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    (response, body)
}

/// Returns the response of a failed function: 200 through the Invoke path, 502 through a URL.
fn failed(route: Route, failure: Failure, report: &Report, tail: bool) -> Response<Body> {
    let mut response = match route {
        Route::Invoke => {
            let mut response = json_response(StatusCode::OK, failure.body);
            let unhandled = HeaderValue::from_static("Unhandled");
            response.headers_mut().insert(FUNCTION_ERROR, unhandled);
            response
        }
        Route::Url if failure.error_type == TOO_LARGE => {
            let (status, kind) = (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException");
            Refusal::new(status, kind, failure.message()).response()
        }
        Route::Url => return bad_gateway(report, tail),
    };
    describe(response.headers_mut(), report, tail);
    response
}

fn bad_gateway(report: &Report, tail: bool) -> Response<Body> {
    let mut response = json_response(StatusCode::BAD_GATEWAY, "Internal Server Error");
    describe(response.headers_mut(), report, tail);
    response
}
