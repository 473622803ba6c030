//! Peers: idle workers of the same process take records, at no cost.
//!
//! An idle worker publishes how many records it takes. A loaded worker sends it work items, and
//! receives the results by the same replies as those of the remote side. Capabilities stay with the
//! worker that received the records. If a peer ends, its work items return to their worker.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};

use crate::bridge::WorkItem;
use crate::bridge::core::Item as _;
use crate::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard, Receiver, Sender, unbounded};
use crate::task::Task;

/// The workers of a process that compute records for each other. All clones share one registry;
/// each worker's [`Burst`](super::Burst) receives a clone.
#[derive(Clone, Default)]
pub struct Peers(Arc<Mutex<HashMap<(TypeId, String), Box<dyn Any + Send>>>>);

/// Workers that compute the same task.
type PeerRegistry<K> = Arc<Mutex<Vec<Arc<PeerSlot<K>>>>>;

/// What the other workers see of a worker.
struct PeerSlot<K: Task> {
    items: Sender<WorkItem<K>>,
    /// Records that the worker takes now; none if it is negative. Others subtract what they send, and the
    /// worker adds the difference to what it takes from now on. If it stored that instead, what is sent while
    /// it receives would not count.
    capacity: AtomicIsize,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// Work items that a worker has received, and its access to the other workers.
pub(super) struct PeerQueue<K: Task> {
    registry: PeerRegistry<K>,
    me: Arc<PeerSlot<K>>,
    inbox: Receiver<WorkItem<K>>,
    /// The capacity as this worker knows it: without what is sent and not received yet.
    granted: isize,
    /// Received work items, the oldest first.
    items: VecDeque<WorkItem<K>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data is consistent even if a thread panicked while it held the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peers {
    /// Registers a worker for the task of this name. `wake` is called on another worker's thread
    /// when a work item arrives.
    pub(super) fn join<K: Task>(
        &self,
        task: &str,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> PeerQueue<K> {
        let mut registries = lock(&self.0);
        let key = (TypeId::of::<K>(), task.to_owned());
        let registry =
            registries.entry(key).or_insert_with(|| Box::new(PeerRegistry::<K>::default()));
        let registry = registry.downcast_ref::<PeerRegistry<K>>().expect("the key holds the type");
        let (items, inbox) = unbounded();
        let me = Arc::new(PeerSlot { items, capacity: AtomicIsize::new(0), wake });
        lock(registry).push(Arc::clone(&me));
        PeerQueue { registry: Arc::clone(registry), me, inbox, granted: 0, items: VecDeque::new() }
    }
}

impl<K: Task> PeerQueue<K> {
    /// Receives work items, and publishes that this worker takes up to `capacity` records in total.
    pub(super) fn receive(&mut self, capacity: usize) {
        let mut left = self.granted;
        for item in self.inbox.try_iter() {
            left -= item.records() as isize;
            self.items.push_back(item);
        }
        let has: usize = self.items.iter().map(WorkItem::records).sum();
        self.granted = capacity.saturating_sub(has) as isize;
        if self.granted != left {
            self.me.capacity.fetch_add(self.granted - left, Relaxed);
        }
    }

    /// Whether there are records of peers to compute.
    pub(super) fn has_work(&self) -> bool {
        !self.items.is_empty()
    }

    /// Splits up to `records` records from the oldest work item.
    pub(super) fn next(&mut self, records: usize) -> Option<WorkItem<K>> {
        let item = self.items.front_mut()?;
        let next = item.split(records.max(1));
        if item.records() == 0 {
            self.items.pop_front();
        }
        Some(next)
    }

    /// Records that the other workers take now.
    pub(super) fn peer_capacity(&self) -> usize {
        let registry = lock(&self.registry);
        registry
            .iter()
            .filter(|slot| !self.is_me(slot))
            .map(|slot| slot.capacity.load(Relaxed).max(0) as usize)
            .sum()
    }

    /// Hands `item` to peers that have capacity. Returns the records that no peer takes.
    pub(super) fn offer(&self, mut item: WorkItem<K>) -> Option<WorkItem<K>> {
        let registry = lock(&self.registry);
        for slot in registry.iter().filter(|slot| !self.is_me(slot)) {
            let capacity = slot.capacity.load(Relaxed);
            let taken = item.records().min(capacity.max(0) as usize);
            // The peer may have changed its capacity: the next plan asks again.
            let less = capacity - taken as isize;
            let less = slot.capacity.compare_exchange(capacity, less, Relaxed, Relaxed);
            if taken == 0 || less.is_err() {
                continue;
            }
            match slot.items.send(item.split(taken)) {
                Ok(()) => (slot.wake)(),
                // The peer has ended: dropping the work item returns its records.
                Err(refused) => drop(refused),
            }
            if item.records() == 0 {
                return None;
            }
        }
        Some(item)
    }

    fn is_me(&self, slot: &Arc<PeerSlot<K>>) -> bool {
        Arc::ptr_eq(slot, &self.me)
    }
}

impl<K: Task> Drop for PeerQueue<K> {
    fn drop(&mut self) {
        lock(&self.registry).retain(|slot| !Arc::ptr_eq(slot, &self.me));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::{Outcome, reply_channel};
    use crate::task::function;

    fn double() -> impl Task<In = Vec<u64>, Out = Vec<u64>> {
        function("double", |n: &u64| Ok(2 * n))
    }

    fn join<K: Task>(peers: &Peers, _: &K) -> PeerQueue<K> {
        peers.join("double", Arc::new(|| {}))
    }

    #[test]
    fn peers_receive_records_up_to_their_capacity_and_return_them_when_they_end() {
        let (peers, task) = (Peers::default(), double());
        let loaded = join(&peers, &task);
        let mut idle = [join(&peers, &task), join(&peers, &task)];
        assert_eq!(loaded.peer_capacity(), 0);
        idle[0].receive(30);
        idle[1].receive(50);
        assert_eq!((loaded.peer_capacity(), idle[0].peer_capacity()), (80, 50));
        let (sender, receiver) = reply_channel(Arc::new(|| {}));
        let item = |id, records| {
            WorkItem::new(id, Arc::new((0..records as u64).collect()), 0..records, sender.clone())
        };
        let left = loaded.offer(item(0, 100)).expect("no peer takes the last records");
        assert_eq!((left.records(), loaded.peer_capacity()), (20, 0));
        left.take_back();
        idle[0].receive(30);
        assert_eq!(loaded.peer_capacity(), 0, "its capacity is used");
        let (first, rest) = (idle[0].next(20).unwrap(), idle[0].next(20).unwrap());
        assert_eq!((first.range(), rest.range(), idle[0].has_work()), (0..20, 20..30, false));
        first.answer(0.0, None, |range| Outcome::Done {
            out: range.clone().map(|n| 2 * n as u64).collect(),
            refused: Vec::new(),
            hedged: false,
        });
        drop(rest);
        drop(idle);
        let mut returned: Vec<_> = std::iter::from_fn(|| receiver.try_recv())
            .filter(|reply| matches!(reply.outcome, Outcome::Returned(_)))
            .map(|reply| reply.range)
            .collect();
        returned.sort_by_key(|range| range.start);
        assert_eq!(returned, [20..30, 30..80]);
        assert!(loaded.offer(item(1, 5)).is_some(), "no peer is left");
    }
}
