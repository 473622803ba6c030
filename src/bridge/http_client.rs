//! The remote side at the level of HTTP: the client, the URL and the signature.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Request, Response, Url};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::connection_pool::{ConnectionPool, StreamPermit};
use super::connector::{ConnectorLayer, lacks_room, watched};
use super::proxy::Proxy;
use super::request_body::TimedBody;
use super::wire_timer::WireTimer;
use super::{BridgeError, Failure, Settings, SettingsError};
use crate::aws::{
    Credentials, CredentialsCache, CredentialsError, INVOKE, MAX_ERROR_BODY, Payload, Region,
    ServiceError, ServiceErrorKind, Throttle, Unsigned, sign,
};

/// Sends requests to the endpoint.
pub(crate) struct HttpClient {
    connection_pool: ConnectionPool,
    url: Url,
    proxy: Option<Proxy>,
    signing: Option<Signing>,
}

struct Signing {
    region: Region,
    cache: CredentialsCache,
}

/// A request that was not answered with status 200.
pub(crate) struct HttpError {
    pub failure: Failure,
    /// The delay that the service asks for.
    pub retry_after: Option<Duration>,
    /// Whether the function may have run, which may be billed.
    pub may_have_run: bool,
}

/// A response with status 200, whose body has not been read yet.
pub(crate) struct HttpResponse {
    pub response: Response,
    /// Holds the stream until the body was read.
    _permit: Arc<StreamPermit>,
}

/// Outcome of an HTTP exchange.
struct Exchange {
    answer: reqwest::Result<Response>,
    /// Whether a new connection was made for it.
    is_new: bool,
    stream_permit: Arc<StreamPermit>,
}

impl HttpError {
    fn never_ran(failure: Failure) -> Self {
        HttpError { failure, retry_after: None, may_have_run: false }
    }
}

/// How long the client waits for the body of a refusal.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a request is sent again at once because its connection had been closed.
const MAX_RESENDS: usize = 3;

/// How long the client waits for the account's settings.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(5);

impl HttpClient {
    pub(crate) fn new(settings: &Settings) -> Result<Self, BridgeError> {
        let url = settings.endpoint.target().map_err(SettingsError::Endpoint)?;
        let proxy = Proxy::of(&url).map_err(|error| SettingsError::Endpoint(error.into()))?;
        let by = proxy.as_ref().map(Proxy::for_client).transpose().map_err(BridgeError::Client)?;
        let (max_in_flight, connect_timeout) = (settings.max_in_flight, settings.connect_timeout);
        let connection_pool = ConnectionPool::new(move || {
            let client = Client::builder()
                .redirect(Policy::none())
                // The client uses only the proxy that was chosen above.
                .no_proxy()
                .connector_layer(ConnectorLayer)
                .tcp_nodelay(true)
                // A function URL closes idle connections after 20 s. A connection that is just being closed
                // would fail the request, so the pool closes it earlier.
                .pool_idle_timeout(Duration::from_secs(10))
                .pool_max_idle_per_host(max_in_flight)
                .connect_timeout(connect_timeout);
            match &by {
                Some(by) => client.proxy(by.clone()),
                None => client,
            }
        })
        .map_err(BridgeError::Client)?;
        let signing = settings.endpoint.region().map(|region| Signing {
            region: region.clone(),
            cache: CredentialsCache::new(settings.credentials.clone()),
        });
        Ok(HttpClient { connection_pool, url, proxy, signing })
    }

