//! One attempt: an HTTP exchange whose response is checked.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use tokio::sync::mpsc::UnboundedSender;

use super::Failure;
use super::body::Body;
use super::body_memory::MemoryPermit;
use super::core::{AttemptId, Billed, Ended};
use super::http_client::{HttpResponse, connection_failure};
use super::shared::Shared;
use super::validated_response::ValidatedResponse;
use super::wire_timer::WireTimer;
use crate::batch::spare::{self, Kept};
use crate::task::Task;
use crate::wire::{MAX_BODY, RequestBody};

/// What an attempt reports.
pub(super) enum Event<K: Task> {
    /// It is on the wire.
    OnWire(AttemptId),
    /// It has ended, with a valid response or without one.
    Ended(AttemptId, Ended, Option<Box<ValidatedResponse<K>>>),
}

/// How attempts reach the remote side.
pub(super) trait Transport<K: Task>: Send + 'static {
    /// Makes the attempt, and reports when it is on the wire and when it has ended.
    fn send(&mut self, attempt: Attempt<K>) -> impl Future<Output = ()> + Send + 'static;
}

/// Attempts are HTTP requests.
pub(super) struct Http;

impl<K: Task> Transport<K> for Http {
    fn send(&mut self, attempt: Attempt<K>) -> impl Future<Output = ()> + Send + 'static {
        attempt.run()
    }
}

/// An attempt that is to be made.
pub(super) struct Attempt<K: Task> {
    pub id: AttemptId,
    /// The body; without one, the request has no records.
    pub body: Option<Body>,
    pub is_hedge: bool,
    pub task: Arc<K>,
    pub shared: Arc<Shared>,
    pub events: UnboundedSender<Event<K>>,
}

/// What is known of a response apart from its content.
struct Report {
    billed: Billed,
    /// Whether the service reports that an environment was started for the request.
    cold: bool,
    retry_after: Option<Duration>,
}

impl<K: Task> Attempt<K> {
    async fn run(self) {
        let wire_timer = Arc::new(WireTimer::default());
        let mut report = Report { billed: Billed::TimeOnWire, cold: false, retry_after: None };
        let result = {
            let mut response = pin!(self.response(&wire_timer, &mut report));
            tokio::select! {
                biased;
                result = &mut response => result,
                () = wire_timer.is_on() => {
                    self.report(Event::OnWire(self.id));
                    response.await
                }
            }
        };
        let took = wire_timer.elapsed().unwrap_or_default();
        let Report { billed, cold, retry_after } = report;
        let (result, response) = match result {
            Ok(response) => (Ok(cold || response.cold), Some(Box::new(response))),
            Err(failure) => (Err(failure), None),
        };
        let ended = Ended { result, took, retry_after, billed };
        self.report(Event::Ended(self.id, ended, response));
    }

    pub(super) fn report(&self, event: Event<K>) {
        // This fails only if the bridge has ended.
        let _ = self.events.send(event);
    }

    /// Sends the request, and returns its response if that is valid.
    async fn response(
        &self,
        wire_timer: &Arc<WireTimer>,
        report: &mut Report,
    ) -> Result<ValidatedResponse<K>, Failure> {
        let (shared, task) = (&*self.shared, &*self.task);
        let (bytes, records, expected) = match &self.body {
            // The memory permit of the request covers one response, and a hedge has another one.
            Some(body) => {
                (body.bytes.clone(), body.records, if self.is_hedge { 0 } else { body.expected })
            }
            None => {
                let body = RequestBody::begin(Vec::new(), task.name(), Duration::ZERO, usize::MAX);
                (Bytes::from(body.finish()), 0, 0)
            }
        };
        let request = bytes.len();
        shared.count(|counters| counters.bytes_out += request as u64);
        let mut permit = shared.body_memory.permit();
        let body = exchange(shared, bytes, expected, &mut permit, wire_timer, report).await;
        if let Err(Failure::AnswerTooLong) = body {
            shared.learn_too_large(request);
        }
        let needs = shared.settings.version.as_deref().or(task.needs_version());
        let body = body.map_err(|failure| failure.or_version(needs))?;
        if records > 0 {
            shared.learn_answer_ratio(body.0.len(), request);
        }
        ValidatedResponse::read(task, &body.0, records, needs)
            .map(|response| response.with_permit(permit))
            .map_err(|failure| shared.http_client.redact(failure))
    }
}

/// Sends a request, and returns the body of its response. The memory for `expected` bytes of the response is
/// already permitted, and `permit` covers those beyond.
async fn exchange(
    shared: &Shared,
    bytes: Bytes,
    expected: usize,
    permit: &mut MemoryPermit,
    wire_timer: &Arc<WireTimer>,
    report: &mut Report,
) -> Result<Kept, Failure> {
    let request = bytes.len();
    let sent = shared.http_client.post(bytes, wire_timer).await;
    let HttpResponse { response, .. } = &mut sent.map_err(|error| {
        if !error.may_have_run {
            report.billed = Billed::Nothing;
        }
        report.retry_after = error.retry_after;
        error.failure
    })?;
    let headers = response.headers().clone();
    let body = read(response, shared, request, expected, permit).await;
    if let Some(log) = log(&headers) {
        report.billed = billed(&log).map_or(Billed::TimeOnWire, Billed::Reported);
        report.cold = log.contains("Init Duration: ");
    }
    let body = body?;
    shared.count(|counters| counters.bytes_in += body.0.len() as u64);
    if let Some(error) = headers.get("x-amz-function-error") {
        let shown = shared.http_client.redacted(&body.0);
        // A response above the size limit is not a failure of the function's code: a request with fewer
        // records may succeed.
        if shown.contains("ResponseSizeTooLarge") {
            return Err(Failure::AnswerTooLong);
        }
        if let Some(service_error) = shared.http_client.refused_by_function(&body.0) {
            return Err(Failure::Refused(service_error));
        }
        let error = error.to_str().unwrap_or("unknown");
        return Err(Failure::Function(format!("{error}: {shown}")));
    }
    Ok(body)
}

