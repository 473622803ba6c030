//! One HTTP exchange: sent, looked at, and metered.

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
use super::request_body::WireTimer;
use super::shared::Shared;
use crate::batch::spare::{self, Kept};
use crate::cost::Cost;
use crate::wire::MAX_BODY;

/// An attempt that failed, and when the service says to come back.
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

/// What attempts are billed, summed up for those who pay for them together.
#[derive(Debug, Default)]
pub(super) struct Bill {
    attempts: AtomicU64,
    billed_us: AtomicU64,
}

impl Bill {
    /// In US dollars.
    pub(super) fn usd(&self, cost: &Cost) -> f64 {
        cost.usd(self.attempts.load(Relaxed), self.billed_us.load(Relaxed) as f64 / 1e3)
    }
}

/// An answer's body, and how long it took on the wire.
pub(super) struct Answered {
    pub body: Kept,
    /// For those of its bytes that were not expected.
    pub permit: MemoryPermit,
    pub took: Duration,
    /// The service says that an environment was started for it.
    pub cold: bool,
}

/// Sends `body` once; `wire` hears when it is on the wire. For `expected` bytes of the answer there is a permit. Answers the body of an answer that may be believed.
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
    // From when it is on the wire, or else as long for it to get there.
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

/// Counts what an attempt costs when it is over, however it ends: also when it is given up.
struct Meter<'a> {
    wire_timer: Arc<WireTimer>,
    /// What the service says; `Some(0)` if it did not run.
    billed: Option<Duration>,
    /// The service's log says so.
    is_metered: bool,
    is_over: bool,
    shared: &'a Shared,
    bill: &'a Bill,
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        let live = &self.shared.live;
        // Without the service's word the time it took is the most it can have been. What was given
        // up goes on there, and probably for as long as others do.
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
        // An answer past the limit is no failure of the function's code: fewer records may do.
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

/// Reads the answer to a request of `request` bytes, up to the limit. What is longer than `expected` takes of `permit`
/// as it is read.
async fn read(
    answer: &mut reqwest::Response,
    shared: &Shared,
    request: usize,
    expected: usize,
    permit: &mut MemoryPermit,
) -> Result<Kept, Failure> {
    let mut permit_for = |bytes: usize| {
        let more = bytes.saturating_sub(expected).saturating_sub(permit.bytes());
        if !permit.grow(more) {
            shared.learn_answer_ratio(bytes, request);
            return Err(Failure::NoMemory(shared.body_memory.limit() >> 20));
        }
        Ok(())
    };
    let length = answer.content_length().unwrap_or(0) as usize;
    if length > MAX_BODY {
        return Err(Failure::AnswerTooLong);
    }
    permit_for(length)?;
    let mut body = Kept(spare::take(length));
    while let Some(chunk) = answer.chunk().await.map_err(|error| connection_failure(&error))? {
        let bytes = body.0.len() + chunk.len();
        if bytes > MAX_BODY {
            return Err(Failure::AnswerTooLong);
        }
        if bytes > body.0.capacity() {
            // As a vector grows, but not past the limit.
            let bytes = bytes.max(2 * body.0.capacity()).min(MAX_BODY);
            permit_for(bytes)?;
            body.0.reserve_exact(bytes - body.0.len());
        }
        body.0.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The log's tail, if the service sent it.
pub(crate) fn report(headers: &HeaderMap) -> Option<String> {
    let tail = STANDARD.decode(headers.get("x-amz-log-result")?.as_bytes()).ok()?;
    Some(String::from_utf8_lossy(&tail).into_owned())
}

/// `Billed Duration: 12 ms` from the tail's REPORT line.
pub(crate) fn billed(tail: &str) -> Option<Duration> {
    let after = tail.rsplit_once("Billed Duration: ")?.1;
    let milliseconds: f64 = after.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_line_says_what_is_billed() {
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
