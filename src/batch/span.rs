//! The time in which the records of a batch were scheduled.

use std::ops::Range;

/// Nanoseconds since the instant at which the run started, the same in all workers.
pub type Nanos = u64;

/// The scheduled times of consecutive records: that of the first one and of the last one, with the others
/// evenly spread between them. A source ends its batches so that this holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first record's scheduled time.
    pub first: Nanos,
    /// The last record's scheduled time.
    pub last: Nanos,
}

impl Span {
    /// Creates the span of records that are all scheduled at one instant.
    pub fn at(instant: Nanos) -> Self {
        Span { first: instant, last: instant }
    }

    /// Returns the scheduled time of record `index` of `records`.
    pub fn time(&self, index: usize, records: usize) -> Nanos {
        if records < 2 || self.first == self.last {
            return self.first;
        }
        let width = u128::from(self.last.saturating_sub(self.first));
        self.first + (width * index as u128 / (records - 1) as u128) as Nanos
    }

    /// Returns how many of `records` records were scheduled before `instant`.
    pub fn before(&self, instant: Nanos, records: usize) -> usize {
        if instant > self.last {
            return records;
        }
        if instant <= self.first || records < 2 {
            return 0;
        }
        let width = u128::from(self.last - self.first);
        let passed = u128::from(instant - self.first) * (records - 1) as u128;
        passed.div_ceil(width) as usize
    }

    /// Returns how many of `records` records are late if their results are emitted at `now`. A result is due
    /// `slack` after its record's schedule.
    pub fn late(&self, now: Nanos, slack: Nanos, records: usize) -> usize {
        self.before(now.saturating_sub(slack), records)
    }

    /// Returns the span of `range` out of `records` records.
    pub fn slice(&self, range: &Range<usize>, records: usize) -> Span {
        Span {
            first: self.time(range.start, records),
            last: self.time(range.end.saturating_sub(1).max(range.start), records),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slice_of_a_span_keeps_the_times_of_its_records() {
        let span = Span { first: 100, last: 1_000 };
        assert_eq!(span.time(0, 10), 100);
        assert_eq!(span.time(9, 10), 1_000);
        let slice = span.slice(&(3..7), 10);
        assert_eq!(slice, Span { first: 400, last: 700 });
        assert_eq!(slice.time(2, 4), 600);
        assert_eq!(Span::at(5).slice(&(0..1), 1), Span::at(5));
        let before = |instant| span.before(instant, 10);
        assert_eq!([100, 101, 400, 401, 1_000, 1_001].map(before), [0, 1, 3, 4, 9, 10]);
        assert_eq!((Span::at(5).before(5, 3), Span::at(5).before(6, 3)), (0, 3));
        // A result that is made when it is due is in time.
        let late = |now| span.late(now, 1_000, 10);
        assert_eq!([0, 1_100, 1_101, 1_400, 2_000, 2_001].map(late), [0, 0, 1, 3, 9, 10]);
        assert_eq!(span.late(5_000, Nanos::MAX, 10), 0);
    }
}
