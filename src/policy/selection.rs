//! What several policies share: taking a whole entry, and finding new entries.

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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Undecided {
    next_seq: u64,
}

impl Undecided {
    /// Returns the undecided entries with their positions in the queue, the oldest first.
    pub(super) fn entries<'q>(
        &self,
        queue: &'q [&[Entry]; 2],
    ) -> impl Iterator<Item = (usize, &'q Entry)> + use<'q> {
        let [front, back] = queue;
        let next_seq = self.next_seq;
        // New entries are at the back. Returned entries are at the front and are not new.
        let seen_back = back.partition_point(|entry| entry.seq < next_seq);
        let seen_front = if seen_back > 0 {
            front.len()
        } else {
            front.iter().rposition(|entry| entry.seq < next_seq).map_or(0, |last| last + 1)
        };
        let old = seen_front..front.len();
        let new = seen_back..back.len();
        let front = old.map(|index| (index, &front[index]));
        let offset = queue[0].len();
        front.chain(new.map(move |index| (offset + index, &back[index])))
    }

    /// Records that the policy has decided about `entry`.
    pub(super) fn mark_decided(&mut self, entry: &Entry) {
        self.next_seq = self.next_seq.max(entry.seq + 1);
    }
}
