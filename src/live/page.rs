//! Answers the requests to the live view.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::metrics::Format;
use super::view_state::ViewState;

/// The page, with its style and script inline, so that it loads nothing from elsewhere.
const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>\n",
    include_str!("../theme.css"),
    include_str!("page/page.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>\n\"use strict\";\n",
    include_str!("page/plot.js"),
    include_str!("page/graph.js"),
    include_str!("page/page.js"),
    "</script>\n</body>\n</html>\n",
);

/// The content security policy of the page: inline style and script, and requests to its own server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

const PATHS: &str = "there are /, /metrics, /healthz, /summary.json and /series.json\n";

/// Answers a request. `asked` is called if the page sent it.
pub(super) fn answer<B>(
    request: &Request<B>,
    state: &ViewState,
    asked: impl FnOnce(),
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refused = "only GET and HEAD are answered here\n";
        let mut response = with(StatusCode::METHOD_NOT_ALLOWED, TEXT, refused);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => {
            let mut response = with(StatusCode::OK, "text/html; charset=utf-8", PAGE);
            let policy = HeaderValue::from_static(POLICY);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        "/metrics" => {
            let format = Format::accepted(text(request, &ACCEPT));
            with(StatusCode::OK, format.content_type(), state.metrics(format))
        }
        "/series.json" => {
            asked();
            let recent = request.uri().query().is_some_and(|query| query.contains("span=recent"));
            with(StatusCode::OK, JSON, state.series(!recent))
        }
        "/summary.json" => match state.summary() {
            Some(summary) => with(StatusCode::OK, JSON, summary),
            None => with(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the run has not begun\n"),
        },
        "/healthz" => {
            let (is_well, why) = state.health();
            let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            with(status, TEXT, format!("{why}\n"))
        }
        _ => with(StatusCode::NOT_FOUND, TEXT, PATHS),
    }
}

/// Answers a request that is refused.
pub(super) fn refused(status: StatusCode, why: String) -> Response<Full<Bytes>> {
    with(status, TEXT, format!("{why}\n"))
}

fn text<'a, B>(request: &'a Request<B>, name: &HeaderName) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn with(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
