//! Health of the remote side. Nothing is sent to it before a probe was answered, at the start and after the
//! breaker has opened.

use super::breaker::{Breaker, Settings, State};
use crate::batch::Nanos;

/// The breaker, and the probes that it depends on. At most one of the breaker's probes is in flight.
#[derive(Debug)]
pub(crate) struct Health {
    breaker: Breaker,
    /// Whether a probe is in flight.
    probing: bool,
    /// Whether the first start-up probe has not returned yet. Until then nothing is sent.
    awaits_first_probe: bool,
    /// Whether all start-up probes have returned, so that the latency to a warm environment is known.
    has_started: bool,
}

impl Health {
    /// `probes_at_start` if nothing may be sent until a start-up probe has returned.
    pub(super) fn new(breaker: Settings, probes_at_start: bool) -> Self {
        Health {
            breaker: Breaker::new(breaker),
            probing: false,
            awaits_first_probe: probes_at_start,
            has_started: !probes_at_start,
        }
    }

    /// Returns whether all start-up probes have returned.
    pub(crate) fn has_started(&self) -> bool {
        self.has_started
    }

    /// Records that all start-up probes have returned.
    pub(crate) fn mark_started(&mut self) {
        self.has_started = true;
        self.awaits_first_probe = false;
    }

    /// Records that the first start-up probe has returned.
    pub(crate) fn mark_proven(&mut self) {
        self.awaits_first_probe = false;
    }

    /// Returns whether a start-up probe has returned, or none is sent.
    pub(super) fn is_proven(&self) -> bool {
        !self.awaits_first_probe
    }

    /// Records that the start-up probe failed: nothing is sent until a probe is answered.
    pub(crate) fn start_open(&mut self, now: Nanos) {
        self.breaker.refused(now);
        self.awaits_first_probe = false;
    }

    /// Returns the breaker's state.
    pub(crate) fn state(&self) -> State {
        self.breaker.state()
    }

    /// Returns how often the breaker has opened.
    pub(crate) fn opened(&self) -> u64 {
        self.breaker.opened()
    }

    /// Returns for how long the breaker was not closed until `now`.
    pub(super) fn open_for(&self, now: Nanos) -> Nanos {
        self.breaker.open_for(now)
    }

    /// Returns whether nothing is sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.breaker.state(), State::Open(_) | State::Disabled)
    }

    /// Returns when a probe is due, unless one is in flight.
    pub(super) fn probe_at(&self) -> Option<Nanos> {
        match self.breaker.state() {
            State::Open(until) if !self.probing => Some(until),
            _ => None,
        }
    }

    /// Records that a probe is sent.
    pub(super) fn start_probe(&mut self) {
        self.probing = true;
    }

    /// Records whether the probe was answered well.
    pub(crate) fn probed(&mut self, now: Nanos, well: bool) {
        self.probing = false;
        self.breaker.probed(now, well);
    }

    /// Records that a request was answered well.
    pub(super) fn succeeded(&mut self, now: Nanos) {
        self.breaker.succeeded(now);
    }

    /// Records that a request failed, or has been in flight for so long that it counts as failed.
    pub(crate) fn failed(&mut self, now: Nanos) {
        self.breaker.failed(now);
    }

    /// Records a refusal that would be the same for any other request.
    pub(super) fn refused(&mut self, now: Nanos) {
        self.breaker.refused(now);
    }

    /// Disables the remote side because it computed a different result: nothing is sent any more.
    pub(crate) fn disable(&mut self, now: Nanos) {
        self.breaker.disable(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_before_the_start_up_probe_has_returned() {
        let mut health = Health::new(Settings::default(), true);
        assert!(!health.is_proven() && !health.has_started() && !health.is_open());
        health.mark_proven();
        assert!(health.is_proven() && !health.has_started());
        health.mark_started();
        assert!(health.has_started());
        let mut health = Health::new(Settings::default(), true);
        health.start_open(0);
        assert!(health.is_proven() && health.is_open(), "a failed probe opens the breaker");
    }

    #[test]
    fn at_most_one_probe_is_in_flight() {
        let mut health = Health::new(Settings::default(), false);
        assert_eq!(health.probe_at(), None, "the breaker is closed");
        health.start_open(0);
        let Some(due) = health.probe_at() else { panic!("a probe is due some time") };
        health.start_probe();
        assert_eq!(health.probe_at(), None);
        health.probed(due, false);
        assert!(health.probe_at().is_some_and(|next| next > due));
        health.start_probe();
        health.probed(due, true);
        assert_eq!((health.state(), health.probe_at()), (State::HalfOpen, None));
        health.succeeded(due);
        assert_eq!(health.state(), State::Closed);
    }
}
