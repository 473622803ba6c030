//! Work items: what a worker hands to the bridge or to a peer.

use std::ops::Range;
use std::sync::Arc;

use super::body::Body;
use super::body_memory::MemoryPermit;
use super::core::{Item, Part};
use super::local_load::LocalLoad;
use super::{Failure, Outcome, PendingRanges, Reply, ReplySender};
use crate::task::Task;

/// Records of a worker's batch, to be computed remotely.
///
/// The worker receives a reply for every record that is still pending when the work item is answered. Records
/// that the worker has computed itself in the meantime are left out. Dropping a work item returns its pending
/// records.
pub struct WorkItem<K: Task> {
    id: u64,
    input: Arc<K::In>,
    part: Part,
    reply: ReplySender<K::Out>,
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
        WorkItem { id, input, part: Part::new(range), reply }
    }

    /// Sets whether it waits for a warm environment, so that none is started for it.
    pub fn warm_only(mut self, warm_only: bool) -> Self {
        self.part.warm_only = warm_only;
        self
    }

    /// Sets whether it and all earlier work items are sent although their request is not full.
    pub fn urgent(mut self, urgent: bool) -> Self {
        self.part.urgent = urgent;
        self
    }

    /// Returns the records that are still pending. Whoever takes records out provides their results.
    pub fn pending(&self) -> &Arc<PendingRanges> {
        &self.part.pending
    }

    /// Returns the number of records.
    pub fn records(&self) -> usize {
        self.part.range.len()
    }

    /// Returns the batch.
    pub(crate) fn input(&self) -> &Arc<K::In> {
        &self.input
    }

    /// Returns the range of its records.
    pub(crate) fn range(&self) -> Range<usize> {
        self.part.range.clone()
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
        std::mem::replace(&mut self.part.range, 0..0).len()
    }

    fn reply_with(
        &mut self,
        usd: f64,
        permit: Option<&Arc<MemoryPermit>>,
        outcome: &mut dyn FnMut(&Range<usize>) -> Outcome<K::Out>,
    ) -> usize {
        let range = std::mem::replace(&mut self.part.range, 0..0);
        if range.is_empty() {
            return 0;
        }
        let mut answered = 0;
        for range in self.part.pending.take(&range) {
            answered += range.len();
            let (usd, outcome) = (usd * range.len() as f64, outcome(&range));
            self.reply.send_with(Reply { id: self.id, range, usd, outcome }, permit.cloned());
        }
        answered
    }
}

impl<K: Task> Item for WorkItem<K> {
    type Body = Body;

    fn part(&self) -> &Part {
        &self.part
    }

    fn part_mut(&mut self) -> &mut Part {
        &mut self.part
    }

    fn with_part(&self, part: Part) -> Self {
        let (input, reply) = (Arc::clone(&self.input), self.reply.clone());
        WorkItem { id: self.id, input, part, reply }
    }

    fn local_load(&self) -> &LocalLoad {
        self.reply.local_load()
    }
}

impl<K: Task> Drop for WorkItem<K> {
    fn drop(&mut self) {
        self.reply_with(0.0, None, &mut |_| Outcome::Returned(Failure::Closed));
    }
}
