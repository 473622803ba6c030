//! Whether the remote side is there: nothing is sent to it before a probe was answered, at the start
//! and whenever the breaker has opened.

use super::breaker::{Breaker, Settings, State};
use crate::batch::Nanos;

/// The breaker, and the probes that it depends on. At most one that the breaker asks for is on its way.
#[derive(Debug)]
pub(crate) struct Health {
    breaker: Breaker,
    /// A probe is on its way.
    probing: bool,
    /// The start-up probe has not come back: nothing is known, and nothing is sent.
    awaits_first_probe: bool,
    /// All start-up probes have come back: the way to a warm environment is known.
    has_started: bool,
}

impl Health {
    /// `probes_at_start` if nothing may be sent until such a probe has come back.
    pub(super) fn new(breaker: Settings, probes_at_start: bool) -> Self {
        Health {
            breaker: Breaker::new(breaker),
            probing: false,
            awaits_first_probe: probes_at_start,
            has_started: !probes_at_start,
        }
    }

    /// The start-up probes have come back.
    pub(crate) fn has_started(&self) -> bool {
        self.has_started
    }

    pub(crate) fn mark_started(&mut self) {
        self.has_started = true;
    }

    /// The first of them has.
    pub(crate) fn mark_proven(&mut self) {
        self.awaits_first_probe = false;
    }

    /// Whether it has.
    pub(super) fn is_proven(&self) -> bool {
        !self.awaits_first_probe
    }

    /// The start-up probe failed: nothing is sent until a probe is answered.
    pub(crate) fn start_open(&mut self, now: Nanos) {
        self.breaker.refused(now);
        self.awaits_first_probe = false;
    }

    /// What the breaker lets through.
    pub(crate) fn state(&self) -> State {
        self.breaker.state()
    }

    /// How often it opened.
    pub(crate) fn opened(&self) -> u64 {
        self.breaker.opened()
    }

    /// Whether nothing is sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.breaker.state(), State::Open(_) | State::Disabled)
    }

    /// When a probe is due, if one is and none is on its way.
    pub(super) fn probe_at(&self) -> Option<Nanos> {
        match self.breaker.state() {
            State::Open(until) if !self.probing => Some(until),
            _ => None,
        }
    }

    /// It goes.
    pub(super) fn start_probe(&mut self) {
        self.probing = true;
    }

    /// The probe was answered well, or not.
    pub(crate) fn probed(&mut self, now: Nanos, well: bool) {
        self.probing = false;
        self.breaker.probed(now, well);
    }

    /// A request was answered well.
    pub(super) fn succeeded(&mut self) {
        self.breaker.succeeded();
    }

    /// A request failed, or has been in flight for so long that it counts as failed.
    pub(crate) fn failed(&mut self, now: Nanos) {
        self.breaker.failed(now);
    }

    /// The remote side refuses for a reason that another request would not change.
    pub(super) fn refused(&mut self, now: Nanos) {
        self.breaker.refused(now);
    }

    /// Nothing is sent any more: the remote side was found to compute something else.
    pub(crate) fn disable(&mut self) {
        self.breaker.disable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_proven_before_a_probe_is_back() {
        let mut health = Health::new(Settings::default(), true);
        assert!(!health.is_proven() && !health.has_started() && !health.is_open());
        health.mark_proven();
        assert!(health.is_proven() && !health.has_started());
        health.mark_started();
        assert!(health.has_started());
        let mut health = Health::new(Settings::default(), true);
        health.start_open(0);
        assert!(health.is_proven() && health.is_open(), "a failed probe says something too");
    }

    #[test]
    fn one_probe_is_on_its_way_at_most() {
        let mut health = Health::new(Settings::default(), false);
        assert_eq!(health.probe_at(), None, "it is closed");
        health.start_open(0);
        let Some(due) = health.probe_at() else { panic!("a probe is due some time") };
        health.start_probe();
        assert_eq!(health.probe_at(), None);
        health.probed(due, false);
        assert!(health.probe_at().is_some_and(|next| next > due));
        health.start_probe();
        health.probed(due, true);
        assert_eq!((health.state(), health.probe_at()), (State::HalfOpen, None));
        health.succeeded();
        assert_eq!(health.state(), State::Closed);
    }
}
