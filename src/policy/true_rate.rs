//! The worker's true rate.

use std::time::Duration;

/// Records per second of useful time. Useful time is the time spent in the task, without waiting and without
/// anything else that the worker does. (The term and its use are those of DS2.)
///
/// The rate is the quotient of a sum of records and a sum of time. Both are halved whenever the time exceeds
/// [`WINDOW`], so the rate follows a change of the work within a few slices, and each record has the weight
/// of its duration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrueRate {
    records: f64,
    seconds: f64,
    /// Time that the worker spent on other things while records waited.
    other: f64,
}

/// Useful time over which the rate is averaged. If it is too short, one slow record changes the rate; if it
/// is too long, a change of the work is noticed late.
const WINDOW: Duration = Duration::from_millis(20);

impl TrueRate {
    /// Records that computing `records` records took `time`.
    pub(crate) fn record(&mut self, records: usize, time: Duration) {
        self.records += records as f64;
        self.seconds += time.as_secs_f64();
        while self.seconds > WINDOW.as_secs_f64() {
            self.records /= 2.0;
            self.seconds /= 2.0;
            self.other /= 2.0;
        }
    }

    /// Records that the worker did other things for `time` while records waited.
    pub(crate) fn record_other(&mut self, time: Duration) {
        self.other += time.as_secs_f64();
    }

    /// Returns the share of the time that is useful while records wait.
    pub(crate) fn useful_share(&self) -> f64 {
        if self.seconds > 0.0 { self.seconds / (self.seconds + self.other) } else { 1.0 }
    }

    /// Returns the true rate. None before the first record.
    pub(crate) fn get(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.records / self.seconds)
    }

    /// Returns how many records fit into `time`: at least one, and few while the rate is not known.
    pub(crate) fn records_within(&self, time: Duration) -> usize {
        const UNKNOWN: usize = 16;
        self.get().map_or(UNKNOWN, |rate| ((rate * time.as_secs_f64()) as usize).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_a_change_of_the_work_within_a_few_slices() {
        let mut rate = TrueRate::default();
        assert_eq!((rate.get(), rate.records_within(Duration::from_millis(1))), (None, 16));
        for _ in 0..1_000 {
            rate.record(1_000, Duration::from_millis(1));
        }
        assert!((rate.get().unwrap() - 1e6).abs() < 1.0);
        for _ in 0..60 {
            rate.record(100, Duration::from_millis(1));
        }
        assert!((90e3..130e3).contains(&rate.get().unwrap()), "{:?}", rate.get());
        assert_eq!((rate.records_within(Duration::from_nanos(1)), rate.useful_share()), (1, 1.0));
        rate.record_other(Duration::from_millis(5));
        assert!((0.6..0.85).contains(&rate.useful_share()), "{}", rate.useful_share());
    }
}
