//! What a worker hands over.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::{Failure, Outcome, Reply, ReplyPort};
use crate::task::Task;

/// Records of a worker's batch, to be done remotely.
///
/// A part owes its worker a reply for every record. One that is dropped comes home.
pub struct Part<K: Task> {
    id: u64,
    input: Arc<K::In>,
    range: Range<usize>,
    reply: ReplyPort<K::Out>,
    handed_over: Instant,
}

impl<K: Task> Part<K> {
    /// The records of `range` of `input`, answered to `reply` under `id`.
    pub fn new(id: u64, input: Arc<K::In>, range: Range<usize>, reply: ReplyPort<K::Out>) -> Self {
        Part { id, input, range, reply, handed_over: Instant::now() }
    }

    /// How many records are not answered yet.
    pub fn records(&self) -> usize {
        self.range.len()
    }

    /// When the worker handed it over.
    pub(super) fn handed_over(&self) -> Instant {
        self.handed_over
    }

    /// The batch.
    pub(super) fn input(&self) -> &K::In {
        &self.input
    }

    /// The records in it.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Takes the first `records` records off as a part of their own.
    pub(super) fn split(&mut self, records: usize) -> Part<K> {
        let at = self.range.start + records.min(self.range.len());
        let first = self.range.start..at;
        self.range.start = at;
        Part {
            id: self.id,
            input: Arc::clone(&self.input),
            range: first,
            reply: self.reply.clone(),
            handed_over: self.handed_over,
        }
    }

    /// Answers all records.
    pub(super) fn answer(mut self, outcome: Outcome<K::Out>) {
        self.reply_with(outcome);
    }

    /// Gives the records back to whoever tried to send them: no reply will come.
    pub(super) fn take_back(mut self) {
        self.range.end = self.range.start;
    }

    fn reply_with(&mut self, outcome: Outcome<K::Out>) {
        let range = std::mem::replace(&mut self.range, 0..0);
        if !range.is_empty() {
            self.reply.send(Reply { id: self.id, range, outcome });
        }
    }
}

impl<K: Task> Drop for Part<K> {
    fn drop(&mut self) {
        self.reply_with(Outcome::Home(Failure::Closed));
    }
}
