//! Which event comes when: ids and event times by event number.

use std::sync::Arc;

use super::config::Config;
use crate::batch::Nanos;
use crate::schedule::{Cursor, Schedule};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// What an event's number alone decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Its id, which decides what it is.
    pub(super) id: u64,
    /// Its number in the whole stream, with `first_event_number`, after shuffling.
    pub(super) number: u64,
    /// Its event time in Unix milliseconds, where nothing delays it.
    pub(super) time: u64,
}

/// The ids and times of a stream's events.
#[derive(Debug)]
pub(super) struct Timeline {
    schedule: Arc<Schedule>,
    first_number: u64,
    first_id: u64,
    /// Events in a group that is shuffled; 1 shuffles nothing.
    group: u64,
    base_time: u64,
}

impl Timeline {
    pub(super) fn new(config: &Config, schedule: Arc<Schedule>) -> Timeline {
        Timeline {
            schedule,
            first_number: config.first_event_number,
            first_id: config.first_event_id,
            group: config.out_of_order_group_size,
            base_time: config.base_time,
        }
    }

    /// When event `n` is due to leave the source; at the end where that is past the end.
    pub(super) fn due(&self, n: u64) -> Nanos {
        self.schedule.time(n).unwrap_or_else(|| self.end())
    }

    /// The event time of the event with this number in the whole stream, in Unix milliseconds.
    pub(super) fn time(&self, number: u64) -> u64 {
        self.millis(self.due(number))
    }

    /// Whether ids increase by one from each event to the next.
    pub(super) fn is_in_order(&self) -> bool {
        self.group == 1
    }

    /// Event `n` by itself.
    pub(super) fn moment(&self, n: u64) -> Moment {
        let number = self.shuffled(n + self.first_number);
        Moment { id: self.first_id + number, number, time: self.time(number) }
    }

    /// All events from `n` on.
    pub(super) fn moments(&self, n: u64) -> Moments<'_> {
        let next = n + self.first_number;
        Moments { timeline: self, next, cursor: self.schedule.cursor(next) }
    }

    /// The reference's shuffle. Each group stays complete because 953 is a prime; where the group
    /// is a multiple of it, the reference repeats events, and so does this.
    fn shuffled(&self, number: u64) -> u64 {
        let within = number % self.group;
        // (n · 953) mod g, of the small remainder instead of the whole number.
        number - within + (number % self.group * 953) % self.group
    }

    /// Event time stands at the end of a trace for events past it, which only shuffling and
    /// `first_event_number` can ask for.
    #[cold]
    fn end(&self) -> Nanos {
        self.schedule.end().unwrap_or(Nanos::MAX)
    }

    #[inline]
    fn millis(&self, due: Nanos) -> u64 {
        self.base_time + due / NANOS_PER_MILLI
    }
}

/// Consecutive events' moments.
pub(super) struct Moments<'t> {
    timeline: &'t Timeline,
    next: u64,
    cursor: Cursor<'t>,
}

impl Moments<'_> {
    /// The next event's.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Moment {
        let (timeline, number) = (self.timeline, self.next);
        self.next += 1;
        if !timeline.is_in_order() {
            return timeline.moment(number - timeline.first_number);
        }
        let due = self.cursor.next().unwrap_or_else(|| timeline.end());
        Moment { id: timeline.first_id + number, number, time: timeline.millis(due) }
    }
}
