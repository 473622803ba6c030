//! What the bridge has learned of the remote side, and what may be sent because of it: the limiter,
//! the breaker, the latency and the budgets together. Pure: every method is told the time.

use std::time::Duration;

use super::breaker::{Breaker, State};
use super::budget::{Budget, retry};
use super::latency::Latency;
use super::limiter::Limiter;
use super::{Failure, Settings};
use crate::batch::Nanos;

/// An attempt that is in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    at: Nanos,
    /// More were in flight than there are environments known to be warm.
    may_be_cold: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came<'a> {
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

/// An environment that is idle for longer may be gone: the service keeps them for some minutes.
const STAYS_WARM: Nanos = 300_000_000_000;

/// The demand is measured over so long.
const DEMAND: Nanos = 50_000_000;

/// Second attempts that may be owed to a hiccup at once.
const HEDGES: f64 = 5.0;

#[derive(Debug)]
pub(super) struct Gate {
    settings: Settings,
    limiter: Limiter,
    breaker: Breaker,
    latency: Latency,
    retries: Budget,
    hedges: Budget,
    in_flight: usize,
    /// A probe is on its way.
    probing: bool,
    /// Attempts in flight that may have met a cold environment.
    cold_away: usize,
    /// Environments that have answered, and when one last did.
    warm: usize,
    warm_at: Nanos,
    /// Environments that are being started ahead, and since when.
    warming: usize,
    warming_at: Nanos,
    /// Records handed over since `demand_since`.
    demand: usize,
    demand_since: Nanos,
    /// The start-up probe has not come back: nothing is known, and nothing is sent.
    unproven: bool,
    /// Records of a request at most: fewer than a batch where the remote side takes no more.
    most_records: usize,
    /// A request with records was answered: their time is known, not only the way's.
    has_worked: bool,
    has_answered: bool,
    typical: Duration,
    cold: Duration,
    late: Duration,
}

impl Gate {
    pub(super) fn new(settings: Settings) -> Self {
        let mut gate = Gate {
            limiter: Limiter::new(settings.limiter()),
            breaker: Breaker::new(settings.breaker),
            latency: Latency::new(settings.first_latency),
            retries: Budget::full(retry::MOST),
            hedges: Budget::full(HEDGES),
            in_flight: 0,
            probing: false,
            cold_away: 0,
            warm: 0,
            warm_at: 0,
            warming: 0,
            warming_at: 0,
            demand: 0,
            demand_since: 0,
            unproven: settings.probes_at_start,
            most_records: settings.batch_records,
            settings,
            has_worked: false,
            has_answered: false,
            typical: Duration::ZERO,
            cold: Duration::ZERO,
            late: Duration::ZERO,
        };
        gate.learn();
        gate
    }

    /// Records have been handed over: the limit follows what the stream needs.
    pub(super) fn wanted(&mut self, now: Nanos, records: usize) {
        self.demand += records;
        let passed = now.saturating_sub(self.demand_since);
        if passed >= DEMAND {
            let rate = self.demand as f64 * 1e9 / passed as f64;
            (self.demand, self.demand_since) = (0, now);
            self.limiter.need(now, self.in_flight_at(rate));
        }
    }

    /// Requests in flight when `records_per_second` are sent, by Little's law.
    fn in_flight_at(&self, records_per_second: f64) -> f64 {
        let requests = records_per_second / self.settings.batch_records as f64;
        // A batch that lingers is not full, and the latency is not always the typical one.
        const HEADROOM: f64 = 1.25;
        requests * self.latency.typical().as_secs_f64() * HEADROOM + 1.0
    }

    /// Whether a request may go now.
    pub(super) fn may_send(&self) -> bool {
        match self.breaker.state() {
            _ if self.unproven => false,
            State::Closed => self.in_flight < self.limiter.limit(),
            State::HalfOpen => self.in_flight == 0,
            State::Open(_) | State::Condemned => false,
        }
    }

