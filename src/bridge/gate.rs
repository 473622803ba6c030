//! What the bridge has learned of the remote side, and what may be sent because of it: the limiter,
//! the breaker, the environments, the latency and the budgets together. Pure: every method is told the time.

use std::time::Duration;

use super::breaker::{Breaker, State};
use super::budget::{Budget, retry};
use super::environments::{Environments, Met};
use super::latency::Latency;
use super::limiter::Limiter;
use super::purse::Purse;
use super::{Failure, Settings};
use crate::batch::Nanos;

/// An attempt that is in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    at: Nanos,
    met: Met,
    /// Counts up.
    number: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Came<'a> {
    /// A good answer, after so long; from an environment that was started for it, or not.
    Well { took: Duration, cold: bool },
    /// The same, of a request without records.
    Probe { took: Duration, cold: bool },
    /// That failed.
    ProbeFailed,
    /// A failure.
    Failed(&'a Failure),
    /// It was given up.
    GivenUp,
}

/// The demand is measured over so long.
const DEMAND: Nanos = 50_000_000;

/// Second attempts that may be owed to a hiccup at once.
const HEDGES: f64 = 5.0;

#[derive(Debug)]
pub(crate) struct Gate {
    settings: Settings,
    limiter: Limiter,
    breaker: Breaker,
    latency: Latency,
    environments: Environments,
    retries: Budget,
    hedges: Budget,
    purse: Purse,
    in_flight: usize,
    /// Attempts so far.
    attempts: u64,
    /// A probe is on its way.
    probing: bool,
    /// Records handed over since `demand_since`.
    demand: usize,
    demand_since: Nanos,
    /// The start-up probe has not come back: nothing is known, and nothing is sent.
    unproven: bool,
    /// All start-up probes have come back: the way to a warm environment is known.
    has_started: bool,
    /// Records of a request at most: fewer than a batch where the remote side takes no more.
    most_records: usize,
    /// A request with records was answered: their time is known, not only the way's.
    has_worked: bool,
    has_answered: bool,
    typical: Duration,
    longest: Duration,
    cold: Duration,
    late: Duration,
}

