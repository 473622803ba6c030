//! The worker's true rate.

use std::time::Duration;

/// Records a second of useful time: the time spent in the task, without waiting and without
/// anything else the worker does. (The term and the use are DS2's.)
///
/// Sums of records and of time, both halved whenever the time passes [`WINDOW`]: so the rate
/// follows a change of the work within a few slices, and a long record weighs as much as it lasts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrueRate {
    records: f64,
    seconds: f64,
    /// Time for other things while records waited.
    other: f64,
}

/// Useful time the rate is averaged over. Too short and one slow record shakes it; too long and a
/// change of the work is seen late.
const WINDOW: Duration = Duration::from_millis(20);

impl TrueRate {
    /// Notes that `records` took `time`.
    pub(crate) fn record(&mut self, records: usize, time: Duration) {
        self.records += records as f64;
        self.seconds += time.as_secs_f64();
        while self.seconds > WINDOW.as_secs_f64() {
            self.records /= 2.0;
            self.seconds /= 2.0;
            self.other /= 2.0;
        }
    }

    /// Notes that records waited for `time` while the worker did other things.
    pub(crate) fn record_other(&mut self, time: Duration) {
        self.other += time.as_secs_f64();
    }

    /// The share of the time that is useful while records wait.
    pub(crate) fn useful_share(&self) -> f64 {
        if self.seconds > 0.0 { self.seconds / (self.seconds + self.other) } else { 1.0 }
    }

    /// Records a second, once there were some.
    pub(crate) fn get(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.records / self.seconds)
    }

    /// How many records fit into `time`: at least one, and few while the rate is not known.
    pub(crate) fn records_within(&self, time: Duration) -> usize {
        const UNKNOWN: usize = 16;
        self.get().map_or(UNKNOWN, |rate| ((rate * time.as_secs_f64()) as usize).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_work_is_seen_within_a_few_slices() {
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
