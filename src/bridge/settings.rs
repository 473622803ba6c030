//! Settings of the bridge.

use std::time::Duration;

use super::{CostLimits, Endpoint, EndpointError, breaker, limiter};
use crate::aws;
use crate::cost::Cost;
use crate::counters::Counters;
use crate::wire::MAX_BODY;

/// Settings of a bridge. Each one says what happens if it is too small or too large.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where requests are sent: a function by its URL, its name or its ARN, or any other service that speaks
    /// the wire format.
    pub endpoint: Endpoint,
    /// Whether workers cannot compute the records: they are calls of a service ([`Settings::call`]). Records are
    /// then not returned. They wait while nothing can be sent, and one that fails `attempts` times by itself is
    /// bad. What a call costs is not known.
    pub is_only_side: bool,
    /// Source of the credentials that sign the requests, where they are signed.
    pub credentials: aws::CredentialsSource,
    /// Largest number of records per request. If it is small, each record bears more of the request's
    /// overhead (at 10 records a hundred times that of 1,000). If it is large, the first record of a batch
    /// waits for the last one, and one failure returns many records.
    pub batch_records: usize,
    /// Longest work of a request, by the time that a record takes on a worker: requests then have fewer records than
    /// `batch_records`. If it is short, each record bears more of the request's overhead; if it is long, the first record
    /// of a batch is late because of the last one. `None`, which is the default, is no limit.
    pub batch_work: Option<Duration>,
    /// Largest size of a request in bytes, and of its response as far as it can be predicted. The service
    /// refuses bodies above 6 MB.
    pub batch_bytes: usize,
    /// Limit on the bytes of all request and response bodies in memory. If it is small, fewer requests are in
    /// flight than the stream needs; if it is large, a remote side with long responses uses up the machine's
    /// memory.
    pub body_bytes: usize,
    /// How long a work item may wait for its request to fill. If it is short, requests are small; if it is
    /// long, it only adds latency.
    pub linger: Duration,
    /// Largest number of requests in flight. If it is small, the remote side's latency bounds the rate
    /// (Little's law: rate = in flight × batch / latency); if it is large, one stream may use up the
    /// account's quota. Below this number, the limit follows what is needed and what is not throttled:
    /// [`limiter`](super::limiter).
    pub max_in_flight: usize,
    /// Initial limit on the requests in flight: see [`limiter::Settings::initial`].
    pub initial_in_flight: usize,
    /// Largest number of requests that are sent in any second: attempts, hedges and probes together. If it is small, it
    /// bounds the rate of the stream; if it is large, the service refuses requests above its own limit. `None` is no
    /// limit.
    pub requests_per_second: Option<u32>,
    /// Timeout of an attempt. If it is short, responses that were paid for are thrown away; if it is long, a
    /// request that hangs holds its records.
    pub timeout: Duration,
    /// Timeout for making a connection.
    pub connect_timeout: Duration,
    /// Largest number of attempts per request, including the first one: 1 means no retry. If it is large,
    /// records are returned late.
    pub attempts: u32,
    /// First delay before a retry, doubled with each one; after a throttle it is `throttle_backoff`. If it is
    /// short, the retry meets the same problem; if it is long, the worker is sooner. The defaults are those
    /// of AWS's clients.
    pub backoff: Duration,
    /// First delay before a retry after a throttle.
    pub throttle_backoff: Duration,
    /// Longest delay, whatever the server asks for.
    pub max_backoff: Duration,
    /// Estimated latency before the first measurement. If it is small, the first responses seem late; if it
    /// is large, a remote side that hangs from the start is noticed late.
    pub first_latency: Duration,
    /// Smallest age at which a request counts as failed before its timeout, if it is also four times as old
    /// as the 99th percentile. If it is short, a short disturbance of the machine opens the breaker; if it is
    /// long, the records of a remote side that hangs wait for that time.
    pub overdue_after: Duration,
    /// Share of requests that may be hedged because they are late and their workers are too busy. 0 disables
    /// hedges; with a large share, many requests are paid for twice.
    pub hedge: f64,
    /// Settings of the breaker: when to stop sending, and when to try again.
    pub breaker: breaker::Settings,
    /// Whether empty requests are sent at the start, so that a wrong endpoint is found at once and a first
    /// latency is known.
    pub probes_at_start: bool,
    /// Share of the rate at which the policy begins to send; above it, environments are started ahead. Near 1
    /// they start too late; near 0 they are paid for without need. `None` starts none ahead.
    pub warm_up: Option<f64>,
    /// Share of remote records that workers compute too, to compare the results. 1 doubles the work.
    pub verify: f64,
    /// Prices.
    pub cost: Cost,
    /// Limits on the cost. When they are reached, records stay with the workers.
    pub cost_limits: CostLimits,
    /// Version of the function, in place of the one that each task needs. A response of another version is refused.
    /// `None` leaves it to the tasks.
    pub version: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            endpoint: Endpoint::Unset,
            is_only_side: false,
            credentials: aws::CredentialsSource::Process,
            batch_records: 1_000,
            batch_work: None,
            batch_bytes: 4 << 20,
            body_bytes: 512 << 20,
            linger: Duration::from_millis(5),
            max_in_flight: limiter::Settings::default().max,
            initial_in_flight: limiter::Settings::default().initial,
            requests_per_second: None,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            attempts: 3,
            backoff: Duration::from_millis(50),
            throttle_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(20),
            first_latency: Duration::from_millis(250),
            overdue_after: Duration::from_millis(250),
            hedge: 0.05,
            breaker: breaker::Settings::default(),
            probes_at_start: true,
            warm_up: Some(0.8),
            verify: 0.0,
            cost: Cost::default(),
            cost_limits: CostLimits::default(),
            version: None,
        }
    }
}

