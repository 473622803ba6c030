//! Work items: what a worker hands to the bridge or to a peer.

use std::ops::Range;
use std::sync::Arc;

use super::body::Body;
use super::body_memory::MemoryPermit;
use super::core::Item;
use super::local_load::LocalLoad;
use super::{Failure, Outcome, PendingRanges, Reply, ReplySender};
use crate::batch::Nanos;
use crate::task::Task;

/// Records of a worker's batch, to be computed remotely.
///
/// The worker receives a reply for every record that is still pending when the work item is answered. Records
/// that the worker has computed itself in the meantime are left out. Dropping a work item returns its pending
/// records.
pub struct WorkItem<K: Task> {
    id: u64,
    input: Arc<K::In>,
    range: Range<usize>,
    pending: Arc<PendingRanges>,
    warm_only: bool,
    urgent: bool,
    reply: ReplySender<K::Out>,
    /// When the bridge received it.
    submitted_at: Nanos,
}

impl<K: Task> WorkItem<K> {
    /// Creates a work item for the records of `range` of `input`. Its replies have the id `id` and are sent
    /// to `reply`.
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
            submitted_at: 0,
        }
    }

    /// Sets whether it waits for a warm environment, so that none is started for it.
    pub fn warm_only(mut self, warm_only: bool) -> Self {
        self.warm_only = warm_only;
        self
    }

    /// Sets whether it and all earlier work items are sent although their request is not full.
    pub fn urgent(mut self, urgent: bool) -> Self {
        self.urgent = urgent;
        self
    }

    /// Returns the records that are still pending. Whoever takes records out provides their results.
    pub fn pending(&self) -> &Arc<PendingRanges> {
        &self.pending
    }

    /// Returns the number of records.
    pub fn records(&self) -> usize {
        self.range.len()
    }

    /// Records when the bridge received it.
    pub(super) fn set_submitted_at(&mut self, now: Nanos) {
        self.submitted_at = now;
    }

    /// Returns the batch.
    pub(crate) fn input(&self) -> &Arc<K::In> {
        &self.input
    }

    /// Returns the range of its records.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Splits off the first `records` records as a work item of their own.
    pub(crate) fn split(&mut self, records: usize) -> WorkItem<K> {
        let at = self.range.start + records.min(self.range.len());
        let first = self.with_range(self.range.start..at);
        self.range.start = at;
        first
    }

    fn with_range(&self, range: Range<usize>) -> WorkItem<K> {
        WorkItem {
            id: self.id,
            input: Arc::clone(&self.input),
            range,
            pending: Arc::clone(&self.pending),
            warm_only: self.warm_only,
            urgent: self.urgent,
            reply: self.reply.clone(),
            submitted_at: self.submitted_at,
        }
    }

    /// Answers the pending records, range by range, and returns their number. `usd` is the cost per record;
    /// `permit` covers the memory of the results.
    pub(crate) fn answer(
        mut self,
        usd: f64,
        permit: Option<Arc<MemoryPermit>>,
        mut outcome: impl FnMut(&Range<usize>) -> Outcome<K::Out>,
    ) -> usize {
        self.reply_with(usd, permit.as_ref(), &mut outcome)
    }

    /// Returns the pending records to the worker.
    pub(super) fn return_with(mut self, usd: f64, failure: &Failure) {
        self.reply_with(usd, None, &mut |_| Outcome::Returned(failure.clone()));
    }

    /// Gives the pending records back to the caller and returns their number: there is no reply.
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

impl<K: Task> Item for WorkItem<K> {
    type Body = Body;

    fn records(&self) -> usize {
        self.range.len()
    }

    fn submitted_at(&self) -> Nanos {
        self.submitted_at
    }

    fn is_pending(&self) -> bool {
        self.pending.any(&self.range)
    }

    fn is_warm_only(&self) -> bool {
        self.warm_only
    }

    fn is_urgent(&self) -> bool {
        self.urgent
    }

    fn local_load(&self) -> &LocalLoad {
        self.reply.local_load()
    }

    fn split(&mut self, records: usize) -> Self {
        WorkItem::split(self, records)
    }

    fn duplicate(&self) -> Self {
        self.with_range(self.range())
    }
}

impl<K: Task> Drop for WorkItem<K> {
    fn drop(&mut self) {
        self.reply_with(0.0, None, &mut |_| Outcome::Returned(Failure::Closed));
    }
}
