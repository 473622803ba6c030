//! What a worker hands over.

use std::ops::Range;
use std::sync::Arc;

use tokio::time::Instant;

use super::body_memory::MemoryPermit;
use super::local_load::LocalLoad;
use super::{Failure, Outcome, PendingRanges, Reply, ReplySender};
use crate::task::Task;

/// Records of a worker's batch, to be done remotely.
///
/// A part owes its worker a reply for every record that is still open when it is answered: what the
/// worker has done itself in the meantime is not answered. A part that is dropped comes home.
pub struct WorkItem<K: Task> {
    id: u64,
    input: Arc<K::In>,
    range: Range<usize>,
    pending: Arc<PendingRanges>,
    warm_only: bool,
    urgent: bool,
    reply: ReplySender<K::Out>,
    submitted_at: Instant,
}

impl<K: Task> WorkItem<K> {
    /// The records of `range` of `input`, answered to `reply` under `id`.
    pub fn new(
        id: u64,
        input: Arc<K::In>,
        range: Range<usize>,
        reply: ReplySender<K::Out>,
    ) -> Self {
        let pending = Arc::new(PendingRanges::new(range.clone()));
        WorkItem {
            id,
            input,
            range,
            pending,
            warm_only: false,
            urgent: false,
            reply,
            submitted_at: Instant::now(),
        }
    }

    /// Whether it is for a warm environment alone: it waits for one, and none is started for it.
    pub fn warm_only(mut self, warm_only: bool) -> Self {
        self.warm_only = warm_only;
        self
    }

    /// Whether it, and what was handed over before it, goes although its request is not full.
    pub fn urgent(mut self, urgent: bool) -> Self {
        self.urgent = urgent;
        self
    }

    /// Which of its records are still to be done: what the worker takes out of it, it owes itself.
    pub fn pending(&self) -> &Arc<PendingRanges> {
        &self.pending
    }

    /// How many records it has.
    pub fn records(&self) -> usize {
        self.range.len()
    }

    /// Whether any of them is still to be done.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.any(&self.range)
    }

    /// Whether it waits for a warm environment.
    pub(super) fn is_warm_only(&self) -> bool {
        self.warm_only
    }

    /// Whether it does not wait for others.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// When the worker handed it over.
    pub(super) fn submitted_at(&self) -> Instant {
        self.submitted_at
    }

    /// How busy its worker is.
    pub(super) fn local_load(&self) -> &Arc<LocalLoad> {
        self.reply.local_load()
    }

    /// The batch.
    pub(crate) fn input(&self) -> &Arc<K::In> {
        &self.input
    }

    /// The records in it.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Takes the first `records` records off as a part of their own.
    pub(crate) fn split(&mut self, records: usize) -> WorkItem<K> {
        let at = self.range.start + records.min(self.range.len());
        let first = self.range.start..at;
        self.range.start = at;
        WorkItem {
            id: self.id,
            input: Arc::clone(&self.input),
            range: first,
            pending: Arc::clone(&self.pending),
            warm_only: self.warm_only,
            urgent: self.urgent,
            reply: self.reply.clone(),
            submitted_at: self.submitted_at,
        }
    }

    /// Answers what is still open, range by range, and says how many records that were. `usd` is
    /// what a record cost; `permit` is for the bytes of the results.
    pub(crate) fn answer(
        mut self,
        usd: f64,
        permit: Option<Arc<MemoryPermit>>,
        mut outcome: impl FnMut(&Range<usize>) -> Outcome<K::Out>,
    ) -> usize {
        self.reply_with(usd, permit.as_ref(), &mut outcome)
    }

    /// Sends what is still open home.
    pub(super) fn return_with(mut self, usd: f64, failure: &Failure) {
        self.reply_with(usd, None, &mut |_| Outcome::Returned(failure.clone()));
    }

    /// Sends what is still open home, although an answer may come.
    pub(super) fn return_pending(&self, failure: &Failure) {
        for range in self.pending.take(&self.range) {
            let outcome = Outcome::Returned(failure.clone());
            self.reply.send(Reply { id: self.id, range, usd: 0.0, outcome });
        }
    }

    /// Whether its worker leaves it to the remote side.
    pub(super) fn is_remote_only(&self) -> bool {
        self.reply.local_load().is_remote_only()
    }

    /// Gives the records back to whoever tried to send them, and says how many: no reply will come.
    pub(crate) fn take_back(mut self) -> usize {
        std::mem::replace(&mut self.range, 0..0).len()
    }

    fn reply_with(
        &mut self,
        usd: f64,
        permit: Option<&Arc<MemoryPermit>>,
        outcome: &mut dyn FnMut(&Range<usize>) -> Outcome<K::Out>,
    ) -> usize {
        let range = std::mem::replace(&mut self.range, 0..0);
        if range.is_empty() {
            return 0;
        }
        let mut answered = 0;
        for range in self.pending.take(&range) {
            answered += range.len();
            let (usd, outcome) = (usd * range.len() as f64, outcome(&range));
            self.reply.send_with(Reply { id: self.id, range, usd, outcome }, permit.cloned());
        }
        answered
    }
}

impl<K: Task> Drop for WorkItem<K> {
    fn drop(&mut self) {
        self.reply_with(0.0, None, &mut |_| Outcome::Returned(Failure::Closed));
    }
}
