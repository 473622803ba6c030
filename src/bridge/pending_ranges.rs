//! The records of a work item that have no result yet.

use std::ops::Range;
use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// The pending records of a work item. Whoever takes a record out provides its result: the bridge when a
/// response arrives or when it returns records, or the worker when it computes a late record itself. So the
/// first one wins, and every record has exactly one result.
///
/// The lock is held only while records are taken.
#[derive(Debug)]
pub struct PendingRanges(Mutex<Vec<Range<usize>>>);

impl PendingRanges {
    /// Creates the set of all records of `range`.
    pub fn new(range: Range<usize>) -> Self {
        PendingRanges(Mutex::new(if range.is_empty() { Vec::new() } else { vec![range] }))
    }

    fn ranges(&self) -> MutexGuard<'_, Vec<Range<usize>>> {
        // The ranges are consistent even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the pending records of `range`, in order.
    pub fn take(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut ranges = self.ranges();
        if ranges.len() == 1 && ranges[0] == *range {
            return std::mem::take(&mut *ranges);
        }
        let mut taken = Vec::new();
        let mut left = Vec::with_capacity(ranges.len() + 1);
        for open in ranges.drain(..) {
            let start = open.start.clamp(range.start, range.end);
            let end = open.end.clamp(range.start, range.end);
            if start >= end {
                left.push(open);
                continue;
            }
            taken.push(start..end);
            left.extend([open.start..start, end..open.end].into_iter().filter(|r| !r.is_empty()));
        }
        *ranges = left;
        taken
    }

    /// Takes up to `records` records from the front.
    pub fn take_front(&self, records: usize) -> Option<Range<usize>> {
        let mut ranges = self.ranges();
        let first = ranges.first_mut()?;
        let taken = first.start..first.end.min(first.start + records);
        first.start = taken.end;
        if first.start == first.end {
            ranges.remove(0);
        }
        Some(taken)
    }

    /// Returns whether any record of `range` is pending.
    pub fn any(&self, range: &Range<usize>) -> bool {
        self.ranges().iter().any(|open| open.start.max(range.start) < open.end.min(range.end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever takes which ranges, every record is taken at most once, and those that remain at the end
        /// were not taken.
        #[test]
        fn every_record_is_taken_at_most_once(
            records in 0..200_usize,
            asks in prop::collection::vec((any::<bool>(), 0..220_usize, 0..120_usize), 0..40),
        ) {
            let open = PendingRanges::new(0..records);
            let mut taken = vec![false; records];
            for (front, start, len) in asks {
                let ranges = if front {
                    open.take_front(len + 1).into_iter().collect()
                } else {
                    let asked = start..start + len;
                    let there = open.any(&asked);
                    let ranges = open.take(&asked);
                    prop_assert_eq!(there, !ranges.is_empty());
                    prop_assert!(!open.any(&asked));
                    prop_assert!(ranges.iter().all(|r| asked.start <= r.start && r.end <= asked.end));
                    ranges
                };
                prop_assert!(ranges.is_sorted_by_key(|range| range.start));
                for at in ranges.into_iter().flatten() {
                    prop_assert!(!std::mem::replace(&mut taken[at], true), "{} twice", at);
                }
            }
            for at in open.take(&(0..records)).into_iter().flatten() {
                prop_assert!(!std::mem::replace(&mut taken[at], true));
            }
            prop_assert!(taken.iter().all(|taken| *taken));
        }
    }
}
