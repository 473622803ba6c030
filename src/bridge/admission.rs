//! What may be sent, because of what is known of the remote side: its health, its times, its
//! environments, the limit on what is in flight and the budgets, all of which hear here what became of
//! each attempt. Pure: every method is told the time.

use std::time::Duration;

use super::batch_size::BatchSize;
use super::breaker::State;
use super::cost_budget::CostBudget;
use super::environments::{EnvironmentState, Environments};
use super::failure_rate::FailureRate;
use super::health::Health;
use super::limiter::Limiter;
use super::retry_budget::{RetryBudget, retry};
use super::timing::Timing;
use super::{Failure, Settings};
use crate::batch::Nanos;

/// An attempt that is in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlightAttempt {
    at: Nanos,
    /// Before it is, it waits for a connection here: that says nothing of the remote side.
    on_wire: Option<Nanos>,
    environment: EnvironmentState,
    /// Counts up.
    number: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AttemptOutcome<'a> {
    /// A good answer, after so long; from an environment that was started for it, or not.
    Succeeded { took: Duration, cold: bool },
    /// The same, of a request without records.
    Probe { took: Duration, cold: bool },
    /// That failed.
    ProbeFailed,
    /// A failure.
    Failed(&'a Failure),
    /// It was given up.
    Abandoned,
}

/// A request that counts as failed after `dead` is waited for until this age where its workers leave it to the
/// remote side: then its records come home.
pub(crate) fn abandon_after(failure_timeout: Duration) -> Duration {
    4 * failure_timeout
}

/// The demand is measured over so long.
const DEMAND_WINDOW: Nanos = 50_000_000;

/// Second attempts that may be owed to a hiccup at once.
const HEDGE_CAPACITY: f64 = 5.0;

#[derive(Debug)]
pub(crate) struct Admission {
    settings: Settings,
    limiter: Limiter,
    health: Health,
    timing: Timing,
    failure_rate: FailureRate,
    environments: Environments,
    batch_size: BatchSize,
    retries: RetryBudget,
    hedges: RetryBudget,
    cost_budget: CostBudget,
    in_flight: usize,
    /// Attempts so far.
    attempts: u64,
    /// Records handed over since `demand_since`.
    demand: usize,
    demand_since: Nanos,
}

impl Admission {
    pub(crate) fn new(settings: Settings) -> Self {
        Admission {
            limiter: Limiter::new(settings.limiter()),
            health: Health::new(settings.breaker, settings.probes_at_start),
            timing: Timing::new(&settings),
            failure_rate: FailureRate::default(),
            environments: Environments::default(),
            batch_size: BatchSize::new(settings.batch_records),
            retries: RetryBudget::full(retry::CAPACITY),
            hedges: RetryBudget::full(HEDGE_CAPACITY),
            cost_budget: CostBudget::new(settings.cost_limits, settings.first_price()),
            in_flight: 0,
            attempts: 0,
            demand: 0,
            demand_since: 0,
            settings,
        }
    }

    /// Whether the remote side is there.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// The same, to be told of the probes.
    pub(crate) fn health_mut(&mut self) -> &mut Health {
        &mut self.health
    }

    /// How long requests take.
    pub(crate) fn timing(&self) -> &Timing {
        &self.timing
    }

    /// The share of the last attempts that failed.
    pub(crate) fn failure_rate(&self) -> f64 {
        self.failure_rate.share()
    }

    /// Records have been handed over: the limit follows what the stream needs.
    pub(crate) fn observe_demand(&mut self, now: Nanos, records: usize) {
        self.demand += records;
        let passed = now.saturating_sub(self.demand_since);
        if passed >= DEMAND_WINDOW {
            let rate = self.demand as f64 * 1e9 / passed as f64;
            (self.demand, self.demand_since) = (0, now);
            self.limiter.demand(now, self.in_flight_at(rate, Duration::ZERO));
        }
    }

