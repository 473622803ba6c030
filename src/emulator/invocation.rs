//! One invocation: what happens to it, when, and what it costs.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::environments::Environments;
use super::failures::{Fault, fault, throttled};
use super::stats::Live;
use super::threads::{Ran, Threads};
use super::timer::Timer;
use super::{FunctionError, Model};
use crate::wire::MAX_BODY;

/// What a client is told of an invocation.
pub(super) enum Outcome {
    /// The function answered.
    Answered(Bytes, Report),
    /// The function answered, and the answer breaks off in its middle.
    Broken(Bytes, Report),
    /// The function failed.
    Failed(FunctionError, Report),
    /// There is no environment free.
    Throttled,
    /// The service failed.
    Service,
    /// The service is not there.
    Gone,
}

/// The REPORT line of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub number: u64,
    duration: Duration,
    billed_ms: u64,
    memory_mb: u32,
    cold_start: Option<Duration>,
}

impl Report {
    /// The log of the invocation.
    pub(super) fn log(&self) -> String {
        let id = request_id(self.number);
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut log = format!(
            "START RequestId: {id} Version: $LATEST\nEND RequestId: {id}\n\
             REPORT RequestId: {id}\tDuration: {:.2} ms\tBilled Duration: {} ms\t\
             Memory Size: {} MB\tMax Memory Used: {} MB\t",
            milliseconds(self.duration),
            self.billed_ms,
            self.memory_mb,
            self.memory_mb / 2,
        );
        if let Some(cold_start) = self.cold_start {
            // Writing to a String cannot fail.
            let _ = write!(log, "Init Duration: {:.2} ms\t", milliseconds(cold_start));
        }
        log.push('\n');
        log
    }
}

/// A request's id, in the form that AWS gives them.
pub(super) fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// The service.
pub(super) struct Service {
    model: Model,
    environments: Mutex<Environments>,
    threads: Threads,
    timer: Timer,
    live: Arc<Live>,
    invocations: AtomicU64,
    began: Instant,
}

impl Service {
    pub(super) fn new(model: Model, threads: Threads, timer: Timer, live: Arc<Live>) -> Self {
        let environments = Mutex::new(Environments::new(model.concurrency, model.idle));
        let (invocations, began) = (AtomicU64::new(0), Instant::now());
        Service { model, environments, threads, timer, live, invocations, began }
    }

    fn environments(&self) -> MutexGuard<'_, Environments> {
        // Only counts are kept there.
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Invokes the function with `event`, and answers when the model says that the client hears
    /// of it.
    pub(super) async fn invoke(&self, event: Bytes) -> Outcome {
        let age = self.began.elapsed();
        let (_, _, slow) = self.model.trouble_at(age);
        let half = self.model.network.mul_f64(slow / 2.0);
        let begin = Instant::now() + half;
        if self.model.outage.is_some_and(|(from, to)| (from..to).contains(&age)) {
            self.live.failed.fetch_add(1, Relaxed);
            return Outcome::Gone;
        }
        let (outcome, end) = self.run(event, begin).await;
        self.timer.until(end + half).await;
        outcome
    }

    /// A request that is not invoked is answered after a round trip.
    pub(super) async fn round_trip(&self) {
        self.timer.until(Instant::now() + self.model.network).await;
    }

    /// What happens at the service, and when it is over.
    async fn run(&self, event: Bytes, begin: Instant) -> (Outcome, Instant) {
        let live = &self.live;
        live.requests.fetch_add(1, Relaxed);
        let number = self.invocations.fetch_add(1, Relaxed);
        let (failure_rate, throttle_rate, slow) =
            self.model.trouble_at(begin.saturating_duration_since(self.began));
        let fault = fault(self.model.seed, number, failure_rate);
        if fault.is_some() {
            live.failed.fetch_add(1, Relaxed);
        }
        if fault == Some(Fault::Before) {
            return (Outcome::Service, begin);
        }
        if throttled(self.model.seed, number, throttle_rate) {
            live.throttled.fetch_add(1, Relaxed);
            return (Outcome::Throttled, begin);
        }
        let (taken, count) = {
            let mut environments = self.environments();
            (environments.take(begin), environments.count())
        };
        live.environments.fetch_max(count as u64, Relaxed);
        let Some(cold) = taken else {
            live.throttled.fetch_add(1, Relaxed);
            return (Outcome::Throttled, begin);
        };
        let cold_start = cold.then_some(self.model.cold_start);
        live.cold_starts.fetch_add(u64::from(cold), Relaxed);

        let ran = self.threads.invoke(event, cold).await;
        let Some(Ran { answer, work, cpu }) = ran else {
            self.environments().give_back(begin);
            return (Outcome::Service, begin);
        };
        let duration = self.model.scaled(work).mul_f64(slow) + cpu;
        let billed = cold_start.unwrap_or_default() + duration;
        // What was really computed may have waited for a core.
        let end = (begin + billed).max(Instant::now());
        self.environments().give_back(end);
        let billed_ms = billed.as_nanos().div_ceil(1_000_000).max(1) as u64;
        live.billed_ms.fetch_add(billed_ms, Relaxed);
        let memory_mb = self.model.memory_mb;
        let report = Report { number, duration, billed_ms, memory_mb, cold_start };
        let outcome = match (fault, answer) {
            (Some(Fault::After), _) => Outcome::Service,
            (Some(Fault::Function), _) => {
                let message = "this invocation was made to fail".to_owned();
                Outcome::Failed(
                    FunctionError { error_type: "Simulated".to_owned(), message },
                    report,
                )
            }
            (_, Err(error)) => Outcome::Failed(error, report),
            (_, Ok(answer)) if answer.len() > MAX_BODY => {
                let message = format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_BODY} bytes)."
                );
                let error_type = "Function.ResponseSizeTooLarge".to_owned();
                Outcome::Failed(FunctionError { error_type, message }, report)
            }
            (Some(Fault::MidAnswer), Ok(answer)) => Outcome::Broken(answer.into(), report),
            (_, Ok(answer)) => Outcome::Answered(answer.into(), report),
        };
        (outcome, end)
    }
}