/// Settings that are not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is not valid.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A number that must be at least 1.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A batch that is larger than any service accepts.
    #[error("a batch of {0} bytes is above the service's limit of {MAX_BODY}")]
    TooLarge(usize),
    /// Memory that is too small for even one request.
    #[error(
        "{given} bytes of bodies are not enough for one request and its answer: at least {least} are needed"
    )]
    BodiesBelowOne {
        /// Given bytes for bodies.
        given: usize,
        /// Bytes that a request and its response may need.
        least: usize,
    },
    /// A worker cannot verify what it cannot compute.
    #[error("the results of a call cannot be verified: no worker can compute them")]
    VerifiedCall,
    /// A share that is not from 0 to 1.
    #[error("{0} must be a share from 0 to 1")]
    Share(&'static str),
    /// A price that is not valid.
    #[error("prices must be numbers that are not negative")]
    Price,
    /// A budget that is not valid.
    #[error("a budget must be a number of dollars above zero")]
    CostLimits,
    /// An attempt would time out before its batch is filled.
    #[error("the time-out of {timeout:?} is not longer than the linger of {linger:?}")]
    TimeoutBelowLinger {
        /// The timeout.
        timeout: Duration,
        /// The linger.
        linger: Duration,
    },
}

impl Settings {
    /// Returns the defaults of a call: a service that does what no worker can compute, such as a lookup or a model
    /// behind HTTP.
    ///
    /// The service may belong to somebody else, so few requests are in flight. If one in ten attempts fails at random,
    /// eight in a row fail for one request in a hundred million.
    pub fn call() -> Settings {
        Settings {
            is_only_side: true,
            batch_records: 100,
            body_bytes: 64 << 20,
            max_in_flight: 8,
            initial_in_flight: 8,
            attempts: 8,
            warm_up: None,
            ..Settings::default()
        }
    }

    /// Returns what a bridge with these settings was billed, in US dollars.
    pub(crate) fn spent(&self, counters: &Counters) -> f64 {
        self.cost.usd(counters.billed, counters.billed_us as f64 / 1e3)
    }

    /// Returns the estimated cost of an attempt, before one is billed.
    pub(crate) fn first_price(&self) -> f64 {
        self.cost.usd(1, self.first_latency.as_secs_f64() * 1e3)
    }

    /// Returns the bytes of memory that a request and its response may need. The buffer of a request is at
    /// most twice as long as its body.
    pub(crate) fn largest_exchange(&self) -> usize {
        2 * self.batch_bytes + MAX_BODY
    }

    /// Returns the limiter's settings.
    pub(super) fn limiter(&self) -> limiter::Settings {
        let (max, initial) = (self.max_in_flight, self.initial_in_flight);
        limiter::Settings { max, initial, ..limiter::Settings::default() }
    }

    /// Returns the largest number of records in a request, if each takes `time` on a worker.
    pub(crate) fn request_records(&self, time: Duration) -> usize {
        let fit = |work: Duration| (work.as_nanos() / time.as_nanos().max(1)).max(1);
        let fit = self.batch_work.filter(|_| !time.is_zero()).map(fit);
        fit.map_or(usize::MAX, |fit| usize::try_from(fit).unwrap_or(usize::MAX))
            .min(self.batch_records)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// The first contradiction that is found.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.endpoint.target()?;
        let numbers = [
            ("batch_records", self.batch_records),
            ("batch_bytes", self.batch_bytes),
            ("max_in_flight", self.max_in_flight),
            ("initial_in_flight", self.initial_in_flight),
            ("the breaker's failures", self.breaker.failures as usize),
            ("attempts", self.attempts as usize),
            ("requests_per_second", self.requests_per_second.unwrap_or(1) as usize),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError::Zero(name));
        }
        if self.batch_bytes > MAX_BODY {
            return Err(SettingsError::TooLarge(self.batch_bytes));
        }
        let (given, least) = (self.body_bytes, self.largest_exchange());
        if given < least {
            return Err(SettingsError::BodiesBelowOne { given, least });
        }
        let shares = [
            ("hedge", self.hedge),
            ("verify", self.verify),
            ("warm_up", self.warm_up.unwrap_or(0.0)),
        ];
        if let Some((name, _)) = shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return Err(SettingsError::Share(name));
        }
        if self.is_only_side && self.verify > 0.0 {
            return Err(SettingsError::VerifiedCall);
        }
        if !self.cost.prices.are_prices() {
            return Err(SettingsError::Price);
        }
        if !self.cost_limits.is_valid() {
            return Err(SettingsError::CostLimits);
        }
        if self.timeout <= self.linger {
            let (timeout, linger) = (self.timeout, self.linger);
            return Err(SettingsError::TimeoutBelowLinger { timeout, linger });
        }
        Ok(())
    }
}
