//! Decides whether anything is sent to the remote side at all.
//!
//! While the breaker is closed, requests are sent. It opens after several failures in a row: nothing is sent,
//! waiting records are returned, and workers keep new ones, at no cost. After a while one empty request is
//! sent, the *probe*. If it is answered well, the breaker is half-open: one request at a time is sent, and
//! the first one that is answered well closes the breaker. A failure opens it again, for twice as long. The
//! wait has an upper bound, which is also the longest time until a recovered remote side is used again.

use crate::batch::Nanos;

/// Settings of the breaker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Number of failures in a row after which it opens. If it is small, a few accidental failures stop all
    /// sending; if it is large, the first second of a burst is spent on a remote side that does not answer.
    pub failures: u32,
    /// Time until the first probe. If it is short, probes cost money while the remote side is down; if it is
    /// long, a remote side that was down briefly is not used.
    pub initial_wait: Nanos,
    /// Longest time between probes.
    pub max_wait: Nanos,
}

impl Default for Settings {
    /// If 30 % of the attempts fail, five failures in a row have a probability of 1/400. With a wait of 0.8
    /// s, the first result arrives within one second of the recovery.
    fn default() -> Self {
        Settings { failures: 5, initial_wait: 100_000_000, max_wait: 800_000_000 }
    }
}

/// State of the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All requests are sent.
    Closed,
    /// Nothing is sent until this time, when a probe is sent.
    Open(Nanos),
    /// One request at a time is sent.
    HalfOpen,
    /// Nothing is sent any more, because the remote side computed a different result.
    Disabled,
}

/// The breaker: a pure function of the outcomes.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    failures: u32,
    wait: Nanos,
    opened: u64,
    /// Since when it has not been closed, and for how long it was not before.
    open_since: Option<Nanos>,
    open_before: Nanos,
}

impl Breaker {
    /// Creates a closed breaker.
    pub fn new(settings: Settings) -> Self {
        Breaker {
            settings,
            state: State::Closed,
            failures: 0,
            wait: settings.initial_wait,
            opened: 0,
            open_since: None,
            open_before: 0,
        }
    }

    /// Returns the state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns how often the breaker has opened.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Returns for how long the breaker was not closed until `now`.
    pub fn open_for(&self, now: Nanos) -> Nanos {
        self.open_before + self.open_since.map_or(0, |since| now.saturating_sub(since))
    }

    /// Records that a request was answered well.
    pub fn succeeded(&mut self, now: Nanos) {
        self.failures = 0;
        // An answer to a request from before the breaker opened says nothing about the present. A probe does.
        if self.state == State::HalfOpen {
            self.state = State::Closed;
            self.wait = self.settings.initial_wait;
            self.open_before = self.open_for(now);
            self.open_since = None;
        }
    }

    /// Records that a request failed, or is so late that it counts as failed.
    pub fn failed(&mut self, now: Nanos) {
        match self.state {
            State::Closed => {
                self.failures += 1;
                if self.failures >= self.settings.failures.max(1) {
                    self.open(now);
                }
            }
            State::HalfOpen => self.open(now),
            State::Open(_) | State::Disabled => {}
        }
    }

    /// Records a refusal that would be the same for any other request.
    pub fn refused(&mut self, now: Nanos) {
        if matches!(self.state, State::Closed | State::HalfOpen) {
            self.open(now);
        }
    }

    /// Records whether the probe was answered well.
    pub fn probed(&mut self, now: Nanos, well: bool) {
        if let State::Open(_) = self.state {
            self.failures = 0;
            if well {
                self.state = State::HalfOpen;
            } else {
                self.state = State::Open(now + self.next_wait());
            }
        }
    }

    /// Opens the breaker for the rest of the run.
    pub fn disable(&mut self, now: Nanos) {
        self.opened += u64::from(self.state == State::Closed);
        self.state = State::Disabled;
        self.open_since.get_or_insert(now);
    }

    fn open(&mut self, now: Nanos) {
        self.opened += 1;
        self.failures = 0;
        self.state = State::Open(now + self.next_wait());
        self.open_since.get_or_insert(now);
    }

