//! What the workers and the driver of a task share.

use tokio::sync::Notify;

use super::WorkItem;
use crate::sync::Sender;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::task::Task;

/// The workers' side of a driver.
pub(super) struct TaskChannel<K: Task> {
    pub items: Sender<WorkItem<K>>,
    /// Notifies the driver of work items, or of a new expected rate.
    pub waker: Notify,
    /// Records per second that are expected soon.
    pub expected: AtomicU64,
}

impl<K: Task> TaskChannel<K> {
    /// Takes the rate that was expected since the last call.
    pub(super) fn take_expected(&self) -> u64 {
        self.expected.swap(0, Relaxed)
    }
}
