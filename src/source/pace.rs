//! The epochs, due times and number of events.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
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

/// How fast a schedule is played. It changes neither the epochs nor the times of events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// This many times as fast as the schedule says.
    Times(f64),
    /// As fast as records are taken. Then no event has to wait, and none is late.
    Max,
}

impl Speed {
    /// As the schedule says.
    pub const REAL_TIME: Speed = Speed::Times(1.0);

    /// Returns the time that a duration of the schedule takes. None if that is not known.
    pub fn wall(self, duration: Duration) -> Option<Duration> {
        match self {
            Speed::REAL_TIME => Some(duration),
            Speed::Times(speed) => Some(duration.div_f64(speed)),
            Speed::Max => None,
        }
    }
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let speed = text.parse().ok().filter(|speed| (1e-3..=1e6).contains(speed));
        speed.map(Speed::Times).ok_or("expected max, or a number from 0.001 to 1000000, such as 10")
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Speed::Times(speed) => speed.fmt(f),
            Speed::Max => f.write_str("max"),
        }
    }
}

/// The numbers, epochs and times of a run's events. They are pure functions of the settings, so all workers
/// agree without communication.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: Rate,
    speed: Speed,
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
        Pace { rate, speed: Speed::REAL_TIME, end, stop_at }
    }

    /// Plays the schedule at this speed.
    pub fn at_speed(self, speed: Speed) -> Self {
        Pace { speed, ..self }
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
        self.schedule().is_some() && self.speed != Speed::Max
    }

    /// Returns when event `n` is due. `None` if there is no such event, or if events have no due times.
    pub fn due(&self, n: u64) -> Option<Nanos> {
        let due = self.schedule()?.time(n)?;
        match self.speed {
            Speed::REAL_TIME => Some(due),
            Speed::Times(speed) => Some((due as f64 / speed) as Nanos),
            Speed::Max => None,
        }
    }

    /// Returns how many events are due by `now`.
    pub fn due_by(&self, now: Nanos) -> u64 {
        let due = match (self.schedule(), self.speed) {
            (Some(schedule), Speed::REAL_TIME) => schedule.count(now.saturating_add(1)),
            (Some(schedule), Speed::Times(speed)) => {
                schedule.count((now.saturating_add(1) as f64 * speed) as Nanos)
            }
            (_, Speed::Max) | (None, _) => u64::MAX,
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
        match self.schedule().filter(|_| self.is_scheduled()) {
            Some(schedule) => {
                let most = (range.end - range.start) as usize;
                range.start + (schedule.run(range.start, most) as u64).max(1)
            }
            None => range.end,
        }
    }
}

/// Returns the schedule of event times where events have none: the reference generator's 10,000 events a
/// second.
pub fn nominal() -> Arc<Schedule> {
    let schedule = Schedule::new(Shape::Constant, 10_000.0, 10_000.0, 0);
    Arc::new(schedule.expect("a constant rate above 0 is a schedule"))
}
