//! The ids and the event times of events, by their numbers.

use std::sync::Arc;

use super::config::Config;
use crate::batch::Nanos;
use crate::schedule::{Cursor, Schedule};

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The values that the number of an event decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The id, which decides the content of the event.
    pub(super) id: u64,
    /// The number in the whole stream, which begins before `first_event_number`, after shuffling.
    pub(super) number: u64,
    /// The event time in Unix milliseconds, without a delay.
    pub(super) time: u64,
}

/// The ids and times of the events of a stream.
#[derive(Debug)]
pub(super) struct Timeline {
    schedule: Arc<Schedule>,
    first_number: u64,
    first_id: u64,
    /// The number of events in a group that is shuffled. 1 means that nothing is shuffled.
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

    /// Returns when event `n` is due to leave the source. That is the end of the schedule if the event is past it.
    pub(super) fn due(&self, n: u64) -> Nanos {
        self.schedule.time(n).unwrap_or_else(|| self.end())
    }

    /// Returns the event time of the event with this number in the whole stream, in Unix milliseconds.
    pub(super) fn time(&self, number: u64) -> u64 {
        self.millis(self.due(number))
    }

    /// Returns the earliest event time of event `n` and all later ones, without a delay: that of the first event of its
    /// group.
    pub(super) fn earliest_from(&self, n: u64) -> u64 {
        let number = n + self.first_number;
        self.time(number - number % self.group)
    }

    /// Whether ids increase by one from each event to the next.
    pub(super) fn is_in_order(&self) -> bool {
        self.group == 1
    }

    /// Returns the moment of event `n`.
    pub(super) fn moment(&self, n: u64) -> Moment {
        let number = self.shuffled(n + self.first_number);
        Moment { id: self.first_id + number, number, time: self.time(number) }
    }

    /// Returns the moments of all events from `n` on.
    pub(super) fn moments(&self, n: u64) -> Moments<'_> {
        let next = n + self.first_number;
        Moments { timeline: self, next, cursor: self.schedule.cursor(next) }
    }

    /// Shuffles a number as the reference does. No event of a group is lost, because 953 is a prime. If the size of the
    /// group is a multiple of 953, the reference repeats events, and so does this.
    fn shuffled(&self, number: u64) -> u64 {
        let within = number % self.group;
        // This is (n · 953) mod g, computed from the small remainder instead of the whole number.
        number - within + (number % self.group * 953) % self.group
    }

    /// Returns the event time of events past the end of a trace. There are such events only with shuffling and
    /// `first_event_number`.
    #[cold]
    fn end(&self) -> Nanos {
        self.schedule.end().unwrap_or(Nanos::MAX)
    }

    #[inline]
    fn millis(&self, due: Nanos) -> u64 {
        self.base_time + due / NANOS_PER_MILLI
    }
}

/// The moments of consecutive events.
pub(super) struct Moments<'t> {
    timeline: &'t Timeline,
    next: u64,
    cursor: Cursor<'t>,
}

impl Moments<'_> {
    /// Returns the moment of the next event.
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