    /// Records that may wait here to be sent: as many as are sent in a quarter of a round trip. Fewer
    /// and a place may be free before there is something to send; what is more would be better off
    /// with its worker.
    pub(super) fn may_wait(&self) -> usize {
        match self.breaker.state() {
            _ if self.unproven => 0,
            State::Closed => (self.limiter.limit() / 4).max(2) * self.most_records,
            State::HalfOpen => self.most_records,
            State::Open(_) | State::Condemned => 0,
        }
    }

    /// An attempt takes its place among those in flight.
    pub(super) fn begins(&mut self) {
        self.in_flight += 1;
    }

    /// An attempt that has its place goes now.
    pub(super) fn goes(&mut self, now: Nanos) -> Sent {
        if now.saturating_sub(self.warm_at) > STAYS_WARM {
            self.warm = 0;
        }
        let may_be_cold = self.in_flight.saturating_sub(self.cold_away) > self.warm;
        self.cold_away += usize::from(may_be_cold);
        Sent { at: now, may_be_cold }
    }

    /// An attempt is over.
    pub(super) fn is_over(&mut self) {
        self.in_flight -= 1;
    }

    /// An attempt came to this.
    pub(super) fn came(&mut self, now: Nanos, sent: Sent, came: Came<'_>) {
        self.cold_away -= usize::from(sent.may_be_cold);
        match came {
            Came::Well { took, cold } => {
                self.has_worked = true;
                self.answered(now, sent, took, cold);
                self.limiter.answered(self.in_flight);
                self.breaker.succeeded();
                self.retries.put(retry::ANSWER);
                self.hedges.put(self.settings.hedge);
            }
            // What it takes says how long a cold start takes at the most, whether the function says
            // that it was one or not.
            Came::Probe { took, cold } => {
                self.answered(now, sent, took, cold || sent.may_be_cold);
            }
            Came::ProbeFailed => {}
            Came::GivenUp => self.given_up(now, sent),
            Came::Failed(failure) => self.failed(now, sent, failure),
        }
    }

    fn answered(&mut self, now: Nanos, sent: Sent, took: Duration, cold: bool) {
        self.latency.note(took, cold);
        self.has_answered = true;
        self.learn();
        self.warm += usize::from(sent.may_be_cold);
        self.warm_at = now;
    }

    fn given_up(&mut self, now: Nanos, sent: Sent) {
        let age = Duration::from_nanos(now.saturating_sub(sent.at));
        self.latency.note_given_up(age, sent.may_be_cold);
    }

    fn failed(&mut self, now: Nanos, sent: Sent, failure: &Failure) {
        match failure {
            Failure::Throttled => {
                // Throttled to the last request, nothing goes through.
                if self.limiter.is_lowest() {
                    self.breaker.failed(now);
                }
                self.limiter.refused(now, sent.at);
            }
            Failure::Connection(_) => {
                self.limiter.refused(now, sent.at);
                self.breaker.failed(now);
            }
            Failure::Rejected(_) | Failure::Redirected => self.breaker.refused(now),
            Failure::TimedOut => {
                self.given_up(now, sent);
                self.breaker.failed(now);
            }
            Failure::Service(_) | Failure::Function(_) | Failure::Answer(_) => {
                self.breaker.failed(now);
            }
            // These say nothing of the remote side.
            Failure::TooLarge
            | Failure::Encode
            | Failure::Closed
            | Failure::BreakerOpen
            | Failure::DoneAtHome => {}
        }
    }

    /// The start-up probe has come back.
    pub(super) fn is_proven(&self) -> bool {
        !self.unproven
    }

    pub(super) fn proves(&mut self) {
        self.unproven = false;
    }

    /// Records of a request at most.
    pub(super) fn most_records(&self) -> usize {
        self.most_records
    }

    /// So many records were too large, for the function or for the service: half of them may not be.
    /// A single record may be too large; where all of them are, the remote side is of no use.
    pub(super) fn too_large(&mut self, now: Nanos, records: usize) {
        self.most_records = self.most_records.min((records / 2).max(1));
        if records <= 1 {
            self.breaker.failed(now);
        }
    }

