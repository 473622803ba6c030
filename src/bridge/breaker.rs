//! Whether the remote side is worth trying at all.
//!
//! Closed, requests go. When several in a row have failed it opens: nothing is sent, what waits
//! comes home, and workers keep what they have, at no cost. After a while it sends one empty
//! request, the *probe*; a good answer makes it half-open, in which a single request is in flight
//! at a time, and the first one that is answered closes it. A failure on the way opens it again,
//! for twice as long, up to a bound that is also the longest until a remote side that is well again
//! is used again.

use crate::batch::Nanos;

/// Settings of the breaker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Failures in a row after which it opens. Few, and three accidents send everything home;
    /// many, and a burst's first second is spent on a remote side that is not there.
    pub failures: u32,
    /// How long until the first probe. Short costs requests while the remote side is down; long
    /// leaves one that was down for a moment unused.
    pub initial_wait: Nanos,
    /// The longest until another probe.
    pub max_wait: Nanos,
}

impl Default for Settings {
    /// At a failure rate of 30 % five in a row are one in 400; 0.8 s leave 0.2 s of a second for
    /// the way from the first good answer to the first result.
    fn default() -> Self {
        Settings { failures: 5, initial_wait: 100_000_000, max_wait: 800_000_000 }
    }
}

/// What may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// Nothing, until this time; then a probe.
    Open(Nanos),
    /// One request at a time.
    HalfOpen,
    /// Nothing, for good: the remote side was found to compute something else.
    Disabled,
}

/// The breaker: a pure function of what happened.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    failures: u32,
    wait: Nanos,
    opened: u64,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Breaker {
            settings,
            state: State::Closed,
            failures: 0,
            wait: settings.initial_wait,
            opened: 0,
        }
    }

    /// What may be sent.
    pub fn state(&self) -> State {
        self.state
    }

    /// How often it opened.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// A request was answered well.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        // What was sent before it opened says nothing of now; a probe does.
        if self.state == State::HalfOpen {
            self.state = State::Closed;
            self.wait = self.settings.initial_wait;
        }
    }

    /// A request failed, or is so late that it may as well have.
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

    /// The remote side refuses for a reason that another request would not change.
    pub fn refused(&mut self, now: Nanos) {
        if matches!(self.state, State::Closed | State::HalfOpen) {
            self.open(now);
        }
    }

    /// The probe was answered well, or not.
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

    /// Opens for good.
    pub fn disable(&mut self) {
        self.opened += u64::from(self.state == State::Closed);
        self.state = State::Disabled;
    }

    fn open(&mut self, now: Nanos) {
        self.opened += 1;
        self.failures = 0;
        self.state = State::Open(now + self.next_wait());
    }

    /// How long to wait now; the next time twice as long.
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
    fn it_opens_probes_and_closes() {
        let mut breaker = Breaker::new(Settings::default());
        (0..4).for_each(|_| breaker.failed(0));
        breaker.succeeded();
        (0..4).for_each(|_| breaker.failed(0));
        assert_eq!(breaker.state(), State::Closed, "five in a row");
        breaker.failed(MS);
        assert_eq!(breaker.state(), State::Open(101 * MS));
        breaker.succeeded();
        assert_eq!(breaker.state(), State::Open(101 * MS), "an answer from before says nothing");
        breaker.probed(110 * MS, false);
        assert_eq!(breaker.state(), State::Open(310 * MS), "twice as long");
        breaker.probed(320 * MS, true);
        assert_eq!(breaker.state(), State::HalfOpen);
        breaker.failed(330 * MS);
        assert_eq!(breaker.state(), State::Open(730 * MS));
        breaker.probed(740 * MS, true);
        breaker.succeeded();
        assert_eq!((breaker.state(), breaker.opened()), (State::Closed, 2));
        (0..5).for_each(|_| breaker.failed(800 * MS));
        assert_eq!(breaker.state(), State::Open(900 * MS), "it begins anew");
        breaker.disable();
        breaker.probed(1_000 * MS, true);
        breaker.succeeded();
        assert_eq!(breaker.state(), State::Disabled);
    }

    proptest! {
        /// Whatever happens, it is never open for longer than its bound, never opens without a
        /// failure, and is closed only by an answer to a request.
        #[test]
        fn its_states(events in prop::collection::vec((0..5_u8, 0..2_000_u64), 0..200)) {
            let settings = Settings::default();
            let mut breaker = Breaker::new(settings);
            let mut now = 0;
            for (event, passes) in events {
                now += passes * MS;
                let before = breaker.state();
                match event {
                    0 => breaker.succeeded(),
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
