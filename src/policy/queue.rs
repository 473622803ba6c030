//! The queue of the records that a worker has not begun.

use std::collections::VecDeque;
use std::ops::Range;

use crate::batch::{Nanos, Span};

/// Waiting records of one container, as a policy sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the container in order of arrival. Two entries have the same number if a range between them
    /// was taken.
    pub seq: u64,
    /// Positions in the container of the waiting records.
    pub range: Range<usize>,
    /// When the container arrived at the operator.
    pub arrival: Nanos,
    /// When the source was scheduled to emit the records of `range`.
    pub scheduled: Span,
    /// When the last result of `range` is due.
    pub due: Nanos,
    /// Whether the records were sent and then returned. Such records are computed by this worker.
    pub returned: bool,
}

impl Entry {
    /// Returns the number of waiting records.
    pub fn records(&self) -> usize {
        self.range.len()
    }

    /// Returns the entry restricted to `range`.
    pub fn slice(&self, range: Range<usize>) -> Entry {
        let offset = self.range.start;
        let within = range.start - offset..range.end - offset;
        let scheduled = self.scheduled.slice(&within, self.records());
        let due = scheduled.last + (self.due.saturating_sub(self.scheduled.last));
        Entry { range, scheduled, due, ..self.clone() }
    }
}

/// A range of an entry that a policy sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Index of the entry, counted from the front of the queue.
    pub entry: usize,
    /// Positions in the container, within [`Entry::range`].
    pub range: Range<usize>,
    /// Where the records are sent.
    pub to: Destination,
}

/// Where records are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To an idle worker of the same process.
    Peer,
    /// To a warm environment of the remote side, because after a cold start the results would be later than
    /// the worker's.
    Warm,
    /// To any environment of the remote side.
    Remote,
}

/// Records that were taken out of the queue, with their container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken<P> {
    /// The taken part of the entry.
    pub entry: Entry,
    /// The container.
    pub payload: P,
    /// Where a plan sends the records. None if no plan took them.
    pub to: Option<Destination>,
}

/// A worker's queue: the records that it has not begun, those that are due first at the front. Each container has a payload `P`,
/// which policies do not see. The operator's payload is the batch and its epoch; a simulator's is empty.
#[derive(Debug)]
pub struct Queue<P> {
    entries: VecDeque<Entry>,
    payloads: VecDeque<P>,
    records: usize,
    next_seq: u64,
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Queue { entries: VecDeque::new(), payloads: VecDeque::new(), records: 0, next_seq: 0 }
    }
}

impl<P: Clone> Queue<P> {
    /// Returns the entries, the oldest first, as the two slices of the deque.
    pub fn entries(&self) -> [&[Entry]; 2] {
        let (front, back) = self.entries.as_slices();
        [front, back]
    }

    /// Returns the number of waiting records.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Returns the number of records in the returned entries at the front of the queue.
    pub fn returned_records(&self) -> usize {
        self.entries.iter().take_while(|entry| entry.returned).map(Entry::records).sum()
    }

