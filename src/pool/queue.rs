//! The queue of a pool: the workers fill it, and the processes empty it.

use std::any::{Any, TypeId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;

use super::PoolWorker;
use super::load::Load;
use crate::bridge::WorkItem;
use crate::bridge::core::Item as _;
use crate::sync::{Mutex, MutexGuard};
use crate::task::Task;

/// Others in this process that compute records in place of the workers. A clone is cheap, and all clones are one pool.
#[derive(Clone)]
pub struct Pool(Arc<PoolState>);

struct PoolState {
    /// The queue of each task.
    queues: Mutex<HashMap<(TypeId, String), Box<dyn Any + Send>>>,
    load: Arc<Load>,
}

/// The work items of a task that no process has taken, the oldest first.
pub(super) struct Queue<K: Task> {
    items: Mutex<VecDeque<WorkItem<K>>>,
    filled: Notify,
    pub load: Arc<Load>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data is consistent even if a thread panicked while it held the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// Creates a pool of so many processes, whose requests have at most `max_records` records.
    pub(super) fn new(processes: usize, max_records: usize) -> Self {
        let load = Arc::new(Load::new(processes, max_records));
        Pool(Arc::new(PoolState { queues: Mutex::new(HashMap::new()), load }))
    }

    /// Returns the end of a worker that hands over records of `task`.
    pub(crate) fn worker<K: Task>(&self, task: &str) -> PoolWorker<K> {
        PoolWorker::new(self.queue(task))
    }

    /// Returns the queue of `task`.
    pub(super) fn queue<K: Task>(&self, task: &str) -> Arc<Queue<K>> {
        let mut queues = lock(&self.0.queues);
        let queue = queues.entry((TypeId::of::<K>(), task.to_owned())).or_insert_with(|| {
            let (items, filled) = (Mutex::default(), Notify::new());
            Box::new(Arc::new(Queue::<K> { items, filled, load: Arc::clone(&self.0.load) }))
        });
        let queue = queue.downcast_ref::<Arc<Queue<K>>>().expect("the key holds the type");
        Arc::clone(queue)
    }

    pub(super) fn load(&self) -> &Arc<Load> {
        &self.0.load
    }
}

impl<K: Task> Queue<K> {
    /// Adds a work item.
    pub(super) fn push(&self, item: WorkItem<K>) {
        lock(&self.items).push_back(item);
        self.filled.notify_one();
    }

    /// Waits for work items, and takes those of one request.
    pub(super) async fn take(&self) -> Vec<WorkItem<K>> {
        loop {
            let filled = self.filled.notified();
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            filled.await;
        }
    }

    /// Takes the work items of one request, if there are any.
    pub(super) fn take_now(&self) -> Vec<WorkItem<K>> {
        let mut left = self.load.request_records();
        let mut items = lock(&self.items);
        let mut taken = Vec::new();
        while left > 0
            && let Some(first) = items.front_mut()
        {
            let item = first.split(left);
            if first.records() == 0 {
                items.pop_front();
            }
            left -= item.records();
            if item.records() > 0 {
                taken.push(item);
            }
        }
        if !items.is_empty() {
            // There is work for another process.
            self.filled.notify_one();
        }
        taken
    }
}
