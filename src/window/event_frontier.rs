//! The event-time frontier: what the event times of a stream say about those that are still to come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::merge::{Count, Intervals, Merge as _};

/// Which event times are accepted: how far behind the latest one, and how far ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// How long a window waits for records that are out of order: a record may be this much earlier than the latest one
    /// of the epochs before its own. A window emits once, as much later. Too little makes records late, which are then in
    /// no window; too much delays all results.
    pub allowed: Duration,
    /// A record that is this far ahead of all others, or further, is not believed: it closes no window, and is late. The
    /// event times of most records of an epoch are always believed, because a stream may have paused.
    pub max_ahead: Duration,
}

/// Windows wait for no record of a later epoch, and a clock that is a day ahead is not believed.
impl Default for Lateness {
    fn default() -> Self {
        Lateness { allowed: Duration::ZERO, max_ahead: Duration::from_secs(24 * 3_600) }
    }
}

/// The event times of an epoch: intervals of times that are less than [`Lateness::max_ahead`] apart, and how many records
/// each has.
pub(crate) type Times = Intervals<Count>;

/// The event-time frontier after an epoch. It depends on the event times of whole epochs alone, so it is the same on
/// all workers and in all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventFrontier {
    allowed: i64,
    ahead: i64,
    /// The latest event time that is believed. None before the first record.
    pub latest: Option<i64>,
    /// The last epoch that has a record.
    pub last_epoch: Option<u64>,
    /// The time up to which the end of the input has closed windows, if it has ended.
    ended: Option<i64>,
}

impl EventFrontier {
    pub(crate) fn new(lateness: Lateness) -> Self {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (allowed, ahead) = (millis(lateness.allowed), millis(lateness.max_ahead).max(1));
        EventFrontier { allowed, ahead, ..EventFrontier::default() }
    }

    /// Returns the event times of a record.
    pub(crate) fn times(&self) -> Times {
        Times::new(self.ahead)
    }

    /// Returns the earliest event time that a record of a later epoch should have.
    pub(crate) fn time(&self) -> i64 {
        let passed = self.latest.map(|latest| latest.saturating_sub(self.allowed));
        passed.max(self.ended).unwrap_or(i64::MIN)
    }

    /// Whether a record of the epoch with this time is one of those that are believed.
    pub(crate) fn believes(&self, time: i64) -> bool {
        is_time(time) && (self.ahead == i64::MAX || self.latest.is_none_or(|latest| time <= latest))
    }

    /// Takes the event times of the next epoch that has records.
    pub(crate) fn advance(&mut self, epoch: u64, times: &Times) {
        self.last_epoch = Some(self.last_epoch.map_or(epoch, |last| last.max(epoch)));
        let all: u64 = times.iter().map(|(.., Count(records))| records).sum();
        let mut believed = 0;
        // Times that are close to the latest one, or before it.
        for (first, last, Count(records)) in times.iter() {
            let Some(latest) = self.latest else { break };
            if first.saturating_sub(latest) >= self.ahead {
                break;
            }
            self.latest = Some(latest.max(last));
            believed += records;
        }
        if believed * 2 < all || self.latest.is_none() {
            // Of equally many, the earlier ones.
            let most = times
                .iter()
                .max_by_key(|(first, _, Count(records))| (*records, std::cmp::Reverse(*first)));
            if let Some((_, last, _)) = most {
                self.latest = Some(self.latest.map_or(last, |latest| latest.max(last)));
            }
        }
    }

    /// Notes that records after `epoch` have at least this event time.
    pub(crate) fn reach(&mut self, epoch: u64, time: i64) {
        self.last_epoch = Some(self.last_epoch.map_or(epoch, |last| last.max(epoch)));
        self.latest = self.latest.max(Some(time));
    }

    /// Takes over what another worker, or a run before, has seen.
    pub(crate) fn restore(&mut self, seen: EventFrontier) {
        self.latest = self.latest.max(seen.latest);
        self.last_epoch = self.last_epoch.max(seen.last_epoch);
        self.ended = self.ended.max(seen.ended);
    }

    /// Notes that the input has ended. No window of the records so far ends later than `longest` after the latest of
    /// them. Returns whether that closes more than an end before this one.
    pub(crate) fn end(&mut self, longest: i64) -> bool {
        let ended = self.latest.map(|latest| latest.saturating_add(longest));
        let is_later = ended > self.ended;
        self.ended = self.ended.max(ended);
        is_later
    }
}

impl Times {
    /// Adds the event times of records.
    pub(crate) fn add_all(&mut self, times: impl Iterator<Item = i64> + Clone) {
        let (mut first, mut last, mut records) = (i64::MAX, i64::MIN, 0);
        for time in times.clone() {
            (first, last) = (first.min(time), last.max(time));
            records += 1;
        }
        if records == 0 {
            return;
        }
        // Times that are all close to each other are one interval, as they nearly always are.
        if is_time(first) && is_time(last) && last - first < self.gap() {
            self.merge(Intervals::between(self.gap(), first, last, Count(records)));
        } else {
            times.filter(|time| is_time(*time)).for_each(|time| self.add(time, Count(1)));
        }
    }
}

/// Whether this is a time that sums of times can be computed with: some 70 million years around 1970.
fn is_time(time: i64) -> bool {
    time.unsigned_abs() < 1 << 61
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000;

    fn frontier(epochs: &[&[i64]]) -> EventFrontier {
        let allowed = Duration::from_millis(10);
        let mut frontier = EventFrontier::new(Lateness { allowed, ..Lateness::default() });
        for (epoch, records) in epochs.iter().enumerate() {
            let mut times = frontier.times();
            times.add_all(records.iter().copied());
            frontier.advance(epoch as u64, &times);
        }
        frontier
    }

    #[test]
    fn the_frontier_is_the_latest_time_less_what_may_come_late() {
        assert_eq!(frontier(&[]).time(), i64::MIN);
        assert_eq!(frontier(&[&[100, 70]]).time(), 90);
        assert_eq!(frontier(&[&[100], &[50]]).time(), 90, "it does not go back");
        assert_eq!(frontier(&[&[-5]]).time(), -15, "before 1970");
    }

    #[test]
    fn a_single_clock_that_is_wrong_by_years_moves_nothing() {
        for wrong in [1_000 * DAY, i64::MAX] {
            let moved = frontier(&[&[1, 2, 3], &[4, wrong, 5]]);
            assert_eq!(
                (moved.latest, moved.believes(wrong), moved.believes(5)),
                (Some(5), false, true)
            );
            let first = frontier(&[&[1, 2, wrong, 3]]);
            assert_eq!(first.latest, Some(3), "it is not believed in the first epoch");
        }
        let early = frontier(&[&[i64::MIN, 10 * DAY, 10 * DAY + 1]]);
        assert_eq!(early.latest, Some(10 * DAY + 1));
    }

    #[test]
    fn a_stream_that_pauses_for_a_week_goes_on() {
        let moved = frontier(&[&[1, 2, 3], &[7 * DAY, 7 * DAY + 1, 4]]);
        assert_eq!(moved.latest, Some(7 * DAY + 1));
    }
}
