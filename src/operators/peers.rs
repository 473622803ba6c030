//! Peers: an idle worker of the same process is a remote side that costs nothing.
//!
//! A worker with nothing to do says how many records it would take; a loaded one hands it parts of
//! its queue, which come back by the same ids and the same reply path as the remote side's. Only
//! work moves: capabilities stay with the worker that the records came to. A part that a peer cannot
//! do any more, because it has ended, comes home.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::bridge::Part;
use crate::task::Task;

/// The workers of a process, as far as they help each other. Cheap to clone; the clones are one,
/// and each worker's [`Burst`](super::Burst) is given one.
#[derive(Clone, Default)]
pub struct Peers(Arc<Mutex<HashMap<(TypeId, String), Box<dyn Any + Send>>>>);

/// Those that do the same task.
type Board<K> = Arc<Mutex<Vec<Arc<Seat<K>>>>>;

/// A worker as the others see it.
struct Seat<K: Task> {
    parts: Sender<Part<K>>,
    /// Records that it would take.
    wants: AtomicUsize,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// A worker's own end.
pub(super) struct Help<K: Task> {
    board: Board<K>,
    me: Arc<Seat<K>>,
    inbox: Receiver<Part<K>>,
    /// What it has taken, the oldest first.
    parts: VecDeque<Part<K>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is whole whatever happened to whoever held it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peers {
    /// A worker joins those that do the task of this name. `wake` is called on another worker's thread
    /// when there is something for it.
    pub(super) fn join<K: Task>(&self, task: &str, wake: Arc<dyn Fn() + Send + Sync>) -> Help<K> {
        let mut boards = lock(&self.0);
        let key = (TypeId::of::<K>(), task.to_owned());
        let board = boards.entry(key).or_insert_with(|| Box::new(Board::<K>::default()));
        let board = board.downcast_ref::<Board<K>>().expect("the key holds the type");
        let (parts, inbox) = unbounded();
        let me = Arc::new(Seat { parts, wants: AtomicUsize::new(0), wake });
        lock(board).push(Arc::clone(&me));
        Help { board: Arc::clone(board), me, inbox, parts: VecDeque::new() }
    }
}

impl<K: Task> Help<K> {
    /// Takes in what others have handed over. This worker would take up to `wants` records in all.
    pub(super) fn take_in(&mut self, wants: usize) {
        self.parts.extend(self.inbox.try_iter());
        let has: usize = self.parts.iter().map(Part::records).sum();
        self.me.wants.store(wants.saturating_sub(has), Relaxed);
    }

    /// Whether there is something to do for others.
    pub(super) fn has_work(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Up to `records` records of the oldest part.
    pub(super) fn next(&mut self, records: usize) -> Option<Part<K>> {
        let part = self.parts.front_mut()?;
        let next = part.split(records.max(1));
        if part.records() == 0 {
            self.parts.pop_front();
        }
        Some(next)
    }

    /// Records that others would take now.
    pub(super) fn wanted(&self) -> usize {
        let board = lock(&self.board);
        board.iter().filter(|seat| !self.is_me(seat)).map(|seat| seat.wants.load(Relaxed)).sum()
    }

    /// Hands `part` to those that would take it; answers what nobody takes.
    pub(super) fn give(&self, mut part: Part<K>) -> Option<Part<K>> {
        let board = lock(&self.board);
        for seat in board.iter().filter(|seat| !self.is_me(seat)) {
            let wants = seat.wants.load(Relaxed);
            let taken = wants.min(part.records());
            // Another one may have been quicker: it is asked again at the next plan.
            let less = seat.wants.compare_exchange(wants, wants - taken, Relaxed, Relaxed);
            if taken == 0 || less.is_err() {
                continue;
            }
            match seat.parts.send(part.split(taken)) {
                Ok(()) => (seat.wake)(),
                // Its worker has ended: the part comes home.
                Err(refused) => drop(refused),
            }
            if part.records() == 0 {
                return None;
            }
        }
        Some(part)
    }

    fn is_me(&self, seat: &Arc<Seat<K>>) -> bool {
        Arc::ptr_eq(seat, &self.me)
    }
}

impl<K: Task> Drop for Help<K> {
    fn drop(&mut self) {
        lock(&self.board).retain(|seat| !Arc::ptr_eq(seat, &self.me));
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

    fn join<K: Task>(peers: &Peers, _: &K) -> Help<K> {
        peers.join("double", Arc::new(|| {}))
    }

    #[test]
    fn parts_go_to_those_that_want_them_and_come_home_from_those_that_end() {
        let (peers, task) = (Peers::default(), double());
        let loaded = join(&peers, &task);
        let mut idle = [join(&peers, &task), join(&peers, &task)];
        assert_eq!(loaded.wanted(), 0);
        idle[0].take_in(30);
        idle[1].take_in(50);
        assert_eq!((loaded.wanted(), idle[0].wanted()), (80, 50));
        let (port, inbox) = reply_channel(Arc::new(|| {}));
        let part = |id, records| {
            Part::new(id, Arc::new((0..records as u64).collect()), 0..records, port.clone())
        };
        let left = loaded.give(part(0, 100)).expect("nobody takes the last ones");
        assert_eq!((left.records(), loaded.wanted()), (20, 0));
        left.take_back();
        idle[0].take_in(30);
        assert_eq!(loaded.wanted(), 0, "it has what it wanted");
        let (first, rest) = (idle[0].next(20).unwrap(), idle[0].next(20).unwrap());
        assert_eq!((first.range(), rest.range(), idle[0].has_work()), (0..20, 20..30, false));
        first.answer(0.0, |range| Outcome::Done {
            out: range.clone().map(|n| 2 * n as u64).collect(),
            home: Vec::new(),
            hedged: false,
        });
        drop(rest);
        drop(idle);
        let mut homes: Vec<_> = std::iter::from_fn(|| inbox.try_recv())
            .filter(|reply| matches!(reply.outcome, Outcome::Home(_)))
            .map(|reply| reply.range)
            .collect();
        homes.sort_by_key(|range| range.start);
        assert_eq!(homes, [20..30, 30..80]);
        assert!(loaded.give(part(1, 5)).is_some(), "there is nobody");
    }
}