    /// So many records were not: more are tried, little by little.
    pub(super) fn not_too_large(&mut self, records: usize) {
        if records >= self.most_records {
            let more = self.most_records / 32 + 1;
            self.most_records = (self.most_records + more).min(self.settings.batch_records);
        }
    }

    /// A request has been in flight for so long that it counts as failed.
    pub(super) fn is_dead(&mut self, now: Nanos) {
        self.breaker.failed(now);
    }

    fn learn(&mut self) {
        const SLACK: Duration = Duration::from_millis(10);
        self.typical = self.latency.typical();
        self.cold = self.latency.known_cold();
        let typical = self.typical;
        let late = typical + (2 * typical).max(SLACK);
        // How long the work takes is not known before some was done.
        self.late = if self.has_worked { late } else { late.max(self.settings.patience) };
    }

    /// Past this age a request is late: its worker may as well do its records.
    pub(super) fn late(&self) -> Duration {
        self.late
    }

    /// Past this age a request counts as failed. A cold start may take longer, and so may the first
    /// work: how long it takes is not known before some was done.
    pub(super) fn dead(&self, sent: Sent) -> Duration {
        let patience = if self.has_worked { 1 } else { 4 } * self.settings.patience;
        let warm = (4 * self.latency.longest()).max(patience);
        let longest = if sent.may_be_cold { warm.max(2 * self.latency.cold()) } else { warm };
        longest.min(self.settings.timeout)
    }

    /// How long a probe may take.
    pub(super) fn probe_timeout(&self) -> Duration {
        (2 * self.latency.cold()).max(self.settings.patience).min(self.settings.timeout)
    }

    /// How long a request takes, once its environment is warm.
    pub(super) fn typical(&self) -> Duration {
        self.typical
    }

    /// The same; zero before anything was answered.
    pub(super) fn known_typical(&self) -> Duration {
        if self.has_answered { self.typical } else { Duration::ZERO }
    }

    /// How long a request takes whose environment is cold; zero before one was met.
    pub(super) fn known_cold(&self) -> Duration {
        self.cold
    }

    /// Records that may be sent without meeting a cold environment, as far as is known.
    pub(super) fn warm_room(&self) -> usize {
        self.warm.saturating_sub(self.in_flight.saturating_sub(self.cold_away)) * self.most_records
    }

    /// Takes a retry after `failure` from the budget.
    pub(super) fn may_retry(&mut self, failure: &Failure) -> bool {
        let is_throttle = *failure == Failure::Throttled;
        self.retries.take(if is_throttle { retry::THROTTLE } else { retry::FAILURE })
    }

    /// Takes a second attempt at a late request from the budget.
    pub(super) fn may_hedge(&mut self) -> bool {
        self.breaker.state() == State::Closed && self.hedges.take(1.0)
    }

    /// Environments to be started so that `records_per_second` find them warm.
    pub(super) fn warms_up(&mut self, now: Nanos, records_per_second: f64) -> usize {
        if self.breaker.state() != State::Closed || !self.latency.is_known() {
            return 0;
        }
        if now.saturating_sub(self.warm_at) > STAYS_WARM {
            self.warm = 0;
        }
        let needed =
            (self.in_flight_at(records_per_second).ceil() as usize).min(self.limiter.limit());
        if now.saturating_sub(self.warming_at) > STAYS_WARM {
            self.warming = 0;
        }
        let more = needed.saturating_sub(self.warm.max(self.warming).max(self.in_flight));
        if more > 0 {
            (self.warming, self.warming_at) = (needed, now);
        }
        more
    }

