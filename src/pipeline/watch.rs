//! Counts what a worker's operators do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Failures, RunError};
use crate::batch::{Nanos, Span};
use crate::observe::{ProcessStats, WorkerStats};
use crate::operators::{EpochStats, Observer, Path};

/// The results that wait for their epoch's commit: when they were scheduled, and how many.
type Uncommitted = Rc<RefCell<BTreeMap<u64, Vec<(Span, usize)>>>>;

/// A worker's observer. The clones are one.
#[derive(Clone)]
pub(super) struct Watch {
    process: ProcessStats,
    worker: Arc<WorkerStats>,
    held: usize,
    uncommitted: Uncommitted,
    failures: Failures,
}

impl Watch {
    pub(super) fn new(process: &ProcessStats, place: usize, failures: &Failures) -> Self {
        let (worker, failures) = (process.worker(place), failures.clone());
        let uncommitted = Uncommitted::default();
        Watch { process: process.clone(), worker, held: 0, uncommitted, failures }
    }

    /// All epochs before `epoch` (all there are, if `None`) were committed at `now`.
    pub(super) fn committed_before(&self, epoch: Option<u64>, now: Nanos) {
        let mut uncommitted = self.uncommitted.borrow_mut();
        let later = epoch.map(|epoch| uncommitted.split_off(&epoch)).unwrap_or_default();
        let committed = std::mem::replace(&mut *uncommitted, later);
        if let Some((&last, _)) = committed.last_key_value() {
            self.process.committed_before(last + 1, now);
        }
        self.worker.committed(committed.into_values().flatten(), now);
    }
}

impl Observer<u64> for Watch {
    fn results(&mut self, epoch: &u64, path: Path, scheduled: Span, records: usize, now: Nanos) {
        let add = |counts: &mut crate::observe::Counts| {
            *match path {
                Path::Local => &mut counts.local,
                Path::Peer => &mut counts.peer,
                Path::Remote => &mut counts.remote,
                Path::Home => &mut counts.home,
            } += records as u64;
        };
        self.worker.results(add, scheduled, records, now);
        self.uncommitted.borrow_mut().entry(*epoch).or_default().push((scheduled, records));
    }

    fn bad(&mut self, records: usize) {
        self.worker.count(|counts| counts.bad += records as u64);
    }

    fn verified(&mut self, records: usize) {
        self.worker.verified.fetch_add(records as u64, Relaxed);
    }

    fn differs(&mut self, record: &str) {
        self.failures.fail(RunError::Differs { record: record.to_owned() });
    }

    fn backlog(&mut self, queued: usize, in_flight: usize) {
        let held = queued + in_flight;
        self.process.backlog_changed(self.held, held);
        self.held = held;
    }

    fn epoch(&mut self, epoch: &u64, stats: &EpochStats) {
        tracing::debug!(epoch, ?stats, "epoch complete");
    }
}
