//! A task's handle for workers, through which they hand over work items.

use std::any::TypeId;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crossbeam_channel::unbounded;
use tokio::sync::Notify;

use super::batcher::Batcher;
use super::shared::Shared;
use super::task_channel::TaskChannel;
use super::{Bridge, ReplySender, Settings, WorkItem};
use crate::task::Task;

impl Bridge {
    /// Returns the handle for `task`, which all workers of the process share. Another call with a task of the
    /// same type and name returns the same handle.
    pub fn remote_task<K: Task>(&self, task: Arc<K>) -> RemoteTask<K> {
        let key = (TypeId::of::<K>(), task.name().to_owned());
        let mut channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channels.entry(key).or_insert_with(|| {
            let (sender, items) = unbounded::<WorkItem<K>>();
            let channel = Arc::new(TaskChannel {
                items: sender,
                waker: Notify::new(),
                expected: AtomicU64::new(0),
            });
            let batcher = Batcher {
                task,
                shared: Arc::clone(&self.0.shared),
                items,
                channel: Arc::clone(&channel),
                waiting: VecDeque::new(),
                records: 0,
                urgent: false,
                halves: VecDeque::new(),
            };
            self.0.runtime.spawn(batcher.run());
            Box::new(channel)
        });
        let channel =
            channel.downcast_ref::<Arc<TaskChannel<K>>>().expect("the key holds the type");
        RemoteTask { channel: Arc::clone(channel), bridge: self.clone() }
    }
}

/// Handle through which workers hand over the work items of a task. A clone is cheap.
pub struct RemoteTask<K: Task> {
    channel: Arc<TaskChannel<K>>,
    bridge: Bridge,
}

impl<K: Task> Clone for RemoteTask<K> {
    fn clone(&self) -> Self {
        RemoteTask { channel: Arc::clone(&self.channel), bridge: self.bridge.clone() }
    }
}

/// The bridge is closed and takes no more work items: the records stay with their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bridge is closed")]
pub struct ClosedError;

impl<K: Task> RemoteTask<K> {
    /// Returns how many records the bridge takes now: none while nothing is sent, and few while the remote
    /// side takes few. Other records stay with their workers.
    pub fn room(&self) -> usize {
        self.shared().room()
    }

    /// Returns whether records may wait for room: the breaker is not open, the budget is not spent, and the
    /// bridge is not closed.
    pub fn is_available(&self) -> bool {
        self.shared().is_available()
    }

    /// Wakes the worker of `sender` once there is room, or once [`RemoteTask::is_available`] is false. Call
    /// this before checking the room for the last time.
    pub fn wake_when_there_is_room(&self, sender: &ReplySender<K::Out>) {
        self.shared().wake_when_there_is_room(sender.waker());
    }

    /// Returns the number of records of a full request.
    pub fn max_records(&self) -> usize {
        self.shared().max_records()
    }

    /// Returns how many records of [`RemoteTask::room`] will not meet a cold environment, as far as is known.
    pub fn warm_room(&self) -> usize {
        self.shared().warm_room()
    }

    /// Returns the median time of a request to a warm environment; zero before the first answer.
    pub fn median(&self) -> Duration {
        self.shared().median()
    }

    /// Returns the 99th percentile of the time of requests to warm environments. Requests in flight count at
    /// their present age. Zero before the first answer.
    pub fn p99(&self) -> Duration {
        self.shared().p99()
    }

    /// Returns the median time of a request to a cold environment; zero before the first cold start.
    pub fn cold(&self) -> Duration {
        self.shared().cold()
    }

    /// Returns the share of the recent attempts that failed. Throttled ones count as failed.
    pub fn failure_rate(&self) -> f64 {
        self.shared().failure_rate()
    }

    /// Sets the time that a record takes on a worker. Until the remote side has computed records, its time is
    /// estimated by this.
    pub fn set_local_record_time(&self, time: Duration) {
        self.shared().set_local_record_time(time);
    }

    /// Returns the age from which a work item is late, so that its worker may compute the records itself.
    pub fn late(&self) -> Duration {
        self.shared().late()
    }

    /// Returns the settings of the bridge.
    pub fn settings(&self) -> &Settings {
        &self.shared().settings
    }

    /// Announces that `records_per_second` are expected soon. Environments are started for them if there are
    /// too few.
    pub fn expect(&self, records_per_second: f64) {
        self.channel.expected.fetch_max(records_per_second as u64, Relaxed);
        self.channel.waker.notify_one();
    }

    /// Disables the remote side because it computed a different result: nothing is sent any more.
    pub fn disable(&self) {
        self.shared().disable();
    }

    /// Hands over a work item. Its replies are sent to its [`ReplySender`].
    ///
    /// # Errors
    /// If the bridge is closed. There are then no replies.
    pub fn send(&self, item: WorkItem<K>) -> Result<(), ClosedError> {
        if *self.shared().closed.borrow() {
            item.take_back();
            return Err(ClosedError);
        }
        let records = item.records();
        self.shared().waiting.fetch_add(records, Relaxed);
        match self.channel.items.send(item) {
            Ok(()) => {
                self.channel.waker.notify_one();
                Ok(())
            }
            Err(refused) => {
                self.shared().waiting.fetch_sub(records, Relaxed);
                refused.into_inner().take_back();
                Err(ClosedError)
            }
        }
    }

    fn shared(&self) -> &Shared {
        &self.bridge.0.shared
    }
}
