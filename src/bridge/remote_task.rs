//! A task's handle for workers, through which they hand over work items.

use std::any::TypeId;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::Notify;

use super::attempt::{Http, Transport};
use super::driver::Driver;
use super::shared::Shared;
use super::task_channel::TaskChannel;
use super::{Bridge, Offer, ReplySender, Settings, WorkItem};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::unbounded;
use crate::task::{Code, Task};

impl Bridge {
    /// Returns the handle for `task`, which all workers of the process share. Another call with a task of the
    /// same type and name returns the same handle.
    pub fn remote_task<K: Task>(&self, task: Arc<K>) -> RemoteTask<K> {
        self.remote_task_by(Http, StdRng::from_rng(&mut rand::rng()), task)
    }

    /// Returns the handle for `task`, whose attempts `transport` makes.
    pub(super) fn remote_task_by<K: Task>(
        &self,
        transport: impl Transport<K>,
        random: StdRng,
        task: Arc<K>,
    ) -> RemoteTask<K> {
        let key = (TypeId::of::<K>(), task.name().to_owned());
        let mut channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channels.entry(key).or_insert_with(|| {
            let (sender, items) = unbounded::<WorkItem<K>>();
            let channel = Arc::new(TaskChannel {
                items: sender,
                waker: Notify::new(),
                expected: AtomicU64::new(0),
            });
            let shared = Arc::clone(&self.0.shared);
            let (driver, reported) =
                Driver::new(transport, random, task, shared, items, Arc::clone(&channel));
            self.0.runtime.spawn(driver.run(reported));
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
    /// Returns what is known of the remote side now. There is no room while nothing is sent, and little while
    /// the remote side takes little. Other records stay with their workers.
    pub fn offer(&self) -> Offer {
        self.shared().offer()
    }

    /// Returns whether records have to wait for room now. The worker of `sender` is then woken once there is
    /// room, or once no records may wait for it.
    pub fn waits_for_room(&self, sender: &ReplySender<K::Out>) -> bool {
        self.shared().waits_for_room(sender.waker())
    }

    /// Sets the time that a record takes on a worker. Until the remote side has computed records, its time is
    /// estimated by this.
    pub fn set_local_record_time(&self, time: Duration) {
        // What the workers are told depends on it until the remote side has computed records.
        if self.shared().set_local_record_time(time) {
            self.channel.waker.notify_one();
        }
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

    /// Reports that a worker has computed a record which the remote side refused with `code`. This is logged once.
    pub fn report_wrongly_refused(&self, code: &Code) {
        self.shared().warn_once_of_wrongly_refused(&code.0);
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
                refused.0.take_back();
                Err(ClosedError)
            }
        }
    }

    fn shared(&self) -> &Shared {
        &self.bridge.0.shared
    }
}