/// Reads the response to a request of `request` bytes, up to the limit. Bytes beyond `expected` are added to
/// `permit` while they are read.
async fn read(
    answer: &mut reqwest::Response,
    shared: &Shared,
    request: usize,
    expected: usize,
    permit: &mut MemoryPermit,
) -> Result<Kept, Failure> {
    let no_memory = |bytes: usize| {
        shared.learn_answer_ratio(bytes, request);
        Failure::NoMemory(shared.body_memory.limit() >> 20)
    };
    let length = answer.content_length().unwrap_or(0) as usize;
    if length > MAX_BODY {
        return Err(Failure::AnswerTooLong);
    }
    let mut body = buffer(length, expected, permit).ok_or_else(|| no_memory(length))?;
    while let Some(chunk) = answer.chunk().await.map_err(|error| connection_failure(&error))? {
        let bytes = body.0.len() + chunk.len();
        if bytes > MAX_BODY {
            return Err(Failure::AnswerTooLong);
        }
        if bytes > body.0.capacity() {
            // Grows like a `Vec`, but not past the limit.
            let bytes = bytes.max(2 * body.0.capacity()).min(MAX_BODY);
            if !covers(permit, bytes, expected) {
                return Err(no_memory(bytes));
            }
            body.0.reserve_exact(bytes - body.0.len());
        }
        body.0.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Grows `permit` until it covers `bytes` beyond the `expected` ones. Returns whether there is memory for that.
fn covers(permit: &mut MemoryPermit, bytes: usize, expected: usize) -> bool {
    permit.grow(bytes.saturating_sub(expected).saturating_sub(permit.bytes()))
}

/// Returns a buffer for `length` bytes whose capacity `permit` covers. None if there is no memory for it. A
/// reused buffer may have up to twice the length; without memory for that, a new one is allocated.
fn buffer(length: usize, expected: usize, permit: &mut MemoryPermit) -> Option<Kept> {
    let reused = Kept(spare::take(length));
    if covers(permit, reused.0.capacity(), expected) {
        return Some(reused);
    }
    drop(reused);
    covers(permit, length, expected).then(|| Kept(Vec::with_capacity(length)))
}

/// Returns the end of the function's log, if the service sent it.
pub(crate) fn log(headers: &HeaderMap) -> Option<String> {
    let tail = STANDARD.decode(headers.get("x-amz-log-result")?.as_bytes()).ok()?;
    Some(String::from_utf8_lossy(&tail).into_owned())
}

/// Parses `Billed Duration: 12 ms` from the REPORT line of the log.
pub(crate) fn billed(tail: &str) -> Option<Duration> {
    let after = tail.rsplit_once("Billed Duration: ")?.1;
    let milliseconds: f64 = after.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body_memory::BodyMemory;

    /// A reused buffer has more room than the response needs.
    #[test]
    fn the_permit_covers_the_capacity_of_the_buffer() {
        const LENGTH: usize = 100_000;
        let reuse = || spare::keep(Vec::with_capacity(2 * LENGTH));
        for (limit, expected, capacity) in [
            (2 * LENGTH, 0, Some(2 * LENGTH)),
            (2 * LENGTH - 1, 0, Some(LENGTH)),
            (LENGTH, LENGTH, Some(2 * LENGTH)),
            (LENGTH - 1, LENGTH, Some(LENGTH)),
            (LENGTH - 1, 0, None),
        ] {
            reuse();
            let mut permit = BodyMemory::new(limit).permit();
            let body = buffer(LENGTH, expected, &mut permit);
            assert_eq!(body.as_ref().map(|body| body.0.capacity()), capacity, "{limit} {expected}");
            assert!(body.is_none_or(|body| body.0.capacity() <= permit.bytes() + expected));
        }
    }

    #[test]
    fn the_billed_time_is_parsed_from_the_report_line() {
        let tail = "START RequestId: 1\nREPORT RequestId: 1\tDuration: 11.20 ms\t\
                   Billed Duration: 12 ms\tMemory Size: 1769 MB\n";
        let mut headers = HeaderMap::new();
        let billed = |headers: &HeaderMap| log(headers).as_deref().and_then(super::billed);
        assert_eq!(billed(&headers), None);
        headers.insert("x-amz-log-result", STANDARD.encode(tail).parse().unwrap());
        assert_eq!(billed(&headers), Some(Duration::from_millis(12)));
        headers.insert("x-amz-log-result", "no base64".parse().unwrap());
        assert_eq!(billed(&headers), None);
    }
}
