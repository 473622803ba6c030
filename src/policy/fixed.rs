//! The two baselines: everything at home, everything away.

use super::{Destination, Entry, Policy, Rates, Take};
use crate::batch::Nanos;

/// Everything is done by the workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Policy for Local {
    fn offload_threshold(&self) -> Option<f64> {
        None
    }

    fn plan(&mut self, _: Nanos, _: &[&[Entry]; 2], _: Rates, _: &mut Vec<Take>) {}
}

/// Everything goes to the remote side: as it arrives, or as soon as there is room. Workers do what failed there,
/// what is late, and what comes while the breaker is open or the budget is spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remote;

impl Policy for Remote {
    fn offload_threshold(&self) -> Option<f64> {
        Some(0.0)
    }

    fn is_remote_only(&self) -> bool {
        true
    }

    fn plan(&mut self, _: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        let mut room = rates.room;
        let waiting = queue.iter().copied().flatten().enumerate();
        for (index, entry) in waiting.filter(|(_, entry)| !entry.returned) {
            if !take_all(index, entry, &mut room, Destination::Remote, takes) {
                return;
            }
        }
    }
}

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