    /// Requests in flight when `records_per_second` are sent and take `work` longer than what is known,
    /// by Little's law.
    fn in_flight_at(&self, records_per_second: f64, work: Duration) -> f64 {
        let requests = records_per_second / self.settings.batch_records as f64;
        // A batch that lingers is not full, and the latency is not always the typical one.
        const HEADROOM: f64 = 1.25;
        requests * (self.timing.median() + work).as_secs_f64() * HEADROOM + 1.0
    }

    /// Requests that may be in flight.
    pub(crate) fn limit(&self) -> usize {
        self.limiter.limit()
    }

    /// Whether a request may go now; one that is `warm_only` is for a warm environment alone.
    pub(crate) fn may_send(&self, warm_only: bool) -> bool {
        match self.health.state() {
            _ if !self.health.is_proven() || !self.can_afford() => false,
            State::Closed if warm_only && self.environments.idle() == 0 => false,
            State::Closed => self.in_flight < self.limiter.limit(),
            State::HalfOpen => self.in_flight == 0,
            State::Open(_) | State::Disabled => false,
        }
    }

    /// Whether records that wait for room will have it: the breaker is closed and the budget lasts. Before
    /// the start-up probe has come back they wait for that.
    pub(crate) fn is_available(&self) -> bool {
        self.health.state() == State::Closed && self.can_afford()
    }

    /// Records that may wait here to be sent: as many as are sent in a quarter of a round trip. Fewer
    /// and a place may be free before there is something to send; what is more would be better off
    /// with its worker.
    pub(crate) fn queue_limit(&self) -> usize {
        match self.health.state() {
            _ if !self.health.is_proven() || !self.can_afford() => 0,
            State::Closed => (self.limiter.limit() / 4).max(2) * self.batch_size.limit(),
            State::HalfOpen => self.batch_size.limit(),
            State::Open(_) | State::Disabled => 0,
        }
    }

    /// An attempt goes now.
    pub(crate) fn start_attempt(&mut self, now: Nanos) -> InFlightAttempt {
        self.in_flight += 1;
        self.attempts += 1;
        let environment = self.environments.start_attempt(now);
        InFlightAttempt { at: now, on_wire: None, environment, number: self.attempts }
    }

    /// It is on the wire: from now on it grows older.
    pub(crate) fn is_on_wire(&mut self, now: Nanos, sent: &mut InFlightAttempt) {
        sent.on_wire = Some(now);
        self.timing.on_wire(sent.number, now, sent.environment);
    }

