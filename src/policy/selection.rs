//! What several policies share: taking a whole entry, and finding undecided entries.

use super::{Destination, Entry, Take};

/// Takes the whole entry, or as much of it as there is room for. Returns whether there is more room.
pub(super) fn take_all(
    index: usize,
    entry: &Entry,
    room: &mut usize,
    to: Destination,
    takes: &mut Vec<Take>,
) -> bool {
    let records = entry.records().min(*room);
    if records > 0 {
        let range = entry.range.start..entry.range.start + records;
        takes.push(Take { entry: index, range, to });
        *room -= records;
    }
    *room > 0
}

/// Finds the entries that a policy has not decided about, for policies that decide once about each entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Undecided {
    /// The policy has decided about all entries with a lower number, except for those in `skipped`.
    next_seq: u64,
    /// Numbers of undecided entries that waited behind later ones in the last plan.
    skipped: Vec<u64>,
}

impl Undecided {
    /// Calls `decide` with each undecided entry and its position in the queue, from the front of the queue, until it
    /// returns false. That entry and those behind it stay undecided.
    pub(super) fn decide(
        &mut self,
        queue: &[&[Entry]; 2],
        mut decide: impl FnMut(usize, &Entry) -> bool,
    ) {
        let (first_new, known) = (self.next_seq, self.skipped.len());
        let mut decides = true;
        for (index, entry) in queue.iter().copied().flatten().enumerate() {
            if entry.seq < first_new && !self.skipped[..known].contains(&entry.seq) {
                continue;
            }
            decides = decides && decide(index, entry);
            if decides {
                self.next_seq = self.next_seq.max(entry.seq + 1);
            } else if entry.seq < self.next_seq {
                self.skipped.push(entry.seq);
            }
        }
        // Those that still wait were added again. The worker has computed the others.
        self.skipped.drain(..known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;
    use crate::policy::Queue;

    /// Adds a container that is due at `due`.
    fn push(queue: &mut Queue<()>, due: u64) {
        queue.push(0..10, 0, Span::at(due), 0, ());
    }

    /// Returns the numbers of the entries that are decided about, of which there are at most `most`.
    fn decided(undecided: &mut Undecided, queue: &Queue<()>, most: usize) -> Vec<u64> {
        let mut decided = Vec::new();
        undecided.decide(&queue.entries(), |index, entry| {
            assert_eq!(queue.entries().into_iter().flatten().nth(index), Some(entry));
            let has_room = decided.len() < most;
            decided.extend(has_room.then_some(entry.seq));
            has_room
        });
        decided
    }

    #[test]
    fn each_entry_is_decided_about_once_in_the_order_of_due_times() {
        let (mut queue, mut undecided) = (Queue::default(), Undecided::default());
        [30, 10, 20].into_iter().for_each(|due| push(&mut queue, due));
        assert_eq!(decided(&mut undecided, &queue, 2), [1, 2]);
        assert_eq!(decided(&mut undecided, &queue, 0), [0; 0]);
        [40, 5].into_iter().for_each(|due| push(&mut queue, due));
        assert_eq!(decided(&mut undecided, &queue, 1), [4]);
        assert_eq!(decided(&mut undecided, &queue, 9), [0, 3]);
        assert_eq!(decided(&mut undecided, &queue, 9), [0; 0]);
    }

    #[test]
    fn entries_that_the_worker_has_computed_are_forgotten() {
        let (mut queue, mut undecided) = (Queue::default(), Undecided::default());
        for round in 0..100 {
            // The second one is due first.
            [2 * round + 1, 2 * round].into_iter().for_each(|due| push(&mut queue, due));
            assert_eq!(decided(&mut undecided, &queue, 1), [2 * round + 1]);
            assert_eq!(undecided.skipped, [2 * round]);
            while queue.take_front(10).is_some() {}
        }
        assert_eq!(decided(&mut undecided, &queue, 1), [0; 0]);
        assert!(undecided.skipped.is_empty());
    }
}
