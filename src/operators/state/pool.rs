//! Hands records to the pool, which computes them in place of the worker, and verifies replies by it.

use std::collections::HashMap;
use std::sync::Arc;

use timely::Container;
use timely::progress::Timestamp;

use super::{BurstState, Origin, Outputs};
use crate::bridge::{Offer, WorkItem};
use crate::operators::verify::{Verdict, Verification};
use crate::task::{Code, Task};

/// Replies of the remote side whose samples the pool computes.
pub(super) struct PoolChecks<T, K: Task> {
    /// The replies by the id of their first sample, and how many of their samples have no result yet.
    replies: HashMap<u64, (Verification<T, K>, usize)>,
    /// The samples by the id of their work item: which reply they are of, and their position.
    samples: HashMap<u64, (u64, usize)>,
}

impl<T, K: Task> Default for PoolChecks<T, K> {
    fn default() -> Self {
        PoolChecks { replies: HashMap::new(), samples: HashMap::new() }
    }
}

impl<T: Timestamp, K: Task> BurstState<T, K>
where
    K::Out: Container,
{
    /// Hands over as much as the pool takes: first what is to be verified, then the front of the queue, then late
    /// records.
    pub(super) fn fill_pool(&mut self, offer: Option<Offer>) {
        let Some(pool) = &mut self.pool else { return };
        if let Some((records, took)) = pool.measured() {
            self.scheduler.record(records, took);
        }
        loop {
            let has_more = self.scheduler.has_own_work(offer) || !self.verifying.is_empty();
            let room = pool.room(has_more);
            if room == 0 {
                break;
            }
            if let Some(verification) = self.verifying.pop_front() {
                let first = self.pool_checks.begin(verification, || self.scheduler.next_id());
                for (id, batch, position) in first {
                    let range = position..position + 1;
                    pool.hand_over(WorkItem::new(id, batch, range, self.reply_sender.clone()));
                }
                continue;
            }
            let now = self.clock.now();
            let Some(next) = self.scheduler.next(now, room, offer) else { break };
            let (id, (entry, Origin { batch, .. }, _)) = (self.scheduler.next_id(), &next);
            let (batch, range) = (Arc::clone(batch), entry.range.clone());
            let item = WorkItem::new(id, batch, range, self.reply_sender.clone());
            let pending = Arc::clone(item.pending());
            pool.hand_over(item);
            self.scheduler.pooled(now, id, next, pending);
        }
    }

    /// Notes that the pool has answered records of this worker.
    pub(super) fn pool_answered(&mut self, records: usize) {
        if let Some(pool) = &mut self.pool {
            pool.answered(records);
            self.observer.computed(records, pool.record_time() * records as u32);
        }
    }

    /// Takes the pool's result of a sample. Returns whether the reply with this id is one.
    pub(super) fn check_pooled(
        &mut self,
        id: u64,
        out: &K::Out,
        refused: &[(usize, Code)],
        outputs: &mut Outputs<'_, T, K>,
    ) -> bool {
        let Some((reply, position)) = self.pool_checks.samples.remove(&id) else { return false };
        let Some((verification, left)) = self.pool_checks.replies.get_mut(&reply) else {
            // Another sample of the reply has differed.
            return true;
        };
        *left -= 1;
        let here = verification.difference(&*self.task, position, out, refused);
        if here.is_none() && *left > 0 {
            self.observer.verified(1);
        } else if let Some((verification, _)) = self.pool_checks.replies.remove(&reply) {
            let verdict = here.map_or(Verdict::Match, |here| Verdict::Mismatch(position, here));
            self.conclude(verification, 1, verdict, outputs);
        }
        true
    }
}

impl<T, K: Task> PoolChecks<T, K> {
    /// Begins to verify a reply. Returns the id, the batch and the position of each sample.
    fn begin(
        &mut self,
        mut verification: Verification<T, K>,
        mut next_id: impl FnMut() -> u64,
    ) -> Vec<(u64, Arc<K::In>, usize)> {
        let checks = std::mem::take(&mut verification.checks);
        let batch = &verification.origin.batch;
        let samples: Vec<_> =
            checks.iter().rev().map(|at| (next_id(), Arc::clone(batch), *at)).collect();
        if let Some((first, ..)) = samples.first() {
            let first = *first;
            self.samples.extend(samples.iter().map(|(id, _, at)| (*id, (first, *at))));
            self.replies.insert(first, (verification, samples.len()));
        }
        samples
    }
}
