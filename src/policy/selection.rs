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
#[derive(Clone, Debug, Default)]
pub(super) struct Undecided {
    next_seq: u64,
    /// Earlier entries that are not decided about.
    skipped: Vec<u64>,
}

impl Undecided {
    /// Returns the undecided entries with their positions in the queue, those that are due first at the front.
    pub(super) fn entries<'q>(&mut self, queue: &'q [&[Entry]; 2]) -> Vec<(usize, &'q Entry)> {
        let all = || queue.iter().copied().flatten();
        // Some have left the queue undecided: the worker has computed them.
        if !self.skipped.is_empty() {
            self.skipped.retain(|seq| all().any(|entry| entry.seq == *seq));
        }
        let is_undecided =
            |entry: &Entry| entry.seq >= self.next_seq || self.skipped.contains(&entry.seq);
        all().enumerate().filter(|(_, entry)| is_undecided(entry)).collect()
    }

    /// Records that the policy has decided about `entry`.
    pub(super) fn mark_decided(&mut self, entry: &Entry) {
        if entry.seq >= self.next_seq {
            self.skipped.extend(self.next_seq..entry.seq);
            self.next_seq = entry.seq + 1;
        } else {
            self.skipped.retain(|seq| *seq != entry.seq);
        }
    }
}
