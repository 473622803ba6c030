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
    /// Returns no interval. All that are merged have the same gap.
    pub fn new(gap: i64) -> Self {
        Intervals { gap, parts: Vec::new() }
    }

    /// Returns the interval of one instant.
    pub fn of(gap: i64, time: i64, value: V) -> Self {
        Intervals::between(gap, time, time, value)
    }

    /// Returns an interval with its first and last time.
    pub fn between(gap: i64, first: i64, last: i64, value: V) -> Self {
        Intervals { gap, parts: vec![(first, last, value)] }
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

    /// Merges a single interval that lies within one of these: most of what comes does. Returns what does not.
    fn absorb(&mut self, mut other: Self) -> Option<Self> {
        if let [(first, last, _)] = other.parts[..] {
            let at = self.parts.partition_point(|(begin, _, _)| *begin <= first);
            if let Some((_, end, merged)) = at.checked_sub(1).map(|at| &mut self.parts[at])
                && last <= *end
                && let Some((_, _, value)) = other.parts.pop()
            {
                merged.merge(value);
                return None;
            }
        }
        Some(other)
    }
}

impl<V: Merge> Merge for Intervals<V> {
    fn merge(&mut self, other: Self) {
        let gap = self.gap.max(other.gap);
        let Some(other) = self.absorb(other) else { return };
        let mut sources = [std::mem::take(&mut self.parts), other.parts]
            .map(|parts| parts.into_iter().peekable());
        let mut parts: Vec<(i64, i64, V)> = Vec::new();
        loop {
            let first =
                |at: usize, sources: &mut [std::iter::Peekable<std::vec::IntoIter<_>>; 2]| {
                    sources[at].peek().map(|(first, _, _): &(i64, i64, V)| *first)
                };
            let from = match (first(0, &mut sources), first(1, &mut sources)) {
                (Some(a), Some(b)) => usize::from(b < a),
                (Some(_), None) => 0,
                (None, Some(_)) => 1,
                (None, None) => break,
            };
            let Some((first, last, value)) = sources[from].next() else { break };
            match parts.last_mut() {
                Some((_, end, merged)) if first.saturating_sub(*end) < gap => {
                    *end = last.max(*end);
                    merged.merge(value);
                }
                _ => parts.push((first, last, value)),
            }
        }
        *self = Intervals { gap, parts };
    }
}
