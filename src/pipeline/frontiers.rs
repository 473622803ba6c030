//! How far each stage has come on each worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::operators::Observer;

/// The oldest epochs that are not complete, by stage and worker of the process. A clone is cheap and shares them.
#[derive(Clone)]
pub(super) struct Frontiers {
    /// `COMPLETE` before a worker has begun, and after it has completed its last epoch.
    epochs: Arc<[AtomicU64]>,
    workers: usize,
}

/// No epoch is open.
const COMPLETE: u64 = u64::MAX;

impl Frontiers {
    pub(super) fn new(stages: usize, workers: usize) -> Self {
        let epochs = (0..stages * workers).map(|_| AtomicU64::new(COMPLETE)).collect();
        Frontiers { epochs, workers }
    }

    /// Returns the oldest epoch that is not complete at each stage, over all workers. None where none is open.
    pub(super) fn oldest(&self) -> impl Iterator<Item = Option<u64>> {
        self.epochs.chunks(self.workers.max(1)).map(|workers| {
            let epochs = workers.iter().map(|epoch| epoch.load(Relaxed));
            epochs.min().filter(|epoch| *epoch != COMPLETE)
        })
    }

    /// Returns the observer of a stage on a worker. Nothing is noted of a stage without a number.
    pub(super) fn observer(
        &self,
        stage: Option<usize>,
        worker: usize,
    ) -> impl Observer<u64> + use<> {
        let at = stage.map(|stage| stage * self.workers + worker);
        FrontierObserver { frontiers: self.clone(), at }
    }
}

struct FrontierObserver {
    frontiers: Frontiers,
    at: Option<usize>,
}

impl Observer<u64> for FrontierObserver {
    fn frontier(&mut self, epoch: Option<&u64>) {
        if let Some(frontier) = self.at.and_then(|at| self.frontiers.epochs.get(at)) {
            frontier.store(epoch.copied().unwrap_or(COMPLETE), Relaxed);
        }
    }
}