    /// Returns the present wait, and doubles the next one.
    fn next_wait(&mut self) -> Nanos {
        let wait = self.wait.min(self.settings.max_wait);
        self.wait = wait.saturating_mul(2);
        wait
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn the_breaker_opens_after_failures_and_closes_after_a_probe_and_an_answer() {
        let mut breaker = Breaker::new(Settings::default());
        (0..4).for_each(|_| breaker.failed(0));
        breaker.succeeded(0);
        (0..4).for_each(|_| breaker.failed(0));
        assert_eq!(breaker.state(), State::Closed, "five in a row");
        breaker.failed(MS);
        assert_eq!(breaker.state(), State::Open(101 * MS));
        breaker.succeeded(2 * MS);
        assert_eq!(
            breaker.state(),
            State::Open(101 * MS),
            "an answer to an earlier request changes nothing"
        );
        breaker.probed(110 * MS, false);
        assert_eq!(breaker.state(), State::Open(310 * MS), "twice as long");
        breaker.probed(320 * MS, true);
        assert_eq!(breaker.state(), State::HalfOpen);
        breaker.failed(330 * MS);
        assert_eq!(breaker.state(), State::Open(730 * MS));
        breaker.probed(740 * MS, true);
        breaker.succeeded(751 * MS);
        assert_eq!((breaker.state(), breaker.opened()), (State::Closed, 2));
        (0..5).for_each(|_| breaker.failed(800 * MS));
        assert_eq!(breaker.state(), State::Open(900 * MS), "the wait is the initial one again");
        breaker.disable(850 * MS);
        breaker.probed(1_000 * MS, true);
        breaker.succeeded(1_000 * MS);
        assert_eq!(breaker.state(), State::Disabled);
    }

    #[test]
    fn the_time_for_which_the_breaker_is_not_closed_is_measured() {
        let mut breaker = Breaker::new(Settings::default());
        breaker.failed(0);
        assert_eq!(breaker.open_for(5 * MS), 0, "one failure does not open it");
        breaker.refused(10 * MS);
        assert_eq!(breaker.open_for(30 * MS), 20 * MS);
        breaker.probed(110 * MS, true);
        breaker.failed(120 * MS);
        breaker.probed(320 * MS, true);
        assert_eq!(breaker.open_for(330 * MS), 320 * MS, "a half-open breaker is not closed");
        breaker.succeeded(340 * MS);
        assert_eq!(breaker.open_for(1_000 * MS), 330 * MS);
        breaker.disable(1_000 * MS);
        assert_eq!(breaker.open_for(1_005 * MS), 335 * MS);
        let mut breaker = Breaker::new(Settings::default());
        breaker.refused(10 * MS);
        breaker.disable(20 * MS);
        assert_eq!(breaker.open_for(30 * MS), 20 * MS, "it was open before it was disabled");
    }

    proptest! {
        /// Whatever happens, the breaker is never open for longer than its bound, never opens without a
        /// failure, and closes only after an answer to a request.
        #[test]
        fn the_breaker_opens_only_on_a_failure_and_closes_only_on_an_answer(
            events in prop::collection::vec((0..5_u8, 0..2_000_u64), 0..200),
        ) {
            let settings = Settings::default();
            let mut breaker = Breaker::new(settings);
            let mut now = 0;
            for (event, passes) in events {
                now += passes * MS;
                let before = breaker.state();
                match event {
                    0 => breaker.succeeded(now),
                    1 => breaker.failed(now),
                    2 => breaker.refused(now),
                    3 => breaker.probed(now, true),
                    _ => breaker.probed(now, false),
                }
                let after = breaker.state();
                if let State::Open(until) = after {
                    prop_assert!(before == after || until <= now + settings.max_wait);
                    prop_assert!(event != 0 && event != 3 || before == after);
                }
                if after == State::Closed {
                    prop_assert!(before == State::Closed || (before, event) == (State::HalfOpen, 0));
                }
                if after == State::HalfOpen {
                    prop_assert!(before == after || event == 3);
                }
            }
        }
    }
}
