//! The latency that workers are told, from the measured one.

use std::time::Duration;

/// Time to add to a request's time on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatencyEstimate {
    work: Duration,
}

impl LatencyEstimate {
    /// The time to compute a full request is known once one was answered. Before, it is estimated by the time
    /// that the workers need, which is `record` per record.
    pub(crate) fn new(has_processed_records: bool, record: Duration, records: usize) -> Self {
        let work = if has_processed_records { Duration::ZERO } else { record * records as u32 };
        LatencyEstimate { work }
    }

    /// Returns the time of a full request beyond the measured time.
    pub(crate) fn work(&self) -> Duration {
        self.work
    }

    /// Returns how long a request takes; zero before the first measurement.
    pub(crate) fn request(&self, measured: Duration) -> Duration {
        if measured.is_zero() { measured } else { measured + self.work }
    }
}
