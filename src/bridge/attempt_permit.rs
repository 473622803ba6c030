//! The permit of an attempt to be in flight.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admission::{AttemptOutcome, InFlightAttempt};
use super::shared::Shared;

/// An attempt's permit to be in flight. It reports the attempt's outcome to the admission, or that the
/// attempt was given up.
pub(super) struct AttemptPermit {
    shared: Arc<Shared>,
    sent: Mutex<InFlightAttempt>,
    reported: bool,
}

impl AttemptPermit {
    /// Takes a permit: the attempt is in flight from now on.
    pub(super) fn take(shared: &Arc<Shared>) -> Self {
        shared.live.add(|live| &live.in_flight, 1);
        let sent = shared.admission(|admission, now| admission.start_attempt(now));
        tracing::trace!("an attempt goes: {sent:?}");
        AttemptPermit { shared: Arc::clone(shared), sent: Mutex::new(sent), reported: false }
    }

    /// Returns the attempt.
    pub(super) fn sent(&self) -> MutexGuard<'_, InFlightAttempt> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the request is on the wire.
    pub(super) fn mark_on_wire(&self) {
        self.shared.admission(|admission, now| admission.mark_on_wire(now, &mut self.sent()));
    }

    /// Reports the outcome.
    pub(super) fn finish(mut self, outcome: AttemptOutcome<'_>) {
        self.report(outcome);
    }

    fn report(&mut self, outcome: AttemptOutcome<'_>) {
        if !std::mem::replace(&mut self.reported, true) {
            self.shared.live.in_flight.fetch_sub(1, Relaxed);
            let sent = *self.sent();
            tracing::trace!("{sent:?} came to {outcome:?}");
            self.shared.admission(|admission, now| admission.finish_attempt(now, sent, outcome));
        }
    }
}

impl Drop for AttemptPermit {
    fn drop(&mut self) {
        self.report(AttemptOutcome::Abandoned);
    }
}
