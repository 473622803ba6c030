//! What the bridge is told.

use std::time::Duration;

use super::{CostLimits, Endpoint, EndpointError, breaker, limiter};
use crate::aws;
use crate::cost::Cost;
use crate::wire::MAX_BODY;

/// Settings of a bridge. Each says what too small and too large do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where requests go: a function by its URL, its name or its ARN, or anything else that speaks the
    /// wire.
    pub endpoint: Endpoint,
    /// Whose credentials sign the requests, where they are signed.
    pub credentials: aws::CredentialsSource,
    /// Records of a request at most. Too few and each record pays for the request's overhead (at
    /// 10 a record it is a hundred times that of 1,000); too many and the first record of a batch
    /// waits for the last, and one failure brings many home.
    pub batch_records: usize,
    /// Bytes of a request, and of the answer as far as it can be foreseen. Above 6 MB the service
    /// refuses both.
    pub batch_bytes: usize,
    /// Bytes of all request and answer bodies in memory at most. Small and fewer requests are in flight than the
    /// stream needs; large and a remote side whose answers are long takes the machine's memory.
    pub body_bytes: usize,
    /// How long a part may wait for its request to fill. Too short and requests are small; too
    /// long and it is latency for nothing.
    pub linger: Duration,
    /// Requests in flight at most. Too few and the remote side's latency bounds the rate (Little:
    /// rate = in flight × batch / latency); too many and one stream may use up the account's quota.
    /// Below it, what is in flight follows what is needed and what is not throttled:
    /// [`limiter`](super::limiter).
    pub max_in_flight: usize,
    /// Requests in flight to begin with: see [`limiter::Settings::initial`].
    pub initial_in_flight: usize,
    /// How long an attempt may take. Too short and what would have come is paid for and thrown
    /// away; too long and a hanging request holds its records.
    pub timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// Attempts a request has, the first included. One is no retry; many delay coming home.
    pub attempts: u32,
    /// The first delay before another attempt, doubled each time, after a failure; after a throttle
    /// it is `throttle_backoff`. Short ones meet the same trouble again; long ones lose to doing
    /// the work at home. These are AWS's clients' own.
    pub backoff: Duration,
    /// The same after a throttle.
    pub throttle_backoff: Duration,
    /// No delay is longer, whatever a server asks for.
    pub max_backoff: Duration,
    /// What a round trip is believed to take before one was measured. Small and the first answers
    /// seem late; large and a remote side that hangs from the start is noticed late.
    pub first_latency: Duration,
    /// A request that is this old may count as failed before its time-out, if it is also four times
    /// as old as 99 of 100 get. Short and a hiccup of the machine opens the breaker; long and the
    /// records of a remote side that hangs wait for so long.
    pub overdue_after: Duration,
    /// The share of requests that may be sent a second time because they are late, where their
    /// workers are too busy to do them. 0 for none; a large one pays for much twice.
    pub hedge: f64,
    /// When to give up on the remote side, and when to look again.
    pub breaker: breaker::Settings,
    /// Whether an empty request goes out at the start, so that a wrong endpoint is found at once and
    /// a first latency is known.
    pub probes_at_start: bool,
    /// Environments are started ahead when the offered rate is above this share of the rate at
    /// which the policy begins to send. Near 1 they come too late; near 0 they are paid for without
    /// need. `None`: none are.
    pub warm_up: Option<f64>,
    /// The share of remote records that workers compute too, and compare. 1 doubles the work.
    pub verify: f64,
    /// What it costs.
    pub cost: Cost,
    /// What may be spent. When it is, work stays home.
    pub cost_limits: CostLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            endpoint: Endpoint::Unset,
            credentials: aws::CredentialsSource::Process,
            batch_records: 1_000,
            batch_bytes: 4 << 20,
            body_bytes: 512 << 20,
            linger: Duration::from_millis(5),
            max_in_flight: limiter::Settings::default().max,
            initial_in_flight: limiter::Settings::default().initial,
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
        }
    }
}

/// Settings that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Where requests go.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A number that must be at least 1.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A body that no service takes.
    #[error("a batch of {0} bytes is above the service's limit of {MAX_BODY}")]
    TooLarge(usize),
    /// Not even one request could be sent.
    #[error(
        "{given} bytes of bodies are not enough for one request and its answer: at least {least} are needed"
    )]
    BodiesBelowOne {
        /// Bytes of bodies that were given.
        given: usize,
        /// Bytes that a request and its answer may need.
        least: usize,
    },
    /// A share that is none.
    #[error("{0} must be a share from 0 to 1")]
    Share(&'static str),
    /// A price that is none.
    #[error("prices must be numbers that are not negative")]
    Price,
    /// A budget that is none.
    #[error("a budget must be a number of dollars above zero")]
    CostLimits,
    /// An attempt would end before its batch is filled.
    #[error("the time-out of {timeout:?} is not longer than the linger of {linger:?}")]
    TimeoutBelowLinger {
        /// The time-out.
        timeout: Duration,
        /// The linger.
        linger: Duration,
    },
}

impl Settings {
    /// What an attempt may cost, before one is paid for.
    pub(crate) fn first_price(&self) -> f64 {
        self.cost.usd(1, self.first_latency.as_secs_f64() * 1e3)
    }

    /// Bytes of memory that a request and its answer may need. The buffer of a request is at most twice as long as
    /// its body.
    pub(super) fn largest_exchange(&self) -> usize {
        2 * self.batch_bytes + MAX_BODY
    }

    /// Those of the limiter.
    pub(super) fn limiter(&self) -> limiter::Settings {
        let (max, initial) = (self.max_in_flight, self.initial_in_flight);
        limiter::Settings { max, initial, ..limiter::Settings::default() }
    }

    /// Whether they can be.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.endpoint.target()?;
        let numbers = [
            ("batch_records", self.batch_records),
            ("batch_bytes", self.batch_bytes),
            ("max_in_flight", self.max_in_flight),
            ("initial_in_flight", self.initial_in_flight),
            ("the breaker's failures", self.breaker.failures as usize),
            ("attempts", self.attempts as usize),
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
