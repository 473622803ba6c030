//! Admission: decides what may be sent, from what is known of the remote side: its health, its latency, its
//! environments, the limit on requests in flight, and the budgets. The outcome of each attempt updates all of
//! these. The code is pure: every method takes the time as an argument.

use std::time::Duration;

use super::batch_size::BatchSize;
use super::breaker::State;
use super::core::Billed;
use super::cost_budget::{Budget, CostBudget};
use super::environments::Environments;
use super::failure_rate::FailureRate;
use super::health::Health;
use super::in_flight::{AttemptOutcome, InFlightAttempt};
use super::limiter::Limiter;
use super::offer::Offer;
use super::rate_limit::RateLimit;
use super::retry_budget::{RetryBudget, retry};
use super::timing::Timing;
use super::{Counters, Failure, Settings};
use crate::batch::Nanos;

/// Interval over which the demand is measured.
const DEMAND_WINDOW: Nanos = 50_000_000;

/// Capacity of the hedge budget in tokens: the number of hedges that one short disturbance may cause.
const HEDGE_CAPACITY: f64 = 5.0;

#[derive(Debug)]
pub(crate) struct Admission {
    settings: Settings,
    limiter: Limiter,
    rate_limit: RateLimit,
    health: Health,
    timing: Timing,
    failure_rate: FailureRate,
    environments: Environments,
    batch_size: BatchSize,
    retries: RetryBudget,
    hedges: RetryBudget,
    cost_budget: CostBudget,
    in_flight: usize,
    /// Number of attempts so far.
    attempts: u64,
    /// Records handed over since `demand_since`.
    demand: usize,
    demand_since: Nanos,
    /// Time that a record takes on a worker.
    local_record_time: Duration,
    /// Whether any request was answered well, and the last failure of a request or probe.
    has_answered: bool,
    last_failure: Option<Failure>,
    /// The last failure that any other request would have too.
    refusal: Option<Failure>,
    /// What the machines count.
    pub(crate) counters: Counters,
}

impl Admission {
    /// Creates the admission of a bridge with a budget of its own.
    pub(crate) fn new(settings: Settings) -> Self {
        let budget = Budget::new(settings.cost_limits);
        Admission::within(settings, budget)
    }

    /// Creates the admission of a bridge that spends from `budget`, which it may share with other bridges.
    pub(crate) fn within(settings: Settings, budget: Budget) -> Self {
        Admission {
            limiter: Limiter::new(settings.limiter()),
            rate_limit: RateLimit::new(settings.requests_per_second),
            health: Health::new(settings.breaker, settings.probes_at_start),
            timing: Timing::new(&settings),
            failure_rate: FailureRate::default(),
            environments: Environments::default(),
            batch_size: BatchSize::new(settings.batch_records),
            retries: RetryBudget::full(retry::CAPACITY),
            hedges: RetryBudget::full(HEDGE_CAPACITY),
            cost_budget: CostBudget::new(budget, settings.first_price()),
            in_flight: 0,
            attempts: 0,
            demand: 0,
            demand_since: 0,
            local_record_time: Duration::ZERO,
            has_answered: false,
            last_failure: None,
            refusal: None,
            counters: Counters::default(),
            settings,
        }
    }

    /// Returns the health of the remote side.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// Returns the health of the remote side, to report probes to it.
    pub(crate) fn health_mut(&mut self) -> &mut Health {
        &mut self.health
    }

    /// Returns the measured times of requests.
    pub(crate) fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Returns the share of the recent attempts that failed.
    pub(crate) fn failure_rate(&self) -> f64 {
        self.failure_rate.share()
    }

    /// Records that `records` records were handed over. The limit follows the demand.
    pub(crate) fn observe_demand(&mut self, now: Nanos, records: usize) {
        self.demand += records;
        let passed = now.saturating_sub(self.demand_since);
        if passed >= DEMAND_WINDOW {
            let rate = self.demand as f64 * 1e9 / passed as f64;
            (self.demand, self.demand_since) = (0, now);
            self.limiter.demand(now, self.in_flight_at(rate, Duration::ZERO));
        }
    }

    /// Returns the number of requests in flight, by Little's law, when `records_per_second` are sent and a
    /// request takes `work` longer than what was measured.
    fn in_flight_at(&self, records_per_second: f64, work: Duration) -> f64 {
        let requests = records_per_second / self.max_records() as f64;
        // Reserve for batches that are sent before they are full, and for latencies above the median.
        const HEADROOM: f64 = 1.25;
        requests * (self.timing.median() + work).as_secs_f64() * HEADROOM + 1.0
    }

