//! How a run is asked to stop, and how long it may take to end.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use timely::scheduling::SyncActivator;

/// Asks the workers of the process to agree with all others on a last epoch, complete it and commit it.
/// Clones share one request.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    requested: OnceLock<Instant>,
    workers: Mutex<Vec<SyncActivator>>,
}

impl Stop {
    /// Asks the workers to stop. They need not have started.
    pub fn request(&self) {
        self.0.requested.get_or_init(Instant::now);
        for worker in self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A worker that is gone has stopped.
            let _ = worker.activate();
        }
    }

    /// Whether the workers were asked to stop.
    pub fn is_requested(&self) -> bool {
        self.requested_at().is_some()
    }

    /// Returns the instant of the first request.
    pub(super) fn requested_at(&self) -> Option<Instant> {
        self.0.requested.get().copied()
    }

    /// Wakes `worker` when the run is asked to stop.
    pub(super) fn attach(&self, worker: SyncActivator) {
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }
}

/// The time that remote work has after the request before it is returned, and that other processes have to
/// connect.
const GRACE: Duration = Duration::from_secs(2);

/// The time that is reserved for a commit that has begun, and for the summary.
const RESERVE: Duration = Duration::from_secs(1);

/// The deadlines of a run that was asked to stop. They follow from `--stop-within`: remote work is returned a
/// quarter of it, at most [`GRACE`], after the request, and the last epoch is given up a quarter of it, at
/// most [`RESERVE`], before its end.
#[derive(Debug)]
pub(super) struct StopDeadline {
    within: Duration,
    asked: Option<Instant>,
}

impl StopDeadline {
    /// Creates the deadlines of a run that may take `within` to end.
    pub(super) fn new(within: Duration) -> Self {
        StopDeadline { within, asked: None }
    }

    /// Sets the instant of the request, unless it is set. Returns whether it was not.
    pub(super) fn start(&mut self, at: Instant) -> bool {
        let is_news = self.asked.is_none();
        self.asked.get_or_insert(at);
        is_news
    }

    /// Returns how long remote work may last after the request.
    pub(super) fn grace(&self) -> Duration {
        GRACE.min(self.within / 4)
    }

    /// Whether that time is over.
    pub(super) fn is_past_grace(&self) -> bool {
        self.has_elapsed(self.grace())
    }

    /// Whether an epoch that is not complete must be given up now.
    pub(super) fn is_expired(&self) -> bool {
        self.has_elapsed(self.within.saturating_sub(self.reserve()))
    }

    /// Whether another process, which may have been asked sooner, may have given up its epoch already.
    pub(super) fn is_nearly_expired(&self) -> bool {
        self.has_elapsed(self.within.saturating_sub(2 * self.reserve()))
    }

    /// Returns how long the end waits for a commit that has begun.
    pub(super) fn commit_wait(&self) -> Duration {
        self.reserve() / 4
    }

    /// Returns the interval at which these deadlines should be checked.
    pub(super) fn poll_interval(&self) -> Duration {
        self.reserve() / 8
    }

    fn reserve(&self) -> Duration {
        RESERVE.min(self.within / 4)
    }

    fn has_elapsed(&self, after: Duration) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() >= after)
    }
}