    /// Returns whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds the records of a container that arrived at `arrival`, behind those that are due earlier. `slack` is the time from the schedule of
    /// its last record to the due time of that record's result.
    pub fn push(
        &mut self,
        range: Range<usize>,
        arrival: Nanos,
        scheduled: Span,
        slack: Nanos,
        payload: P,
    ) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.records += range.len();
        let due = scheduled.last.saturating_add(slack);
        // Results of an earlier stage that were computed remotely may arrive before those of older records.
        let later = |entry: &&Entry| entry.due > due && !entry.returned;
        let index = self.entries.len() - self.entries.iter().rev().take_while(later).count();
        let entry = Entry { seq, range, arrival, scheduled, due, returned: false };
        self.entries.insert(index, entry);
        self.payloads.insert(index, payload);
    }

    /// Puts returned records back at the front, because they are the oldest. This worker computes them.
    pub fn put_returned(&mut self, mut entry: Entry, range: Range<usize>, payload: P) {
        self.records += range.len();
        entry = entry.slice(range);
        entry.returned = true;
        self.entries.push_front(entry);
        self.payloads.push_front(payload);
    }

    /// Puts records that were taken and could not be sent back at the front. The last ones are put back
    /// first.
    pub fn put_back(&mut self, entry: Entry, payload: P) {
        self.records += entry.records();
        self.entries.push_front(entry);
        self.payloads.push_front(payload);
    }

    /// Returns the front entry and its payload.
    pub fn front(&self) -> Option<(&Entry, &P)> {
        self.entries.front().zip(self.payloads.front())
    }

    /// Takes up to `records` records from the front entry.
    pub fn take_front(&mut self, records: usize) -> Option<Taken<P>> {
        let entry = self.entries.front()?;
        let range = entry.range.start..entry.range.end.min(entry.range.start + records);
        Some(self.take(0, range, None))
    }

    /// Takes the ranges that a plan named. `takes` is in rising order, and each range lies within its entry.
    /// `each` receives the taken records from the last to the first.
    pub fn take_all(&mut self, takes: &mut Vec<Take>, mut each: impl FnMut(Taken<P>)) {
        while let Some(take) = takes.pop() {
            each(self.take(take.entry, take.range, Some(take.to)));
        }
    }

    fn take(&mut self, index: usize, range: Range<usize>, to: Option<Destination>) -> Taken<P> {
        let entry = &mut self.entries[index];
        let Range { start, end } = entry.range;
        debug_assert!(start <= range.start && range.start <= range.end && range.end <= end);
        self.records -= range.len();
        let taken = entry.slice(range.clone());
        if range.start == start && range.end == end {
            // The index is valid: the entry was just read.
            let entry = self.entries.remove(index).unwrap_or_else(|| taken.clone());
            let payload = self.payloads.remove(index);
            let payload = payload.expect("a payload for every entry");
            return Taken { entry, payload, to };
        }
        let payload = self.payloads[index].clone();
        if range.start == start {
            *entry = entry.slice(range.end..end);
        } else {
            let rest = entry.slice(range.end..end);
            *entry = entry.slice(start..range.start);
            if !rest.range.is_empty() {
                self.entries.insert(index + 1, rest);
                self.payloads.insert(index + 1, payload.clone());
            }
        }
        Taken { entry: taken, payload, to }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every record leaves the queue exactly once, with its own container and due time, however the queue
        /// is split.
        #[test]
        fn every_record_leaves_the_queue_exactly_once(
            containers in prop::collection::vec(1usize..50, 1..20),
            choices in prop::collection::vec((0usize..8, 0usize..60, 0usize..60), 0..80),
        ) {
            let mut queue = Queue::default();
            for (container, &records) in containers.iter().enumerate() {
                let first = container as u64 * 1_000;
                let span = Span { first, last: first + records as u64 - 1 };
                queue.push(0..records, first, span, 200, container);
            }
            let total: usize = containers.iter().sum();
            let mut seen = std::collections::HashSet::new();
            let note = |seen: &mut std::collections::HashSet<_>, taken: Taken<usize>| {
                for (offset, position) in taken.entry.range.clone().enumerate() {
                    assert!(seen.insert((taken.payload, position)));
                    let time = taken.entry.scheduled.time(offset, taken.entry.records());
                    assert_eq!(time, taken.payload as u64 * 1_000 + position as u64);
                }
                assert_eq!(taken.entry.due, taken.entry.scheduled.last + 200);
            };
            let mut away = Vec::new();
            let mut left = total;
            for (kind, a, b) in choices {
                if queue.is_empty() { break; }
                if kind == 0 {
                    if let Some(taken) = queue.take_front(a + 1) {
                        left -= taken.entry.records();
                        note(&mut seen, taken);
                    }
                } else if kind == 1 && !away.is_empty() {
                    let Taken { entry, payload, .. }: Taken<usize> = away.remove(a % away.len());
                    let range = entry.range.clone();
                    left += range.len();
                    queue.put_returned(entry, range, payload);
                } else {
                    let [front, back] = queue.entries();
                    let entry = a % (front.len() + back.len());
                    let of = front.iter().chain(back).nth(entry).unwrap().range.clone();
                    let start = of.start + b % of.len();
                    let end = start + 1 + a % (of.end - start);
                    let mut takes = vec![Take { entry, range: start..end, to: Destination::Remote }];
                    queue.take_all(&mut takes, |taken| away.push(taken));
                    left -= end - start;
                }
                prop_assert_eq!(queue.records(), left);
            }
            while let Some(taken) = queue.take_front(7) { note(&mut seen, taken); }
            away.into_iter().for_each(|taken| { note(&mut seen, taken); });
            prop_assert_eq!(seen.len(), total);
            prop_assert_eq!(queue.records(), 0);
        }
    }
}
