//! A worker's end of a pool.

use std::sync::Arc;
use std::time::Duration;

use super::load::Done;
use super::queue::Queue;
use crate::bridge::WorkItem;
use crate::task::Task;

/// Through this, a worker hands records to the pool.
pub(crate) struct PoolWorker<K: Task> {
    queue: Arc<Queue<K>>,
    /// Records of this worker that the pool has.
    held: usize,
    is_active: bool,
    /// What the processes had done when this worker last asked.
    seen: Done,
}

impl<K: Task> PoolWorker<K> {
    pub(super) fn new(queue: Arc<Queue<K>>) -> Self {
        queue.load.join();
        PoolWorker { queue, held: 0, is_active: false, seen: Done::default() }
    }

    /// Returns how many records the pool takes now. `has_more` says whether the worker has records for it.
    pub(crate) fn room(&mut self, has_more: bool) -> usize {
        let is_active = has_more || self.held > 0;
        if is_active != self.is_active {
            self.is_active = is_active;
            self.queue.load.set_active(is_active);
        }
        self.queue.load.room(self.held)
    }

    /// Hands over a work item.
    pub(crate) fn hand_over(&mut self, item: WorkItem<K>) {
        self.held += item.records();
        self.queue.load.took(item.records());
        self.queue.push(item);
    }

    /// Notes that records of this worker were answered.
    pub(crate) fn answered(&mut self, records: usize) {
        self.held -= records;
        self.queue.load.answered(records);
    }

    /// Returns what the pool has computed since the last call, and the time that it took: as if this worker, with its
    /// share of the processes, had computed all of it.
    pub(crate) fn measured(&mut self) -> Option<(usize, Duration)> {
        let load = &self.queue.load;
        let done = load.done();
        let records = done.records - self.seen.records;
        let busy = done.busy.saturating_sub(self.seen.busy);
        self.seen = done;
        let share = load.processes() as f64 / load.active() as f64;
        (records > 0).then(|| (records as usize, busy.div_f64(share)))
    }

    /// Returns how long a process takes for a record. None while it is not known.
    pub(crate) fn process_time(&self) -> Option<Duration> {
        self.queue.load.record_time()
    }

    /// Returns how long this worker would be busy with a record if it had its share of the processes, and no more.
    pub(crate) fn record_time(&self) -> Duration {
        let load = &self.queue.load;
        let share = load.processes() as f64 / load.workers() as f64;
        load.record_time().unwrap_or_default().div_f64(share)
    }
}

impl<K: Task> Drop for PoolWorker<K> {
    fn drop(&mut self) {
        if self.is_active {
            self.queue.load.set_active(false);
        }
    }
}