    /// Returns the credentials, if requests are signed.
    pub(crate) async fn credentials(&self) -> Result<Option<Arc<Credentials>>, CredentialsError> {
        match &self.signing {
            Some(signing) => signing.cache.current().await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends `body` and returns a response with status 200. If the service says that the credentials have
    /// expired, they are looked up again, and the request is sent again with the new ones. `wire_timer`
    /// records when the request is on the wire.
    pub(crate) async fn post(
        &self,
        body: Bytes,
        wire_timer: &Arc<WireTimer>,
    ) -> Result<HttpResponse, HttpError> {
        let credentials = self
            .credentials()
            .await
            .map_err(|error| HttpError::never_ran(Failure::Credentials(error.to_string())))?;
        let unanswered = match self.send(&body, credentials.as_deref(), wire_timer).await {
            Ok(answer) => return Ok(answer),
            Err(unanswered) => unanswered,
        };
        if let Failure::Refused(ServiceError { kind: ServiceErrorKind::Expired, .. }) =
            unanswered.failure
            && let (Some(signing), Some(expired)) = (&self.signing, &credentials)
            && let Some(others) = signing.cache.renew(expired).await
        {
            tracing::info!("the credentials have expired; others were found in {}", others.from);
            return self.send(&body, Some(&others), wire_timer).await;
        }
        Err(unanswered)
    }

    /// Sends the request through a client that has room for it.
    async fn send_once(
        &self,
        body: &Bytes,
        credentials: Option<&Credentials>,
        wire_timer: &Arc<WireTimer>,
    ) -> Result<Exchange, HttpError> {
        let stream_permit = self.connection_pool.stream_permit(wire_timer);
        let stream_permit =
            stream_permit.map_err(|error| HttpError::never_ran(connection_failure(&error)))?;
        let request =
            self.request(body, credentials, &stream_permit).map_err(HttpError::never_ran)?;
        let mut sent = pin!(watched(stream_permit.client().execute(request)));
        let early = tokio::select! {
            biased;
            result = &mut sent => Some(result),
            () = self.connection_pool.meets_limit(&stream_permit) => None,
        };
        let (answer, is_new) = match early {
            Some(result) => result,
            None => sent.await,
        };
        Ok(Exchange { answer, is_new, stream_permit })
    }

    async fn send(
        &self,
        body: &Bytes,
        credentials: Option<&Credentials>,
        wire_timer: &Arc<WireTimer>,
    ) -> Result<HttpResponse, HttpError> {
        let mut sent = self.send_once(body, credentials, wire_timer).await?;
        // A connection of the pool that the server has closed in the meantime says nothing about the remote
        // side. Other connections of the pool may be closed too.
        for _ in 0..MAX_RESENDS {
            if sent.is_new || !sent.answer.as_ref().is_err_and(is_closed) {
                break;
            }
            sent = self.send_once(body, credentials, wire_timer).await?;
        }
        let Exchange { answer, stream_permit, .. } = sent;
        let answer = answer.map_err(|error| HttpError {
            may_have_run: !error.is_connect() && wire_timer.elapsed().is_some(),
            retry_after: None,
            failure: self.failure(&error),
        })?;
        self.connection_pool.answered(answer.version());
        let status = answer.status().as_u16();
        if status == 200 {
            return Ok(HttpResponse { response: answer, _permit: stream_permit });
        }
        let retry_after = retry_after(answer.headers());
        let failure = match status {
            300..=399 => Failure::Redirected,
            407 if let Some(proxy) = &self.proxy => proxy.wants_login(),
            413 => Failure::TooLarge,
            429 => Failure::Throttled(throttle(answer).await),
            _ => match self.service_error(answer, credentials).await {
                Some(service_error) if service_error.status >= 500 => {
                    Failure::Unwell(service_error)
                }
                Some(service_error) => Failure::Refused(service_error),
                None if status >= 500 => Failure::Service(status),
                None => Failure::Rejected(status),
            },
        };
        Err(HttpError { failure, retry_after, may_have_run: !(400..500).contains(&status) })
    }

    /// Returns why a request was not answered.
    fn failure(&self, error: &reqwest::Error) -> Failure {
        let failure = connection_failure(error);
        match &self.proxy {
            Some(proxy) if error.is_connect() => proxy.failure(failure),
            _ => failure,
        }
    }

    fn request(
        &self,
        body: &Bytes,
        credentials: Option<&Credentials>,
        stream_permit: &Arc<StreamPermit>,
    ) -> Result<Request, Failure> {
        const HEADERS: [(&str, &str); 2] =
            [("content-type", "application/json"), ("x-amz-log-type", "Tail")];
        let mut request = stream_permit.client().post(self.url.clone());
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        if let (Some(signing), Some(credentials)) = (&self.signing, credentials) {
            let unsigned = Unsigned {
                method: "POST",
                url: self.url.as_str(),
                headers: &HEADERS,
                payload: Payload::Bytes(body),
            };
            let region = signing.region.as_str();
            let headers = sign(&unsigned, credentials, region, "lambda", SystemTime::now())
                .map_err(|error| Failure::Credentials(error.to_string()))?;
            request = request.headers(headers.into_iter().collect());
        }
        let body = TimedBody::new(body.clone(), Arc::clone(stream_permit));
        request.body(Body::wrap(body)).build().map_err(|error| connection_failure(&error))
    }

    /// Returns how many environments the account may have in the region. None if the function is not called
    /// through Lambda's API, or if the API does not say so, which takes a permission of its own.
    pub(crate) async fn environments(&self) -> Option<u64> {
        const PATH: &str = "/2016-08-19/account-settings/";
        let signing = self.signing.as_ref()?;
        let (below, _) = self.url.path().split_once(INVOKE)?;
        let mut url = self.url.clone();
        url.set_path(&format!("{below}{PATH}"));
        let credentials = self.credentials().await.ok()??;
        let payload = Payload::Bytes(b"");
        let unsigned = Unsigned { method: "GET", url: url.as_str(), headers: &[], payload };
        let region = signing.region.as_str();
        let headers = sign(&unsigned, &credentials, region, "lambda", SystemTime::now()).ok()?;
        let stream_permit = self.connection_pool.stream_permit(&Arc::default()).ok()?;
        let request = stream_permit.client().get(url).headers(headers.into_iter().collect());
        let mut answer = request.timeout(ACCOUNT_TIMEOUT).send().await.ok()?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.ok()? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_ERROR_BODY {
                return None;
            }
        }
        let settings: serde_json::Value = serde_json::from_slice(&text).ok()?;
        settings["AccountLimit"]["ConcurrentExecutions"].as_u64()
    }

    /// Returns the error of AWS in a response whose status is not 200. None if the response is not from AWS.
    async fn service_error(
        &self,
        response: Response,
        credentials: Option<&Credentials>,
    ) -> Option<ServiceError> {
        let status = response.status().as_u16();
        let kind = response.headers().get("x-amzn-errortype").and_then(|kind| kind.to_str().ok());
        let kind = kind.map(str::to_owned);
        let clock_skew = clock_skew(response.headers(), SystemTime::now());
        let text = without_token(&beginning(response).await, credentials);
        let mut service_error = ServiceError::read(status, kind.as_deref(), text.as_bytes())?;
        // A function URL gives an unsigned request no other reason.
        if credentials.is_none() && service_error.kind == ServiceErrorKind::Denied(None) {
            service_error.kind = ServiceErrorKind::Unsigned;
        }
        // A function URL gives the same reason for a wrong clock as for a wrong secret. The response says its
        // own time.
        if credentials.is_some()
            && matches!(
                service_error.kind,
                ServiceErrorKind::Denied(None) | ServiceErrorKind::Signature
            )
            && clock_skew.is_some_and(|clock_skew| clock_skew > MAX_CLOCK_SKEW)
        {
            service_error.kind = ServiceErrorKind::Clock;
        }
        Some(service_error)
    }

    /// Returns a text of the remote side that is safe to show: it may repeat the request, but the session
    /// token is removed.
    pub(crate) fn redacted(&self, text: &[u8]) -> String {
        let credentials = self.signing.as_ref().and_then(|signing| signing.cache.last());
        without_token(text, credentials.as_deref()).chars().take(200).collect()
    }

    /// Returns the error in the answer of a function that failed because it refuses the request itself.
    pub(crate) fn refused_by_function(&self, error: &[u8]) -> Option<ServiceError> {
        let credentials = self.signing.as_ref().and_then(|signing| signing.cache.last());
        ServiceError::from_function(without_token(error, credentials.as_deref()).as_bytes())
    }

    /// Returns a failure whose quoted text is safe to show.
    pub(crate) fn redact(&self, failure: Failure) -> Failure {
        let clean = |text: String| self.redacted(text.as_bytes());
        match failure {
            Failure::Answer(why) => Failure::Answer(clean(why)),
            Failure::Version { function, needs } => {
                Failure::Version { function: clean(function), needs }
            }
            failure => failure,
        }
    }
}

/// Returns the beginning of a response's body: what arrives within the timeout.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut text = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            text.extend_from_slice(&chunk);
            if text.len() >= MAX_ERROR_BODY {
                break;
            }
        }
    };
    // What does not arrive in time is not needed.
    let _ = tokio::time::timeout(ERROR_BODY_TIMEOUT, reading).await;
    text
}

