//! The times of a schedule's bursts.

use std::sync::Arc;

use super::Schedule;
use crate::batch::Nanos;

/// The times at which the rate of a schedule is above the mean of its lowest and its highest rate. The latencies of the
/// records that are due then are also counted by themselves, so that quiet times do not hide them.
#[derive(Clone, Debug)]
pub struct BurstWindow {
    schedule: Arc<Schedule>,
    above: f64,
}

impl BurstWindow {
    /// Returns the bursts of a schedule. None if its rate does not change.
    pub fn of(schedule: &Arc<Schedule>) -> Option<BurstWindow> {
        let (lowest, highest) = schedule.extremes();
        let window =
            BurstWindow { schedule: Arc::clone(schedule), above: (lowest + highest) / 2.0 };
        (lowest < highest).then_some(window)
    }

    /// Whether a record that is due at `time` is due in a burst.
    pub fn contains(&self, time: Nanos) -> bool {
        self.schedule.rate(time) > self.above
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Shape;

    const SECOND: Nanos = 1_000_000_000;

    fn window(shape: Shape) -> Option<BurstWindow> {
        let schedule = Schedule::new(shape, 100.0, 1_000.0, 10 * SECOND).unwrap();
        BurstWindow::of(&Arc::new(schedule))
    }

    /// Returns how many of 20 seconds are in a burst, to a hundredth of a second.
    fn seconds(shape: Shape) -> f64 {
        let window = window(shape).unwrap();
        (0..2_000).filter(|at| window.contains(at * SECOND / 100)).count() as f64 / 100.0
    }

    #[test]
    fn the_burst_is_where_the_rate_is_high() {
        assert!(window(Shape::Constant).is_none());
        let spike = window(Shape::Spike).unwrap();
        let at = |ms: u64| spike.contains(ms * SECOND / 1_000);
        assert_eq!(
            [0, 999, 1_000, 1_999, 2_000, 11_500].map(at),
            [false, false, true, true, false, true]
        );
        assert_eq!(seconds(Shape::Spike), 2.0);
        assert_eq!((seconds(Shape::Square), seconds(Shape::Step)), (10.0, 10.0));
        assert!((seconds(Shape::Sine) - 10.0).abs() < 0.1, "{}", seconds(Shape::Sine));
        let trace = "0,50\n4,800\n5,10\n20,10\n".parse().unwrap();
        assert_eq!(seconds(Shape::Trace(trace)), 1.0);
    }
}
