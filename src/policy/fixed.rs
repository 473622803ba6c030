//! The two baselines: everything at home, everything away.

use super::{Entry, Offered, Policy, Rates, Take};
use crate::batch::Nanos;

/// Everything is done by the workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Policy for Local {
    fn epoch(&mut self, _: Offered) {}

    fn plan(&mut self, _: Nanos, _: &[&[Entry]; 2], _: Rates, _: &mut Vec<Take>) {}
}

/// Everything goes to the remote side as it arrives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remote;

impl Policy for Remote {
    fn epoch(&mut self, _: Offered) {}

    fn plan(&mut self, _: Nanos, queue: &[&[Entry]; 2], _: Rates, takes: &mut Vec<Take>) {
        let waiting = queue.iter().copied().flatten().enumerate();
        takes.extend(
            waiting
                .filter(|(_, entry)| !entry.home)
                .map(|(index, entry)| Take { entry: index, range: entry.range.clone() }),
        );
    }
}

/// Entries that came since a policy last looked: it decides once about each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unseen {
    next_seq: u64,
}

impl Unseen {
    /// The entries not seen before, with their places in the queue, oldest first.
    pub(super) fn of<'q>(
        &mut self,
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
        if let Some(last) = back.last().or(front.last()) {
            self.next_seq = self.next_seq.max(last.seq + 1);
        }
        let old = seen_front..front.len();
        let new = seen_back..back.len();
        let front = old.map(|index| (index, &front[index]));
        let offset = queue[0].len();
        front.chain(new.map(move |index| (offset + index, &back[index])))
    }
}