impl Gate {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut gate = Gate {
            limiter: Limiter::new(settings.limiter()),
            breaker: Breaker::new(settings.breaker),
            latency: Latency::new(settings.first_latency),
            environments: Environments::default(),
            retries: Budget::full(retry::MOST),
            hedges: Budget::full(HEDGES),
            purse: Purse::new(settings.allowance, first_price(&settings)),
            in_flight: 0,
            attempts: 0,
            probing: false,
            demand: 0,
            demand_since: 0,
            unproven: settings.probes_at_start,
            has_started: !settings.probes_at_start,
            most_records: settings.batch_records,
            settings,
            has_worked: false,
            has_answered: false,
            typical: Duration::ZERO,
            longest: Duration::ZERO,
            cold: Duration::ZERO,
            late: Duration::ZERO,
        };
        gate.learn();
        gate
    }

    /// Records have been handed over: the limit follows what the stream needs.
    pub(crate) fn wanted(&mut self, now: Nanos, records: usize) {
        self.demand += records;
        let passed = now.saturating_sub(self.demand_since);
        if passed >= DEMAND {
            let rate = self.demand as f64 * 1e9 / passed as f64;
            (self.demand, self.demand_since) = (0, now);
            self.limiter.need(now, self.in_flight_at(rate, Duration::ZERO));
        }
    }

    /// Requests in flight when `records_per_second` are sent and take `work` longer than what is known,
    /// by Little's law.
    fn in_flight_at(&self, records_per_second: f64, work: Duration) -> f64 {
        let requests = records_per_second / self.settings.batch_records as f64;
        // A batch that lingers is not full, and the latency is not always the typical one.
        const HEADROOM: f64 = 1.25;
        requests * (self.typical + work).as_secs_f64() * HEADROOM + 1.0
    }

    /// Whether a request may go now; one that is `warm_only` is for a warm environment alone.
    pub(crate) fn may_send(&self, warm_only: bool) -> bool {
        match self.breaker.state() {
            _ if self.unproven || !self.affords() => false,
            State::Closed if warm_only && self.environments.idle() == 0 => false,
            State::Closed => self.in_flight < self.limiter.limit(),
            State::HalfOpen => self.in_flight == 0,
            State::Open(_) | State::Condemned => false,
        }
    }

    /// Records that may wait here to be sent: as many as are sent in a quarter of a round trip. Fewer
    /// and a place may be free before there is something to send; what is more would be better off
    /// with its worker.
    pub(crate) fn may_wait(&self) -> usize {
        match self.breaker.state() {
            _ if self.unproven || !self.affords() => 0,
            State::Closed => (self.limiter.limit() / 4).max(2) * self.most_records,
            State::HalfOpen => self.most_records,
            State::Open(_) | State::Condemned => 0,
        }
    }

    /// An attempt goes now.
    pub(crate) fn goes(&mut self, now: Nanos) -> Sent {
        self.in_flight += 1;
        self.attempts += 1;
        let met = self.environments.goes(now);
        if met == Met::Warm {
            self.latency.goes(self.attempts, now);
        }
        Sent { at: now, met, number: self.attempts }
    }

    /// An attempt is over, and came to this.
    pub(crate) fn came(&mut self, now: Nanos, sent: Sent, came: Came<'_>) {
        self.latency.is_over(sent.number);
        match came {
            Came::Well { took, cold } => {
                self.has_worked = true;
                self.answered(now, sent, took, cold, true);
                self.limiter.answered(self.in_flight);
                self.breaker.succeeded();
                self.retries.put(retry::ANSWER);
                self.hedges.put(self.settings.hedge);
            }
            // It keeps its environment for no time: another one may have had the same.
            Came::Probe { took, cold } => self.answered(now, sent, took, cold, false),
            Came::ProbeFailed => self.environments.lost(sent.met),
            Came::GivenUp => self.given_up(now, sent),
            Came::Failed(failure) => self.failed(now, sent, failure),
        }
        self.in_flight -= 1;
    }

    fn answered(&mut self, now: Nanos, sent: Sent, took: Duration, cold: bool, worked: bool) {
        // Not every function says whether it was started: one that takes twice as long probably was,
        // and the first one gives an estimate.
        let seems_cold = !self.latency.is_known() || took > 2 * self.typical;
        let cold = cold || sent.met == Met::Cold && seems_cold;
        self.latency.note(took, cold);
        self.has_answered = true;
        self.learn();
        self.environments.answered(now, sent.met, cold || worked);
    }

    fn given_up(&mut self, now: Nanos, sent: Sent) {
        let age = Duration::from_nanos(now.saturating_sub(sent.at));
        self.latency.note_given_up(age, sent.met == Met::Cold);
        self.environments.lost(sent.met);
        self.longest = self.latency.longest();
    }

    fn failed(&mut self, now: Nanos, sent: Sent, failure: &Failure) {
        match failure {
            Failure::Throttled => {
                // Throttled to the last request, nothing goes through.
                if self.limiter.is_lowest() {
                    self.breaker.failed(now);
                }
                self.limiter.refused(now, sent.at);
                self.environments.ran(sent.met);
            }
            Failure::Connection(_) => {
                self.environments.lost(sent.met);
                self.limiter.refused(now, sent.at);
                self.breaker.failed(now);
            }
            Failure::Rejected(_) | Failure::Redirected => {
                self.environments.ran(sent.met);
                self.breaker.refused(now);
            }
            Failure::TimedOut => {
                self.given_up(now, sent);
                self.breaker.failed(now);
            }
            Failure::Service(_) | Failure::Function(_) | Failure::Answer(_) => {
                self.environments.ran(sent.met);
                self.breaker.failed(now);
            }
            // These say nothing of the remote side.
            Failure::TooLarge
            | Failure::Encode
            | Failure::Closed
            | Failure::BreakerOpen
            | Failure::OverBudget
            | Failure::DoneAtHome => self.environments.ran(sent.met),
        }
    }

    /// The start-up probes have come back.
    pub(crate) fn has_started(&self) -> bool {
        self.has_started
    }

    pub(crate) fn starts(&mut self) {
        self.has_started = true;
    }

    /// The first of them has.
    pub(crate) fn proves(&mut self) {
        self.unproven = false;
    }

    /// Records of a request at most.
    pub(crate) fn most_records(&self) -> usize {
        self.most_records
    }

    /// So many records were too large, for the function or for the service: half of them may not be.
    /// A single record may be too large; where all of them are, the remote side is of no use.
    pub(crate) fn too_large(&mut self, now: Nanos, records: usize) {
        self.most_records = self.most_records.min((records / 2).max(1));
        if records <= 1 {
            self.breaker.failed(now);
        }
    }

    /// So many records were not: more are tried, little by little.
    pub(crate) fn not_too_large(&mut self, records: usize) {
        if records >= self.most_records {
            let more = self.most_records / 32 + 1;
            self.most_records = (self.most_records + more).min(self.settings.batch_records);
        }
    }

    /// A request has been in flight for so long that it counts as failed.
    pub(crate) fn is_dead(&mut self, now: Nanos) {
        self.breaker.failed(now);
    }

    fn learn(&mut self) {
        const SLACK: Duration = Duration::from_millis(10);
        self.typical = self.latency.typical();
        self.longest = self.latency.longest();
        self.cold = self.latency.known_cold();
        let typical = self.typical;
        let late = typical + (2 * typical).max(SLACK);
        // How long the work takes is not known before some was done.
        self.late = if self.has_worked { late } else { late.max(self.settings.patience) };
    }

    /// Past this age a request is late: its worker may as well do its records.
    pub(crate) fn late(&self) -> Duration {
        self.late
    }

    /// Past this age a request counts as failed. A cold start may take longer, and so may the first
    /// work: how long it takes is not known before some was done.
    pub(crate) fn dead(&self, sent: Sent) -> Duration {
        let patience = if self.has_worked { 1 } else { 4 } * self.settings.patience;
        let warm = (4 * self.longest).max(patience);
        let longest = match sent.met {
            Met::Warm => warm,
            Met::Cold => warm.max(2 * self.latency.cold()),
        };
        longest.min(self.settings.timeout)
    }

    /// How long a probe may take.
    pub(crate) fn probe_timeout(&self) -> Duration {
        (2 * self.latency.cold()).max(self.settings.patience).min(self.settings.timeout)
    }

    /// Whether a request with records was answered: before, only the way's time is known.
    pub(crate) fn has_worked(&self) -> bool {
        self.has_worked
    }

    /// How long a request takes, once its environment is warm.
    pub(crate) fn typical(&self) -> Duration {
        self.typical
    }

    /// The same; zero before anything was answered.
    pub(crate) fn known_typical(&self) -> Duration {
        if self.has_answered { self.typical } else { Duration::ZERO }
    }

    /// How long all but one of a hundred requests take, those in flight counted at their age; zero
    /// before anything was answered.
    pub(crate) fn known_longest(&self, now: Nanos) -> Duration {
        if !self.has_answered {
            return Duration::ZERO;
        }
        self.latency.age(now).map_or(self.longest, |age| age.max(self.longest))
    }

    /// How long a request takes whose environment is cold; zero before one was met.
    pub(crate) fn known_cold(&self) -> Duration {
        self.cold
    }

    /// Records that may be sent without meeting a cold environment, as far as is known: those of the
    /// idle ones, and of those that will be idle within a quarter of a round trip.
    pub(crate) fn warm_room(&self) -> usize {
        (self.environments.idle() + self.environments.busy() / 4) * self.most_records
    }

    /// How long a request would take that is sent now.
    pub(crate) fn next(&self) -> Duration {
        if self.environments.idle() > 0 { self.typical } else { self.typical.max(self.cold) }
    }

    /// Takes a retry after `failure` from the budget.
    pub(crate) fn may_retry(&mut self, failure: &Failure) -> bool {
        let is_throttle = *failure == Failure::Throttled;
        self.affords()
            && self.retries.take(if is_throttle { retry::THROTTLE } else { retry::FAILURE })
    }

    /// Takes a second attempt at a late request from the budget.
    pub(crate) fn may_hedge(&mut self) -> bool {
        self.breaker.state() == State::Closed && self.affords() && self.hedges.take(1.0)
    }

    /// Environments to be started so that `records_per_second` find them warm, if a request takes `work`
    /// longer than what is known.
    pub(crate) fn warms_up(
        &mut self,
        now: Nanos,
        records_per_second: f64,
        work: Duration,
    ) -> usize {
        if self.breaker.state() != State::Closed || !self.latency.is_known() || !self.affords() {
            return 0;
        }
        // Requests do not come evenly, and an environment that is idle costs nothing.
        const SPARE: f64 = 2.0;
        let needed = self.in_flight_at(SPARE * records_per_second, work);
        self.limiter.need(now, needed);
        let needed = needed.ceil() as usize;
        // Each is paid for like any other request.
        let most = self.purse.more(self.in_flight);
        self.environments.starts_ahead(now, needed.min(self.limiter.limit())).min(most)
    }

    /// Whether nothing is sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.breaker.state(), State::Open(_) | State::Condemned)
    }

    pub(crate) fn state(&self) -> State {
        self.breaker.state()
    }

    pub(crate) fn opened(&self) -> u64 {
        self.breaker.opened()
    }

    /// Whether a probe should go now; if so, one is on its way.
    pub(crate) fn begins_probe(&mut self, now: Nanos) -> bool {
        let due = matches!(self.breaker.state(), State::Open(until) if until <= now);
        let begins = due && !self.probing && self.affords();
        self.probing |= begins;
        begins
    }

    /// The probe was answered well, or not.
    pub(crate) fn probed(&mut self, now: Nanos, well: bool) {
        self.probing = false;
        self.breaker.probed(now, well);
    }

    /// The start-up probe failed: nothing is sent until a probe is answered.
    pub(crate) fn begins_open(&mut self, now: Nanos) {
        self.breaker.refused(now);
        self.unproven = false;
    }

    /// When there is something to do although nothing happens: a probe, if the breaker is open and none
    /// is on its way, or the budget lasts again.
    pub(crate) fn next_look(&self) -> Option<Nanos> {
        match self.breaker.state() {
            State::Open(until) if !self.probing && self.affords() => Some(until),
            _ => self.purse.refills_at(),
        }
    }

    /// An attempt has cost so much.
    pub(crate) fn pay(&mut self, now: Nanos, usd: f64) {
        self.purse.pay(now, usd);
    }

    /// Whether the budget lasts for another attempt.
    pub(crate) fn affords(&self) -> bool {
        self.purse.affords(self.in_flight)
    }

    /// Whether nothing more could be paid for if nothing were in flight.
    pub(crate) fn is_spent(&self) -> bool {
        !self.purse.affords(0)
    }

    /// Looks at what is left of the budget.
    pub(crate) fn look(&mut self, now: Nanos) {
        self.purse.look(now, self.in_flight);
    }

    /// For how long the budget was spent.
    pub(crate) fn spent_for(&self, now: Nanos) -> Duration {
        Duration::from_nanos(self.purse.spent_for(now))
    }

    pub(crate) fn condemn(&mut self) {
        self.breaker.condemn();
    }
}