    /// Returns how many requests may be in flight.
    pub(crate) fn limit(&self) -> usize {
        self.limiter.limit()
    }

    /// Returns whether a request may be sent now. A `warm_only` request needs a warm environment.
    pub(crate) fn may_send(&self, warm_only: bool) -> bool {
        match self.health.state() {
            _ if !self.health.is_proven() || !self.can_afford() => false,
            _ if self.rate_limit.room() == 0 => false,
            State::Closed if warm_only && self.environments.idle() == 0 => false,
            State::Closed => self.in_flight < self.limiter.limit(),
            State::HalfOpen => self.in_flight == 0,
            State::Open(_) | State::Disabled => false,
        }
    }

    /// Returns whether records may wait for room here: the breaker is closed and the budget is not spent.
    /// Before the first start-up probe has returned, records wait for it. Records that workers cannot compute
    /// wait whatever happens.
    pub(crate) fn is_available(&self) -> bool {
        self.settings.is_only_side || self.health.state() == State::Closed && self.can_afford()
    }

    /// Returns how many records may wait here: as many as are sent in a quarter of a round trip. With fewer,
    /// a permit could be free while there is nothing to send. Records beyond that number stay with their
    /// workers.
    pub(crate) fn queue_limit(&self) -> usize {
        match self.health.state() {
            _ if !self.health.is_proven() || !self.can_afford() => 0,
            State::Closed => (self.limiter.limit() / 4).max(2) * self.batch_size.limit(),
            State::HalfOpen => self.batch_size.limit(),
            State::Open(_) | State::Disabled => 0,
        }
    }

    /// Records that an attempt starts.
    pub(crate) fn start_attempt(&mut self, now: Nanos) -> InFlightAttempt {
        self.in_flight += 1;
        self.cost_budget.reserve(self.in_flight);
        self.attempts += 1;
        self.rate_limit.sent(now);
        let environment = self.environments.start_attempt(now);
        InFlightAttempt { at: now, on_wire: None, environment, number: self.attempts }
    }

    /// Records that an attempt is on the wire. Its age counts from now.
    pub(crate) fn mark_on_wire(&mut self, now: Nanos, sent: &mut InFlightAttempt) {
        sent.on_wire = Some(now);
        self.timing.on_wire(sent.number, now, sent.environment);
    }

    /// Records the outcome of an attempt that has ended.
    pub(crate) fn finish_attempt(
        &mut self,
        now: Nanos,
        sent: InFlightAttempt,
        outcome: AttemptOutcome<'_>,
    ) {
        self.timing.finished(sent.number);
        self.record(&outcome);
        match outcome {
            AttemptOutcome::Succeeded { took, cold } => {
                self.answered(now, sent, took, cold, true);
                self.limiter.answered(self.in_flight);
                self.failure_rate.record(false);
                self.health.succeeded(now);
                self.retries.deposit(retry::ANSWER);
                self.hedges.deposit(self.settings.hedge);
            }
            // A probe uses its environment for almost no time, so another probe may have used the same one.
            AttemptOutcome::Probe { took, cold } => self.answered(now, sent, took, cold, false),
            AttemptOutcome::ProbeFailed(_) => self.environments.remove(sent.environment),
            AttemptOutcome::Abandoned => self.abandoned(now, sent),
            AttemptOutcome::Failed(failure) => self.failed(now, sent, failure),
        }
        self.in_flight -= 1;
    }

    /// Keeps what a user is told of an outcome.
    fn record(&mut self, outcome: &AttemptOutcome<'_>) {
        match outcome {
            AttemptOutcome::Succeeded { cold, .. } | AttemptOutcome::Probe { cold, .. } => {
                self.has_answered = true;
                self.counters.cold_starts += u64::from(*cold);
            }
            AttemptOutcome::Failed(failure) | AttemptOutcome::ProbeFailed(failure) => {
                self.last_failure = Some((*failure).clone());
                if failure.is_refusal() {
                    self.refusal.clone_from(&self.last_failure);
                }
                let is_throttle = matches!(failure, Failure::Throttled(_));
                let has_records = matches!(outcome, AttemptOutcome::Failed(_));
                self.counters.throttled += u64::from(is_throttle && has_records);
            }
            AttemptOutcome::Abandoned => {}
        }
    }

