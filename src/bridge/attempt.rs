//! One HTTP exchange: it is sent, its response is checked, and its cost is counted.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use tokio::time::sleep;

use super::Failure;
use super::body_memory::MemoryPermit;
use super::http_client::{HttpResponse, connection_failure};
use super::shared::Shared;
use super::wire_timer::WireTimer;
use crate::batch::spare::{self, Kept};
use crate::cost::Cost;
use crate::wire::MAX_BODY;

/// A failed attempt, and when the service asks for the next one.
#[derive(Debug)]
pub(super) struct Failed {
    pub failure: Failure,
    pub retry_after: Option<Duration>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Failed { failure, retry_after: None }
    }
}

/// What several attempts of one request are billed in total.
#[derive(Debug, Default)]
pub(super) struct Bill {
    attempts: AtomicU64,
    billed_us: AtomicU64,
}

impl Bill {
    /// Returns the cost in US dollars.
    pub(super) fn usd(&self, cost: &Cost) -> f64 {
        cost.usd(self.attempts.load(Relaxed), self.billed_us.load(Relaxed) as f64 / 1e3)
    }
}

/// The body of a response, and its time on the wire.
pub(super) struct Answered {
    pub body: Kept,
    /// Memory permit for the bytes beyond the expected ones.
    pub permit: MemoryPermit,
    pub took: Duration,
    /// Whether the service reports that an environment was started for the request.
    pub cold: bool,
}

/// Sends `body` once, and returns the body of the response. `wire_timer` records when the request is on the
/// wire. Another permit covers the first `expected` bytes of the response.
pub(super) async fn attempt(
    shared: &Shared,
    body: Bytes,
    expected: usize,
    timeout: Duration,
    bill: &Bill,
    wire_timer: &Arc<WireTimer>,
) -> Result<Answered, Failed> {
    let meter = Meter {
        wire_timer: Arc::clone(wire_timer),
        billed: None,
        is_metered: false,
        is_over: false,
        shared,
        bill,
    };
    shared.live.add(|live| &live.bytes_out, body.len() as u64);
    let mut exchange = pin!(exchange(shared, body, expected, meter));
    // The timeout counts from when the request is on the wire. The time until then has the same limit.
    let answered = async {
        tokio::select! {
            biased;
            result = &mut exchange => return Some(result),
            () = wire_timer.is_on() => {}
            () = sleep(timeout) => return None,
        }
        tokio::time::timeout(timeout, exchange).await.ok()
    };
    answered.await.unwrap_or_else(|| Err(Failure::TimedOut.into()))
}

/// Counts the cost of an attempt when it ends in any way, also when it is given up.
struct Meter<'a> {
    wire_timer: Arc<WireTimer>,
    /// Billed time that the service reports; `Some(0)` if the function did not run.
    billed: Option<Duration>,
    /// Whether the billed time is from the service's log.
    is_metered: bool,
    is_over: bool,
    shared: &'a Shared,
    bill: &'a Bill,
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        let live = &self.shared.live;
        // If the service does not report the billed time, the time on the wire is an upper bound. A request
        // that was given up continues to run, so it counts as long as the median at least.
        let on_wire = self.wire_timer.elapsed();
        let elapsed = on_wire.unwrap_or_default();
        let billed = self.billed.unwrap_or_else(|| {
            if self.is_over || on_wire.is_none() {
                elapsed
            } else {
                elapsed.max(self.shared.admission(|admission, _| admission.timing().median()))
            }
        });
        live.add(|live| &live.abandoned, u64::from(!self.is_over));
        if !billed.is_zero() {
            let micros = billed.as_micros() as u64;
            live.add(|live| &live.billed_us, micros);
            live.add(|live| &live.billed, 1);
            if self.is_metered {
                live.add(|live| &live.metered, 1);
                live.add(|live| &live.metered_us, micros);
                live.add(|live| &live.estimated_us, elapsed.as_micros() as u64);
            }
            self.bill.billed_us.fetch_add(micros, Relaxed);
            self.bill.attempts.fetch_add(1, Relaxed);
            let usd = self.shared.settings.cost.usd(1, billed.as_secs_f64() * 1e3);
            self.shared.admission(|admission, now| admission.charge(now, usd));
        }
    }
}

async fn exchange(
    shared: &Shared,
    body: Bytes,
    expected: usize,
    mut meter: Meter<'_>,
) -> Result<Answered, Failed> {
    let result = answer(shared, body, expected, &mut meter).await;
    meter.is_over = true;
    result
}

async fn answer(
    shared: &Shared,
    body: Bytes,
    expected: usize,
    meter: &mut Meter<'_>,
) -> Result<Answered, Failed> {
    let request = body.len();
    let HttpResponse { response: answer, .. } =
        &mut shared.http_client.post(body, &meter.wire_timer).await.map_err(|unanswered| {
            if !unanswered.may_have_run {
                meter.billed = Some(Duration::ZERO);
            }
            Failed { failure: unanswered.failure, retry_after: unanswered.retry_after }
        })?;
    let headers = answer.headers().clone();
    let mut permit = shared.body_memory.permit();
    let body = read(answer, shared, request, expected, &mut permit).await;
    let report = report(&headers);
    meter.billed = report.as_deref().and_then(billed);
    meter.is_metered = meter.billed.is_some();
    let cold = report.is_some_and(|report| report.contains("Init Duration: "));
    let body = body?;
    shared.live.add(|live| &live.bytes_in, body.0.len() as u64);
    if let Some(error) = headers.get("x-amz-function-error") {
        let shown = shared.http_client.redacted(&body.0);
        // A response above the size limit is not a failure of the function's code: a request with fewer
        // records may succeed.
        if shown.contains("ResponseSizeTooLarge") {
            return Err(Failure::AnswerTooLong.into());
        }
        if let Some(service_error) = shared.http_client.refused_by_function(&body.0) {
            return Err(Failure::Refused(service_error).into());
        }
        let error = error.to_str().unwrap_or("unknown");
        return Err(Failure::Function(format!("{error}: {shown}")).into());
    }
    Ok(Answered { body, permit, took: meter.wire_timer.elapsed().unwrap_or_default(), cold })
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
pub(crate) fn report(headers: &HeaderMap) -> Option<String> {
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
        let log = "START RequestId: 1\nREPORT RequestId: 1\tDuration: 11.20 ms\t\
                   Billed Duration: 12 ms\tMemory Size: 1769 MB\n";
        let mut headers = HeaderMap::new();
        let billed = |headers: &HeaderMap| report(headers).as_deref().and_then(super::billed);
        assert_eq!(billed(&headers), None);
        headers.insert("x-amz-log-result", STANDARD.encode(log).parse().unwrap());
        assert_eq!(billed(&headers), Some(Duration::from_millis(12)));
        headers.insert("x-amz-log-result", "no base64".parse().unwrap());
        assert_eq!(billed(&headers), None);
    }
}
