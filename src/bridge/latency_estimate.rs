//! From what was measured to what a worker is told of how long the remote side takes.

use std::time::Duration;

/// What is to be added to the time of a request on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatencyEstimate {
    work: Duration,
}

impl LatencyEstimate {
    /// What the work of a full request takes is known once one was answered. Before, it is believed to
    /// be as much as at home, where a record takes `record`.
    pub(crate) fn new(has_processed_records: bool, record: Duration, records: usize) -> Self {
        let work = if has_processed_records { Duration::ZERO } else { record * records as u32 };
        LatencyEstimate { work }
    }

    /// What a full request takes on top of what is known.
    pub(crate) fn work(&self) -> Duration {
        self.work
    }

    /// How long a request takes; zero while nothing was measured.
    pub(crate) fn request(&self, measured: Duration) -> Duration {
        if measured.is_zero() { measured } else { measured + self.work }
    }
}