/// What an attempt may cost, before one is paid for.
fn first_price(settings: &Settings) -> f64 {
    settings.cost.usd(1, settings.first_latency.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    fn well(took: u64, cold: bool) -> Came<'static> {
        Came::Well { took: Duration::from_millis(took), cold }
    }

    /// The cold starts of a burst's first requests are neither congestion nor death.
    #[test]
    fn a_bursts_beginning_is_no_failure() {
        let mut gate = Gate::new(Settings::default());
        let probe = gate.goes(0);
        gate.came(170 * MS, probe, Came::Probe { took: Duration::from_millis(170), cold: true });
        let probe = gate.goes(170 * MS);
        gate.came(190 * MS, probe, Came::Probe { took: Duration::from_millis(20), cold: false });
        assert_eq!(gate.typical(), Duration::from_millis(20));
        // 400 requests a second of 20 ms are 8 in flight, and some.
        gate.wanted(300 * MS, 0);
        gate.wanted(400 * MS, 40_000);
        assert!(gate.limiter.limit() >= 10);
        let sent: Vec<Sent> = (0..8).map(|_| gate.goes(400 * MS)).collect();
        for sent in sent {
            assert!(gate.dead(sent) >= Duration::from_millis(300), "{:?}", gate.dead(sent));
            gate.came(575 * MS, sent, well(175, true));
        }
        assert_eq!(gate.typical(), Duration::from_millis(20), "cold starts are left out");
        assert_eq!((gate.state(), gate.limiter.limit()), (State::Closed, 11));
        let warm = gate.goes(600 * MS);
        assert_eq!(gate.dead(warm), Duration::from_millis(250));
    }

    #[test]
    fn a_burst_is_prepared_for() {
        let mut gate = Gate::new(Settings::default());
        // Whatever the function says, the first one may have met a cold environment.
        for (at, took) in [(0, 170), (180, 20)] {
            let probe = gate.goes(at * MS);
            let took = Duration::from_millis(took);
            gate.came((at + 20) * MS, probe, Came::Probe { took, cold: false });
        }
        assert_eq!((gate.known_cold(), gate.warm_room()), (Duration::from_millis(170), 1_000));
        gate.proves();
        // Six are needed, and one is there.
        assert_eq!(gate.warms_up(230 * MS, 100_000.0, Duration::ZERO), 6);
        let cold: Vec<Sent> = (0..6).map(|_| gate.goes(230 * MS)).collect();
        assert_eq!(gate.warms_up(240 * MS, 100_000.0, Duration::ZERO), 0);
        assert!(!gate.may_send(true) && gate.may_send(false), "a request would meet a cold one");
        assert_eq!(gate.next(), gate.known_cold());
        for sent in cold {
            gate.came(400 * MS, sent, well(170, true));
        }
        assert!(gate.may_send(true));
        assert_eq!((gate.next(), gate.warm_room()), (Duration::from_millis(20), 6_000));
    }

    #[test]
    fn throttled_to_the_last_request_is_down() {
        let mut gate = Gate::new(Settings::default());
        for round in 1..20 {
            let sent = gate.goes(round * 10 * MS);
            gate.came((round * 10 + 5) * MS, sent, Came::Failed(&Failure::Throttled));
        }
        assert!(matches!(gate.state(), State::Open(_)));
        assert_eq!(gate.may_wait(), 0);
    }
}