    /// Charges an attempt that was on the wire for `took`, and returns its cost in US dollars.
    pub(crate) fn bill(&mut self, now: Nanos, billed: Billed, took: Duration) -> f64 {
        self.counters.abandoned += u64::from(billed == Billed::GivenUp);
        if self.settings.is_only_side {
            return 0.0;
        }
        let time = match billed {
            Billed::Nothing => return 0.0,
            Billed::Reported(time) => time,
            // What was not on the wire did not run.
            Billed::GivenUp if !took.is_zero() => took.max(self.timing.median()),
            Billed::TimeOnWire | Billed::GivenUp => took,
        };
        if time.is_zero() {
            return 0.0;
        }
        let micros = time.as_micros() as u64;
        self.counters.billed += 1;
        self.counters.billed_us += micros;
        if let Billed::Reported(_) = billed {
            self.counters.metered += 1;
            self.counters.metered_us += micros;
            self.counters.estimated_us += took.as_micros() as u64;
        }
        let usd = self.settings.cost.usd(1, time.as_secs_f64() * 1e3);
        self.cost_budget.charge(now, usd);
        usd
    }

    /// Returns the last failure of a request or probe.
    pub(crate) fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    /// Returns the last refusal, if no request was ever answered well.
    pub(crate) fn refusal(&self) -> Option<&Failure> {
        self.refusal.as_ref().filter(|_| !self.has_answered)
    }

    /// Returns how many attempts are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Sets the time that a record takes on a worker. Until the remote side has computed records, its time is
    /// estimated by this.
    pub(crate) fn set_local_record_time(&mut self, time: Duration) {
        self.local_record_time = time;
        self.batch_size.set_most(self.settings.request_records(time));
    }

    /// Returns the estimated time of a full request beyond the measured time: it is known once a request with
    /// records was answered.
    fn unmeasured_work(&self) -> Duration {
        match self.timing.has_processed_records() {
            true => Duration::ZERO,
            false => self.local_record_time * self.max_records() as u32,
        }
    }

    /// Returns what workers are told of the remote side, if no records wait in the bridge.
    pub(crate) fn offer(&self, now: Nanos) -> Offer {
        let work = self.unmeasured_work();
        // A time that is not known yet stays zero.
        let request = |time: Duration| if time.is_zero() { time } else { time + work };
        Offer {
            room: self.queue_limit(),
            warm_room: self.warm_room(),
            is_available: self.is_available(),
            is_only_side: self.settings.is_only_side,
            max_records: self.max_records(),
            median: request(self.timing.known_median()),
            p99: request(self.timing.known_p99(now)),
            cold: request(self.timing.known_cold()),
            late: self.timing.late() + self.settings.linger,
            failure_rate: self.failure_rate(),
        }
    }

    fn answered(
        &mut self,
        now: Nanos,
        sent: InFlightAttempt,
        took: Duration,
        cold: bool,
        worked: bool,
    ) {
        let cold = self.timing.answered(took, sent.environment, cold, worked);
        self.environments.answered(now, sent.environment, cold || worked);
    }

    fn abandoned(&mut self, now: Nanos, sent: InFlightAttempt) {
        let Some(since) = sent.on_wire else { return self.environments.release(sent.environment) };
        let age = Duration::from_nanos(now.saturating_sub(since));
        self.timing.abandoned(age, sent.environment);
        self.environments.remove(sent.environment);
    }

    fn failed(&mut self, now: Nanos, sent: InFlightAttempt, failure: &Failure) {
        if !failure.is_remote() && !failure.is_limit() {
            return self.environments.release(sent.environment);
        }
        self.failure_rate.record(true);
        match failure {
            failure if failure.is_limit() => {
                // If the service throttles even at the lowest limit, it accepts nothing. A limit of this
                // machine says nothing about the service.
                if failure.is_remote() && self.limiter.is_lowest() {
                    self.health.failed(now);
                }
                self.limiter.refused(now, sent.at);
                self.environments.release(sent.environment);
            }
            Failure::Connection(_) => {
                self.environments.remove(sent.environment);
                self.limiter.refused(now, sent.at);
                self.health.failed(now);
            }
            failure if failure.is_refusal() => {
                self.environments.release(sent.environment);
                self.health.refused(now);
            }
            Failure::TimedOut => {
                self.abandoned(now, sent);
                self.health.failed(now);
            }
            _ => {
                self.environments.release(sent.environment);
                self.health.failed(now);
            }
        }
    }

    /// Returns the largest number of records per request.
    pub(crate) fn max_records(&self) -> usize {
        self.batch_size.limit()
    }

    /// Records that a request of `records` records was too large. A single record may be too large by itself;
    /// if all requests are too large, the remote side is of no use.
    pub(crate) fn too_large(&mut self, now: Nanos, records: usize) {
        self.batch_size.too_large(records);
        if records <= 1 {
            self.health.failed(now);
        }
    }

    /// Records that a request of `records` records was not too large.
    pub(crate) fn not_too_large(&mut self, records: usize) {
        self.batch_size.not_too_large(records);
    }

