//! The epochs, due times and number of events.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::Nanos;
use crate::schedule::{Schedule, Shape};

/// The rate of events.
#[derive(Clone, Debug)]
pub enum Rate {
    /// The rate of a schedule. An epoch has this length.
    Scheduled(Arc<Schedule>, Duration),
    /// As fast as possible. An epoch has this many events.
    Max(u64),
}

/// The numbers, epochs and times of a run's events. They are pure functions of the settings, so all workers
/// agree without communication.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: Rate,
    /// The number of events, if it is known before the run.
    end: Option<u64>,
    /// The time to stop at, under [`Rate::Max`].
    stop_at: Option<Nanos>,
}

impl Pace {
    /// Creates a pace at `rate`, up to `events` events or those of `duration`, whichever ends first.
    pub fn new(rate: Rate, events: Option<u64>, duration: Option<Duration>) -> Self {
        let duration = duration.map(|duration| duration.as_nanos() as Nanos);
        let (scheduled, stop_at) = match &rate {
            Rate::Scheduled(schedule, _) => {
                let end = match (duration, schedule.end()) {
                    (Some(duration), Some(end)) => Some(duration.min(end)),
                    (one, other) => one.or(other),
                };
                (end.map(|end| schedule.count(end)), None)
            }
            Rate::Max(_) => (None, duration),
        };
        let end = match (events, scheduled) {
            (Some(events), Some(scheduled)) => Some(events.min(scheduled)),
            (one, other) => one.or(other),
        };
        Pace { rate, end, stop_at }
    }

    /// Returns the schedule of the events, if they have one.
    pub fn schedule(&self) -> Option<&Arc<Schedule>> {
        match &self.rate {
            Rate::Scheduled(schedule, _) => Some(schedule),
            Rate::Max(_) => None,
        }
    }

    /// Returns the number of events, if it is known before the run.
    pub fn end(&self) -> Option<u64> {
        self.end
    }

    /// Returns the time at which the run ends, if it does not depend on the number of events.
    pub fn stop_at(&self) -> Option<Nanos> {
        self.stop_at
    }

    /// Whether the run's time is over at `now`. Under a schedule, the number of events decides instead.
    pub fn is_over(&self, now: Nanos) -> bool {
        self.stop_at.is_some_and(|stop| now >= stop)
    }

    /// Whether events have due times.
    pub fn is_scheduled(&self) -> bool {
        matches!(self.rate, Rate::Scheduled(..))
    }

    /// Returns the nominal length of an epoch.
    pub fn epoch_length(&self) -> Option<Duration> {
        match self.rate {
            Rate::Scheduled(_, epoch) => Some(epoch),
            Rate::Max(_) => None,
        }
    }

    /// Returns when event `n` is due. `None` if there is no such event or no schedule.
    pub fn due(&self, n: u64) -> Option<Nanos> {
        match &self.rate {
            Rate::Scheduled(schedule, _) => schedule.time(n),
            Rate::Max(_) => None,
        }
    }

    /// Returns how many events are due by `now`.
    pub fn due_by(&self, now: Nanos) -> u64 {
        let due = match &self.rate {
            Rate::Scheduled(schedule, _) => schedule.count(now.saturating_add(1)),
            Rate::Max(_) => u64::MAX,
        };
        due.min(self.end.unwrap_or(u64::MAX))
    }

    /// Returns the epoch of event `n`, and the first event after that epoch.
    pub fn epoch(&self, n: u64) -> (u64, u64) {
        match &self.rate {
            Rate::Scheduled(schedule, length) => {
                let length = (length.as_nanos() as Nanos).max(1);
                let time = schedule.time(n).unwrap_or(Nanos::MAX);
                let epoch = time / length;
                (epoch, schedule.count((epoch + 1).saturating_mul(length)).max(n.saturating_add(1)))
            }
            Rate::Max(events) => (n / events, (n / events + 1).saturating_mul(*events)),
        }
    }

    /// Returns the first event that is not in an epoch before `epoch`.
    pub fn first(&self, epoch: u64) -> u64 {
        let first = match &self.rate {
            Rate::Scheduled(schedule, length) => {
                let length = (length.as_nanos() as Nanos).max(1);
                schedule.count(epoch.saturating_mul(length))
            }
            Rate::Max(events) => epoch.saturating_mul(*events),
        };
        first.min(self.end.unwrap_or(u64::MAX))
    }

    /// Returns the end of the events that are due within a millisecond of event `n`, evenly spread, and may
    /// leave as one batch. Without a schedule there is no such end.
    pub fn moment(&self, n: u64) -> u64 {
        const MOMENT: Nanos = 1_000_000;
        match self.due(n) {
            Some(due) => {
                let end = self.due_by(due + MOMENT).max(n + 1);
                self.even(&(n..end))
            }
            None => u64::MAX,
        }
    }

    /// Returns the end of the longest prefix of `range` whose events are evenly spread in time.
    pub fn even(&self, range: &Range<u64>) -> u64 {
        match &self.rate {
            Rate::Scheduled(schedule, _) => {
                let most = (range.end - range.start) as usize;
                range.start + (schedule.run(range.start, most) as u64).max(1)
            }
            Rate::Max(_) => range.end,
        }
    }
}

/// Returns the schedule of event times where events have none: the reference generator's 10,000 events a
/// second.
pub fn nominal() -> Arc<Schedule> {
    let schedule = Schedule::new(Shape::Constant, 10_000.0, 10_000.0, 0);
    Arc::new(schedule.expect("a constant rate above 0 is a schedule"))
}
