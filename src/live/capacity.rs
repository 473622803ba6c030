//! Estimates how many records a second the workers can do.

use super::sample::{About, Sample};
use crate::batch::Nanos;

/// A smoothed estimate from what the workers did and how busy they were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capacity {
    eps: Option<f64>,
    at: Nanos,
}

/// Workers that are busy for less than this share of the time give no estimate.
const SOME: f64 = 0.1;
/// Workers that are busy for more than this share are at their capacity.
const ALL: f64 = 0.95;
/// The time constant of the smoothing, in seconds.
const SMOOTHED_OVER: f64 = 5.0;

impl Capacity {
    /// Adds what was done between two samples. A worker is busy while its thread runs, and by wall time while it is in the
    /// task. So the time of the source and the sink counts, and also the time in which other programs use the processor.
    pub(super) fn take(&mut self, about: &About, before: &Sample, now: &Sample) {
        let seconds = now.at.saturating_sub(before.at) as f64 / 1e9;
        let since = now.at.saturating_sub(self.at) as f64 / 1e9;
        let workers = about.workers.max(1) as f64;
        let (now, before) = (&now.snapshot, &before.snapshot);
        let busy =
            |now: Nanos, before: Nanos| now.saturating_sub(before) as f64 / 1e9 / seconds / workers;
        let busy = busy(now.cpu_ns, before.cpu_ns).max(busy(now.useful_ns, before.useful_ns));
        let counts = now.counts.since(&before.counts);
        let done = (counts.by_workers() + counts.home) as f64 / seconds;
        if seconds <= 0.0 || busy < SOME || done < 1.0 {
            return;
        }
        self.at += (since * 1e9) as Nanos;
        let could = done / busy.min(1.0);
        let weight = if busy > ALL { 1.0 } else { (since / SMOOTHED_OVER).min(1.0) };
        let last = self.eps.unwrap_or(could);
        self.eps = Some((last + (could - last) * weight).max(done));
    }

    /// Returns the estimate in records a second. None while the workers have done too little.
    pub(super) fn eps(&self) -> Option<f64> {
        self.eps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn workers_that_are_busy_do_what_they_can() {
        let about = About { workers: 2, ..About::default() };
        let mut capacity = Capacity::default();
        let mut now = Sample::default();
        let mut second = |done: u64, cpu: Nanos| {
            let before = now.clone();
            now.at += SECOND;
            now.snapshot.counts.local += done;
            now.snapshot.cpu_ns += cpu;
            capacity.take(&about, &before, &now);
            capacity.eps().map(f64::round)
        };
        assert_eq!(second(0, SECOND), None, "they did nothing");
        assert_eq!(second(10, SECOND / 10), None, "a twentieth of the time says nothing");
        // Half of the time of both.
        assert_eq!(second(1_000, SECOND), Some(2_000.0));
        // It moves a fifth of the way in a second, and no jump is shown.
        assert_eq!(second(1_500, SECOND), Some(2_200.0));
        // All of their time: no more can be done than is done.
        assert_eq!(second(1_200, 2 * SECOND), Some(1_200.0));
        assert_eq!(second(0, 0), Some(1_200.0), "idle, they could still");
        // What is done can be done.
        assert_eq!(second(1_800, 9 * SECOND / 5), Some(1_800.0));
    }
}
