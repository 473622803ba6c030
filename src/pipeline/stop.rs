//! How a run is asked to stop.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use timely::scheduling::SyncActivator;

/// Asks the process's workers to agree with all others on a last epoch, finish it and commit it.
/// Cheap to clone; the clones are one.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    requested: AtomicBool,
    workers: Mutex<Vec<SyncActivator>>,
}

impl Stop {
    /// Asks them. They need not be there yet.
    pub fn request(&self) {
        self.0.requested.store(true, Relaxed);
        for worker in self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A worker that is gone has stopped.
            let _ = worker.activate();
        }
    }

    /// Whether they were asked.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Relaxed)
    }

    /// A worker that wants to be woken.
    pub(super) fn attach(&self, worker: SyncActivator) {
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }
}