    /// An attempt is over, and came to this.
    pub(crate) fn finish_attempt(
        &mut self,
        now: Nanos,
        sent: InFlightAttempt,
        finish_attempt: AttemptOutcome<'_>,
    ) {
        self.timing.finished(sent.number);
        match finish_attempt {
            AttemptOutcome::Succeeded { took, cold } => {
                self.answered(now, sent, took, cold, true);
                self.limiter.answered(self.in_flight);
                self.failure_rate.record(false);
                self.health.succeeded();
                self.retries.deposit(retry::ANSWER);
                self.hedges.deposit(self.settings.hedge);
            }
            // It keeps its environment for no time: another one may have had the same.
            AttemptOutcome::Probe { took, cold } => self.answered(now, sent, took, cold, false),
            AttemptOutcome::ProbeFailed => self.environments.remove(sent.environment),
            AttemptOutcome::Abandoned => self.abandoned(now, sent),
            AttemptOutcome::Failed(failure) => self.failed(now, sent, failure),
        }
        self.in_flight -= 1;
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
        if !failure.is_remote() {
            return self.environments.release(sent.environment);
        }
        self.failure_rate.record(true);
        match failure {
            failure if failure.is_limit() => {
                // Throttled to the last request, nothing goes through.
                if self.limiter.is_lowest() {
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

    /// Records of a request at most.
    pub(crate) fn max_records(&self) -> usize {
        self.batch_size.limit()
    }

    /// So many records were too large. A single record may be; where all of them are, the remote side
    /// is of no use.
    pub(crate) fn too_large(&mut self, now: Nanos, records: usize) {
        self.batch_size.too_large(records);
        if records <= 1 {
            self.health.failed(now);
        }
    }

    /// So many records were not.
    pub(crate) fn not_too_large(&mut self, records: usize) {
        self.batch_size.not_too_large(records);
    }

    /// Past this age an attempt counts as failed.
    pub(crate) fn failure_timeout(&self, sent: InFlightAttempt) -> Duration {
        self.timing.failure_timeout(sent.environment)
    }

    /// Records that may be sent without meeting a cold environment, as far as is known: those of the
    /// idle ones, and of those that will be idle within a quarter of a round trip.
    pub(crate) fn warm_room(&self) -> usize {
        (self.environments.idle() + self.environments.busy() / 4) * self.batch_size.limit()
    }

    /// How long a request would take that is sent now.
    pub(crate) fn expected_latency(&self) -> Duration {
        let median = self.timing.median();
        if self.environments.idle() > 0 { median } else { median.max(self.timing.known_cold()) }
    }

    /// Takes a retry after `failure` from the budget.
    pub(crate) fn may_retry(&mut self, failure: &Failure) -> bool {
        let is_throttle = failure.is_limit();
        self.can_afford()
            && self.retries.withdraw(if is_throttle { retry::THROTTLE } else { retry::FAILURE })
    }

    /// Takes a second attempt at a late request from the budget.
    pub(crate) fn may_hedge(&mut self) -> bool {
        self.health.state() == State::Closed && self.can_afford() && self.hedges.withdraw(1.0)
    }

    /// Environments to be started so that `records_per_second` find them warm, if a request takes `work`
    /// longer than what is known.
    pub(crate) fn warm_ups_needed(
        &mut self,
        now: Nanos,
        records_per_second: f64,
        work: Duration,
    ) -> usize {
        if self.health.state() != State::Closed || !self.timing.is_known() || !self.can_afford() {
            return 0;
        }
        // Requests do not come evenly, and an environment that is idle costs nothing.
        const SPARE: f64 = 2.0;
        let needed = self.in_flight_at(SPARE * records_per_second, work);
        self.limiter.demand(now, needed);
        let needed = needed.ceil() as usize;
        // Each is paid for like any other request.
        let most = self.cost_budget.affordable(self.in_flight);
        self.environments.start_ahead(now, needed.min(self.limiter.limit())).min(most)
    }

    /// Whether a probe should go now; if so, one is on its way.
    pub(crate) fn start_probe_if_due(&mut self, now: Nanos) -> bool {
        let begins = self.health.probe_at().is_some_and(|due| due <= now) && self.can_afford();
        if begins {
            self.health.start_probe();
        }
        begins
    }

    /// When there is something to do although nothing happens: a probe, if the breaker is open and none
    /// is on its way, or the budget lasts again.
    pub(crate) fn next_wakeup(&self) -> Option<Nanos> {
        let probe = self.health.probe_at().filter(|_| self.can_afford());
        probe.or_else(|| self.cost_budget.refills_at())
    }

    /// An attempt has cost so much.
    pub(crate) fn charge(&mut self, now: Nanos, usd: f64) {
        self.cost_budget.charge(now, usd);
    }

    /// Whether the budget lasts for another attempt.
    pub(crate) fn can_afford(&self) -> bool {
        self.cost_budget.can_afford(self.in_flight)
    }

    /// Whether nothing more could be paid for if nothing were in flight.
    pub(crate) fn is_spent(&self) -> bool {
        !self.cost_budget.can_afford(0)
    }

    /// Looks at what is left of the budget.
    pub(crate) fn refresh_budget(&mut self, now: Nanos) {
        self.cost_budget.refresh(now, self.in_flight);
    }

    /// For how long the budget was spent.
    pub(crate) fn budget_spent_for(&self, now: Nanos) -> Duration {
        Duration::from_nanos(self.cost_budget.spent_for(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn well(took: u64, cold: bool) -> AttemptOutcome<'static> {
        AttemptOutcome::Succeeded { took: Duration::from_millis(took), cold }
    }

    /// The cold starts of a burst's first requests are neither congestion nor death.
    #[test]
    fn a_bursts_beginning_is_no_failure() {
        let mut admission = Admission::new(Settings::default());
        let probe = admission.start_attempt(0);
        admission.finish_attempt(
            170 * MS,
            probe,
            AttemptOutcome::Probe { took: Duration::from_millis(170), cold: true },
        );
        let probe = admission.start_attempt(170 * MS);
        admission.finish_attempt(
            190 * MS,
            probe,
            AttemptOutcome::Probe { took: Duration::from_millis(20), cold: false },
        );
        assert_eq!(admission.timing().median(), Duration::from_millis(20));
        // 400 requests a second of 20 ms are 8 in flight, and some.
        admission.observe_demand(300 * MS, 0);
        admission.observe_demand(400 * MS, 40_000);
        assert!(admission.limiter.limit() >= 10);
        let sent: Vec<InFlightAttempt> =
            (0..8).map(|_| admission.start_attempt(400 * MS)).collect();
        for sent in sent {
            assert!(
                admission.failure_timeout(sent) >= Duration::from_millis(300),
                "{:?}",
                admission.failure_timeout(sent)
            );
            admission.finish_attempt(575 * MS, sent, well(175, true));
        }
        assert_eq!(
            admission.timing().median(),
            Duration::from_millis(20),
            "cold starts are left out"
        );
        assert_eq!((admission.health().state(), admission.limiter.limit()), (State::Closed, 11));
        let warm = admission.start_attempt(600 * MS);
        assert_eq!(admission.failure_timeout(warm), Duration::from_millis(250));
    }

    #[test]
    fn a_burst_is_prepared_for() {
        let mut admission = Admission::new(Settings::default());
        // Whatever the function says, the first one may have met a cold environment.
        for (at, took) in [(0, 170), (180, 20)] {
            let probe = admission.start_attempt(at * MS);
            let took = Duration::from_millis(took);
            admission.finish_attempt(
                (at + 20) * MS,
                probe,
                AttemptOutcome::Probe { took, cold: false },
            );
        }
        assert_eq!(
            (admission.timing().known_cold(), admission.warm_room()),
            (Duration::from_millis(170), 1_000)
        );
        admission.health_mut().mark_proven();
        // Six are needed, and one is there.
        assert_eq!(admission.warm_ups_needed(230 * MS, 100_000.0, Duration::ZERO), 6);
        let cold: Vec<InFlightAttempt> =
            (0..6).map(|_| admission.start_attempt(230 * MS)).collect();
        assert_eq!(admission.warm_ups_needed(240 * MS, 100_000.0, Duration::ZERO), 0);
        assert!(
            !admission.may_send(true) && admission.may_send(false),
            "a request would meet a cold one"
        );
        assert_eq!(admission.expected_latency(), admission.timing().known_cold());
        for sent in cold {
            admission.finish_attempt(400 * MS, sent, well(170, true));
        }
        assert!(admission.may_send(true));
        assert_eq!(
            (admission.expected_latency(), admission.warm_room()),
            (Duration::from_millis(20), 6_000)
        );
    }

    #[test]
    fn throttled_to_the_last_request_is_down() {
        let mut admission = Admission::new(Settings::default());
        for round in 1..20 {
            let sent = admission.start_attempt(round * 10 * MS);
            admission.finish_attempt(
                (round * 10 + 5) * MS,
                sent,
                AttemptOutcome::Failed(&Failure::Throttled(crate::aws::Throttle::Unknown)),
            );
        }
        assert!(matches!(admission.health().state(), State::Open(_)));
        assert_eq!(admission.queue_limit(), 0);
    }
}
