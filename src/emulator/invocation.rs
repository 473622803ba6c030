//! One invocation: what happens to it, when, and what it costs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Model;
use super::environments::{Acquired, Environment, Environments, Throttle};
use super::failures::{Fault, fault, throttled};
use super::process::StartError;
use super::report::Report;
use super::runtime::{Execution, Failure, FunctionRuntime};
use super::stats::Live;
use super::timer::Timer;
use crate::wire::MAX_BODY;

/// What the client of an invocation gets.
pub(super) enum Outcome {
    /// The function's response.
    Answered(Bytes, Report),
    /// The first half of the function's response; then the connection breaks.
    Broken(Bytes, Report),
    /// The function failed.
    Failed(Failure, Report),
    /// The invocation is throttled.
    Throttled(Throttle),
    /// The service failed.
    Service,
    /// The service is down.
    Gone,
}

/// The service that invokes the function.
pub(super) struct Service {
    model: Model,
    environments: Mutex<Environments>,
    host: FunctionRuntime,
    timer: Timer,
    live: Arc<Live>,
    invocations: AtomicU64,
    began: Instant,
}

impl Service {
    pub(super) fn new(model: Model, host: FunctionRuntime, timer: Timer, live: Arc<Live>) -> Self {
        let environments = Mutex::new(Environments::new(&model));
        let (invocations, began) = (AtomicU64::new(0), Instant::now());
        Service { model, environments, host, timer, live, invocations, began }
    }

    /// Whether environments are reserved for the function.
    pub(super) fn is_reserved(&self) -> bool {
        self.model.reserved.is_some()
    }

    /// Whether environments are processes, which get AWS's environment variables and API.
    pub(super) fn is_real(&self) -> bool {
        matches!(self.host, FunctionRuntime::Processes(_))
    }

    /// Returns the account's settings in AWS's format.
    pub(super) fn account(&self) -> serde_json::Value {
        let concurrency = self.model.concurrency;
        let reserved = self.model.reserved.unwrap_or(0);
        serde_json::json!({
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800_u64,
                "CodeSizeUnzipped": 262_144_000,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": concurrency,
                "UnreservedConcurrentExecutions": concurrency - reserved.min(concurrency),
            },
            "AccountUsage": { "TotalCodeSize": 0, "FunctionCount": 1 },
        })
    }

    /// Returns the number of the next invocation.
    pub(super) fn next_number(&self) -> u64 {
        self.invocations.fetch_add(1, Relaxed)
    }

    /// Starts an environment, which is warm for the first request.
    pub(super) async fn try_start(&self) -> Result<(), StartError> {
        let FunctionRuntime::Processes(processes) = &self.host else { return Ok(()) };
        let process = processes.try_start().await?;
        let mut environments = self.environments();
        environments.add(Environment::Process(process), Instant::now());
        self.live.environments.fetch_max(environments.count() as u64, Relaxed);
        Ok(())
    }

    /// Ends idle environments, forever.
    pub(super) async fn reap(&self) {
        const MIN_REAP_INTERVAL: Duration = Duration::from_millis(20);
        const MAX_REAP_INTERVAL: Duration = Duration::from_secs(5);
        loop {
            tokio::time::sleep((self.model.idle / 4).clamp(MIN_REAP_INTERVAL, MAX_REAP_INTERVAL))
                .await;
            self.environments().reap(Instant::now());
        }
    }

    fn environments(&self) -> MutexGuard<'_, Environments> {
        // The data is consistent even if a thread panicked while it held the lock.
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Invokes the function with `event`, and returns when the client would receive the response by the
    /// model.
    pub(super) async fn invoke(&self, number: u64, event: Bytes) -> Outcome {
        let age = self.began.elapsed();
        let (_, _, slow) = self.model.trouble_at(age);
        let half = self.model.network.mul_f64(slow / 2.0);
        let begin = Instant::now() + half;
        if self.model.outage.is_some_and(|(from, to)| (from..to).contains(&age)) {
            self.live.failed.fetch_add(1, Relaxed);
            return Outcome::Gone;
        }
        let (outcome, end) = self.run(number, event, begin).await;
        self.timer.until(end + half).await;
        outcome
    }

    /// Waits for a round trip, before a request that is not invoked is answered.
    pub(super) async fn round_trip(&self) {
        self.timer.until(Instant::now() + self.model.network).await;
    }

    /// Runs the invocation at the service. Returns its outcome and when it ends.
    async fn run(&self, number: u64, event: Bytes, begin: Instant) -> (Outcome, Instant) {
        let live = &self.live;
        live.requests.fetch_add(1, Relaxed);
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
            // Other functions of the account use the environments.
            return (Outcome::Throttled(Throttle::Concurrency), begin);
        }
        if self.is_real() {
            self.timer.until(begin).await;
        }
        let (taken, count) = {
            let mut environments = self.environments();
            (environments.take(begin), environments.count())
        };
        live.environments.fetch_max(count as u64, Relaxed);
        let taken = match taken {
            Ok(taken) => taken,
            Err(why) => {
                live.throttled.fetch_add(1, Relaxed);
                return (Outcome::Throttled(why), begin);
            }
        };
        let ran = match (&self.host, taken) {
            (FunctionRuntime::Threads(threads), taken) => {
                let cold = matches!(taken, Acquired::Cold);
                live.cold_starts.fetch_add(u64::from(cold), Relaxed);
                threads.run(&self.model, event, cold, begin, slow).await
            }
            (FunctionRuntime::Processes(processes), Acquired::Warm(Environment::Process(warm))) => {
                Some(processes.run(Some(warm), number, event, processes.timeout()).await)
            }
            (FunctionRuntime::Processes(processes), _) => {
                Some(processes.run(None, number, event, processes.timeout()).await)
            }
        };
        let Some(ran) = ran else {
            self.environments().lost();
            return (Outcome::Service, begin);
        };
        let Execution { answer, cold_start, duration, end, environment, used_mb, status, printed } =
            ran;
        match environment {
            Some(environment) => self.environments().release(environment, end),
            None => self.environments().lost(),
        }
        let billed = cold_start.unwrap_or_default() + duration;
        let billed_ms = billed.as_nanos().div_ceil(1_000_000).max(1) as u64;
        live.billed_ms.fetch_add(billed_ms, Relaxed);
        let memory_mb = self.model.memory_mb;
        let report =
            Report { number, duration, billed_ms, memory_mb, used_mb, cold_start, status, printed };
        let outcome = match (fault, answer) {
            (Some(Fault::After), _) => Outcome::Service,
            (Some(Fault::Function), _) => {
                let failure = Failure::new("Simulated", "this invocation was made to fail");
                Outcome::Failed(failure, report)
            }
            (_, Err(failure)) => Outcome::Failed(failure, report),
            (_, Ok(answer)) if answer.len() > MAX_BODY => {
                Outcome::Failed(Failure::too_large(answer.len()), report)
            }
            (Some(Fault::MidAnswer), Ok(answer)) => Outcome::Broken(answer, report),
            (_, Ok(answer)) => Outcome::Answered(answer, report),
        };
        (outcome, end)
    }
}