    /// Returns the age from which an attempt counts as failed.
    pub(crate) fn failure_timeout(&self, sent: InFlightAttempt) -> Duration {
        self.timing.failure_timeout(sent.environment)
    }

    /// Returns how many records can be sent without a cold start, as far as is known. It counts the idle
    /// environments, and those that will be idle within a quarter of a round trip.
    pub(crate) fn warm_room(&self) -> usize {
        (self.environments.idle() + self.environments.busy() / 4) * self.batch_size.limit()
    }

    /// Returns how long a request that is sent now is expected to take.
    pub(crate) fn expected_latency(&self) -> Duration {
        let median = self.timing.median();
        if self.environments.idle() > 0 { median } else { median.max(self.timing.known_cold()) }
    }

    /// Takes a retry after `failure` from the retry budget. Returns whether there was enough.
    pub(crate) fn may_retry(&mut self, failure: &Failure) -> bool {
        let is_throttle = failure.is_limit();
        self.can_afford()
            && self.retries.withdraw(if is_throttle { retry::THROTTLE } else { retry::FAILURE })
    }

    /// Takes a hedge from the hedge budget. Returns whether there was enough, and whether it may be sent now. A
    /// hedge of a call needs a permit, so that no more requests are in flight than its service allows.
    pub(crate) fn may_hedge(&mut self) -> bool {
        let has_permit = !self.settings.is_only_side || self.in_flight < self.limiter.limit();
        self.health.state() == State::Closed
            && self.can_afford()
            && self.rate_limit.room() > 0
            && has_permit
            && self.hedges.withdraw(1.0)
    }

    /// Returns how many environments have to be started so that `records_per_second` find warm ones.
    pub(crate) fn warm_ups_needed(&mut self, now: Nanos, records_per_second: f64) -> usize {
        let work = self.unmeasured_work();
        if self.health.state() != State::Closed || !self.timing.is_known() || !self.can_afford() {
            return 0;
        }
        // Requests are not evenly spread, and an idle environment costs nothing.
        const SPARE: f64 = 2.0;
        let needed = self.in_flight_at(SPARE * records_per_second, work);
        self.limiter.demand(now, needed);
        let needed = needed.ceil() as usize;
        // Each start is billed like any other request.
        let most = self.cost_budget.affordable(self.in_flight).min(self.rate_limit.room());
        self.environments.start_ahead(now, needed.min(self.limiter.limit()), most)
    }

    /// Returns whether a probe should be sent now, and if so records that it is in flight.
    pub(crate) fn start_probe_if_due(&mut self, now: Nanos) -> bool {
        let begins = self.health.probe_at().is_some_and(|due| due <= now)
            && self.can_afford()
            && self.rate_limit.room() > 0;
        if begins {
            self.health.start_probe();
        }
        begins
    }

    /// Returns when something has to be done without an event: when a probe is due because the breaker is
    /// open, when the hourly budget is refilled, or when the limit on requests a second allows another one.
    pub(crate) fn next_wakeup(&self) -> Option<Nanos> {
        let probe = self.health.probe_at().filter(|_| self.can_afford());
        let next = probe.or_else(|| self.cost_budget.refills_at(self.in_flight));
        match (next, self.rate_limit.free_at()) {
            (Some(next), Some(free)) => Some(next.max(free)),
            (next, free) => next.or(free),
        }
    }

    /// Returns when the limit on requests a second allows another one, if it allows none now.
    pub(crate) fn free_at(&self) -> Option<Nanos> {
        self.rate_limit.free_at()
    }

    /// Returns whether the budget covers another attempt.
    pub(crate) fn can_afford(&self) -> bool {
        self.cost_budget.can_afford(self.in_flight)
    }

    /// Returns whether the budget would not cover an attempt even if nothing were in flight.
    pub(crate) fn is_spent(&self) -> bool {
        self.cost_budget.is_spent()
    }

    /// Updates what depends on the time alone: what is left of the budget and of the limit on requests a second.
    /// Call it before anything is decided.
    pub(crate) fn refresh(&mut self, now: Nanos) {
        self.cost_budget.refresh(now, self.in_flight);
        self.rate_limit.refresh(now);
    }

    /// Returns what the machines count.
    pub(crate) fn counters(&self, now: Nanos) -> Counters {
        Counters {
            in_flight: self.in_flight as u64,
            breaker_opened: self.health.opened(),
            breaker_open_us: self.health.open_for(now) / 1_000,
            over_budget_us: self.cost_budget.spent_for(now) / 1_000,
            ..self.counters
        }
    }
}

#[cfg(test)]
mod tests;