/// Returns which limit a throttled request met, if AWS names it.
async fn throttle(answer: Response) -> Throttle {
    match answer.headers().contains_key("x-amzn-errortype") {
        true => Throttle::read(&beginning(answer).await),
        false => Throttle::Unknown,
    }
}

/// Tokens shorter than this are not secrets, and would be found in many texts.
const MIN_TOKEN_LENGTH: usize = 16;

fn without_token(text: &[u8], credentials: Option<&Credentials>) -> String {
    let text = String::from_utf8_lossy(text);
    match credentials.and_then(|credentials| credentials.session_token.as_ref()) {
        Some(token)
            if token.reveal().len() >= MIN_TOKEN_LENGTH && text.contains(token.reveal()) =>
        {
            text.replace(token.reveal(), "(secret)")
        }
        _ => text.into_owned(),
    }
}

/// Largest difference between the clocks for which a signature is valid.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Returns by how much this machine's clock differs from the time in a response.
fn clock_skew(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = OffsetDateTime::parse(headers.get(DATE)?.to_str().ok()?, &Rfc2822).ok()?;
    let date = SystemTime::from(date);
    now.duration_since(date).or_else(|_| date.duration_since(now)).ok()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns whether the server closed the connection before the first byte of its response.
fn is_closed(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_timeout() && error.is_request()
}

/// Returns why a request failed: the innermost cause, which says more than "error sending request". It never
/// contains the URL.
pub(crate) fn connection_failure(error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    let mut is_name = false;
    while let Some(inner) = cause.source() {
        cause = inner;
        if let Some(error) = cause.downcast_ref().filter(|error| lacks_room(error)) {
            return Failure::NoRoom(error.to_string());
        }
        is_name |= cause.to_string().starts_with("dns error");
    }
    if std::ptr::addr_eq(cause, error) {
        return Failure::Connection("the request broke off".to_owned());
    }
    let why = cause.to_string();
    if is_name {
        return Failure::Connection(format!("the host's name does not resolve: {why}"));
    }
    if why.contains("InvalidContentType") {
        return Failure::Connection(
            "the server does not speak TLS, so its URL may have to begin with http://".to_owned(),
        );
    }
    // Recognized by rustls's text, because reqwest does not expose the error's type.
    match why.split_once("invalid peer certificate: ") {
        Some((_, why)) => {
            let why =
                why.strip_prefix("Other(OtherError(").map_or(why, |why| why.trim_end_matches(')'));
            Failure::Certificate(why.to_owned())
        }
        None => Failure::Connection(why),
    }
}
