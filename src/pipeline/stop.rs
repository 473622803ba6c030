//! How a run is asked to stop, and how long it may take to.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use timely::scheduling::SyncActivator;

/// Asks the process's workers to agree with all others on a last epoch, finish it and commit it.
/// Cheap to clone; the clones are one.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    requested: OnceLock<Instant>,
    workers: Mutex<Vec<SyncActivator>>,
}

impl Stop {
    /// Asks them. They need not be there yet.
    pub fn request(&self) {
        self.0.requested.get_or_init(Instant::now);
        for worker in self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A worker that is gone has stopped.
            let _ = worker.activate();
        }
    }

    /// Whether they were asked.
    pub fn is_requested(&self) -> bool {
        self.requested_at().is_some()
    }

    /// When they were asked for the first time.
    pub(super) fn requested_at(&self) -> Option<Instant> {
        self.0.requested.get().copied()
    }

    /// A worker that wants to be woken.
    pub(super) fn attach(&self, worker: SyncActivator) {
        self.0.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }
}

/// Time that remote work has after the request, before it comes home; and that other processes have to be
/// there.
const GRACE: Duration = Duration::from_secs(2);

/// Time that is kept back for a commit that has begun, and for the summary.
const RESERVE: Duration = Duration::from_secs(1);

/// How far the end of a run is that was asked to stop. Only these instants follow from `--stop-within`: a
/// quarter of it, at most [`GRACE`], after the request remote work comes home; a quarter, at most [`RESERVE`],
/// before its end the last epoch is given up.
#[derive(Debug)]
pub(super) struct Ending {
    within: Duration,
    asked: Option<Instant>,
}

impl Ending {
    /// Of a run that may take so long to end.
    pub(super) fn new(within: Duration) -> Self {
        Ending { within, asked: None }
    }

    /// Notes that the run was asked to stop at `at`; answers whether that is news.
    pub(super) fn begin(&mut self, at: Instant) -> bool {
        let is_news = self.asked.is_none();
        self.asked.get_or_insert(at);
        is_news
    }

    /// How long remote work may last after the request.
    pub(super) fn grace(&self) -> Duration {
        GRACE.min(self.within / 4)
    }

    /// Whether that is over.
    pub(super) fn is_past_grace(&self) -> bool {
        self.is_past(self.grace())
    }

    /// Whether what is not whole by now must be given up.
    pub(super) fn is_over(&self) -> bool {
        self.is_past(self.within.saturating_sub(self.reserve()))
    }

    /// Whether another process, which may have been asked sooner, may have given up already.
    pub(super) fn is_nearly_over(&self) -> bool {
        self.is_past(self.within.saturating_sub(2 * self.reserve()))
    }

    /// How long a commit that has begun is waited for at the end.
    pub(super) fn patience(&self) -> Duration {
        self.reserve() / 4
    }

    /// How often these instants should be looked for.
    pub(super) fn look(&self) -> Duration {
        self.reserve() / 8
    }

    fn reserve(&self) -> Duration {
        RESERVE.min(self.within / 4)
    }

    fn is_past(&self, after: Duration) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() >= after)
    }
}
