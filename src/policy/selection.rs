//! What several policies share: how an entry is taken whole, and which entries are new.

use super::{Destination, Entry, Take};

/// Takes the whole entry, or as much of it as there is room for; answers whether there is more.
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

/// Which entries a policy that decides once about each has not decided about yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Undecided {
    next_seq: u64,
}

impl Undecided {
    /// They, with their places in the queue, oldest first.
    pub(super) fn entries<'q>(
        &self,
        queue: &'q [&[Entry]; 2],
    ) -> impl Iterator<Item = (usize, &'q Entry)> + use<'q> {
        let [front, back] = queue;
        let next_seq = self.next_seq;
        // New entries are at the back; those that came home are at the front and are old.
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

    /// It has decided about this entry.
    pub(super) fn mark_decided(&mut self, entry: &Entry) {
        self.next_seq = self.next_seq.max(entry.seq + 1);
    }
}