    /// Whether nothing is sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.breaker.state(), State::Open(_) | State::Condemned)
    }

    pub(super) fn state(&self) -> State {
        self.breaker.state()
    }

    pub(super) fn opened(&self) -> u64 {
        self.breaker.opened()
    }

    /// Whether a probe should go now; if so, one is on its way.
    pub(super) fn begins_probe(&mut self, now: Nanos) -> bool {
        let due = matches!(self.breaker.state(), State::Open(until) if until <= now);
        let begins = due && !self.probing;
        self.probing |= begins;
        begins
    }

    /// The probe was answered well, or not.
    pub(super) fn probed(&mut self, now: Nanos, well: bool) {
        self.probing = false;
        self.breaker.probed(now, well);
    }

    /// The start-up probe failed: nothing is sent until a probe is answered.
    pub(super) fn begins_open(&mut self, now: Nanos) {
        self.breaker.refused(now);
        self.unproven = false;
    }

    /// Until when no probe goes, if the breaker is open and none is on its way.
    pub(super) fn next_probe(&self) -> Option<Nanos> {
        match self.breaker.state() {
            State::Open(until) if !self.probing => Some(until),
            _ => None,
        }
    }

    pub(super) fn condemn(&mut self) {
        self.breaker.condemn();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    impl Gate {
        fn sends(&mut self, now: Nanos) -> Sent {
            self.begins();
            self.goes(now)
        }
    }

    fn well(took: u64, cold: bool) -> Came<'static> {
        Came::Well { took: Duration::from_millis(took), cold }
    }

    /// The cold starts of a burst's first requests are neither congestion nor death.
    #[test]
    fn a_bursts_beginning_is_no_failure() {
        let mut gate = Gate::new(Settings::default());
        let probe = gate.sends(0);
        gate.came(170 * MS, probe, Came::Probe { took: Duration::from_millis(170), cold: true });
        gate.is_over();
        let probe = gate.sends(170 * MS);
        gate.came(190 * MS, probe, Came::Probe { took: Duration::from_millis(20), cold: false });
        gate.is_over();
        assert_eq!(gate.typical(), Duration::from_millis(20));
        // 400 requests a second of 20 ms are 8 in flight, and some.
        gate.wanted(300 * MS, 0);
        gate.wanted(400 * MS, 40_000);
        assert!(gate.limiter.limit() >= 10);
        let sent: Vec<Sent> = (0..8).map(|_| gate.sends(400 * MS)).collect();
        for sent in sent {
            assert!(gate.dead(sent) >= Duration::from_millis(300), "{:?}", gate.dead(sent));
            gate.came(575 * MS, sent, well(175, true));
            gate.is_over();
        }
        assert_eq!(gate.typical(), Duration::from_millis(20), "cold starts are left out");
        assert_eq!((gate.state(), gate.limiter.limit()), (State::Closed, 11));
        let warm = gate.sends(600 * MS);
        assert_eq!(gate.dead(warm), Duration::from_millis(250));
    }

    #[test]
    fn environments_are_started_once() {
        let mut gate = Gate::new(Settings::default());
        // Whatever the function says, the first one may have met a cold environment.
        for (at, took) in [(0, 170), (180, 20)] {
            let probe = gate.sends(at * MS);
            let took = Duration::from_millis(took);
            gate.came((at + 20) * MS, probe, Came::Probe { took, cold: false });
            gate.is_over();
        }
        assert_eq!((gate.known_cold(), gate.warm_room()), (Duration::from_millis(170), 1_000));
        assert_eq!(gate.warms_up(230 * MS, 100_000.0), 3);
        assert_eq!(gate.warms_up(240 * MS, 100_000.0), 0);
        assert_eq!(gate.warms_up(250 * MS, 200_000.0), 2);
        assert_eq!(gate.warms_up(STAYS_WARM + 251 * MS, 200_000.0), 6, "they are gone");
    }

    #[test]
    fn throttled_to_the_last_request_is_down() {
        let mut gate = Gate::new(Settings::default());
        for round in 1..20 {
            let sent = gate.sends(round * 10 * MS);
            gate.came((round * 10 + 5) * MS, sent, Came::Failed(&Failure::Throttled));
            gate.is_over();
        }
        assert!(matches!(gate.state(), State::Open(_)));
        assert_eq!(gate.may_wait(), 0);
    }
}
