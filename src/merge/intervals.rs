//! Intervals of time that merge where they are close to each other.

use serde::{Deserialize, Serialize};

use super::Merge;

/// Intervals of time with a value each. Two of them become one when the second begins less than `gap` after the first
/// ends, so that what is left are the sessions of a key.
///
/// # Examples
/// ```
/// use floodway::merge::{Count, Intervals, Merge};
///
/// let mut visits = Intervals::of(10, 0, Count(1));
/// visits.merge(Intervals::of(10, 30, Count(1)));
/// visits.merge(Intervals::of(10, 9, Count(1)));
/// assert_eq!(visits.iter().collect::<Vec<_>>(), [(0, 9, &Count(2)), (30, 30, &Count(1))]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervals<V> {
    gap: i64,
    /// First and last time of each interval and its value, in order and at least `gap` apart.
    parts: Vec<(i64, i64, V)>,
}

impl<V: Merge> Intervals<V> {
    /// Returns no interval. All that are merged have the same gap, which is at least 1: what happens at one instant is one
    /// interval.
    pub fn new(gap: i64) -> Self {
        Intervals { gap: gap.max(1), parts: Vec::new() }
    }

    /// Returns the interval of one instant.
    pub fn of(gap: i64, time: i64, value: V) -> Self {
        Intervals::between(gap, time, time, value)
    }

    /// Returns an interval with its first and last time.
    pub fn between(gap: i64, first: i64, last: i64, value: V) -> Self {
        Intervals { gap: gap.max(1), parts: vec![(first, last, value)] }
    }

    /// Merges the value of one instant.
    pub fn add(&mut self, time: i64, value: V) {
        self.insert((time, time, value));
    }

    /// Returns the time from which on intervals are apart.
    pub(crate) fn gap(&self) -> i64 {
        self.gap
    }

    /// Iterates over the first and the last time of each interval and its value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64, &V)> {
        self.parts.iter().map(|(first, last, value)| (*first, *last, value))
    }

    /// Removes the intervals for which `is_over` of their last time holds, and returns them in order. They must be the
    /// earliest ones.
    pub(crate) fn take_while(&mut self, is_over: impl Fn(i64) -> bool) -> Vec<(i64, i64, V)> {
        let over = self.parts.partition_point(|(_, last, _)| is_over(*last));
        self.parts.drain(..over).collect()
    }
}

/// From how many intervals on all are gone through once, and not inserted one by one.
const MANY: usize = 8;

impl<V: Merge> Merge for Intervals<V> {
    fn merge(&mut self, mut other: Self) {
        self.gap = self.gap.max(other.gap);
        if other.parts.len() > self.parts.len() {
            std::mem::swap(&mut self.parts, &mut other.parts);
        }
        if other.parts.len() < MANY {
            other.parts.into_iter().for_each(|part| self.insert(part));
            return;
        }
        let mut parts = std::mem::take(&mut self.parts);
        parts.append(&mut other.parts);
        // It merges the two runs.
        parts.sort_by_key(|(first, _, _)| *first);
        for (first, last, value) in parts {
            match self.parts.last_mut() {
                Some((_, end, merged)) if first.saturating_sub(*end) < self.gap => {
                    *end = last.max(*end);
                    merged.merge(value);
                }
                _ => self.parts.push((first, last, value)),
            }
        }
    }
}

impl<V: Merge> Intervals<V> {
    /// Inserts an interval, and merges it with those that are close to it.
    fn insert(&mut self, (first, last, mut value): (i64, i64, V)) {
        let gap = self.gap;
        let from = self.parts.partition_point(|(_, end, _)| first.saturating_sub(*end) >= gap);
        let close = |(begin, _, _): &(i64, i64, V)| begin.saturating_sub(last) < gap;
        let until = from + self.parts[from..].partition_point(close);
        if from == until {
            self.parts.insert(from, (first, last, value));
            return;
        }
        let last = last.max(self.parts[until - 1].1);
        for (_, _, merged) in self.parts.drain(from + 1..until) {
            value.merge(merged);
        }
        let part = &mut self.parts[from];
        (part.0, part.1) = (first.min(part.0), last);
        part.2.merge(value);
    }
}
