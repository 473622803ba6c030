//! Records of a worker that others compute, and which of those that it has sent are late.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::batch::Nanos;
use crate::bridge::PendingRanges;
use crate::policy::{Entry, Route};

/// A work item that the remote side, a peer or the pool computes.
#[derive(Debug)]
struct Sent<P> {
    entry: Entry,
    payload: P,
    /// Records without a result. Whoever takes a record from it computes the record.
    pending: Arc<PendingRanges>,
    /// Records that are neither answered nor taken back by this worker.
    unanswered: usize,
    sent_at: Nanos,
    route: Route,
}

impl<P> Sent<P> {
    /// Whether the worker computes it if it is late. What the pool has is computed as soon as that is possible.
    fn may_be_late(&self) -> bool {
        !self.route.is_of_worker()
    }
}

/// The work items in flight by id: the oldest first.
#[derive(Debug)]
pub(super) struct InFlight<P> {
    sent: BTreeMap<u64, Sent<P>>,
    next_id: u64,
    records: usize,
    /// How many of `records` the pool has.
    pooled: usize,
    /// When the worker will be woken to check for late work items.
    wake_at: Option<Nanos>,
}

impl<P> Default for InFlight<P> {
    fn default() -> Self {
        InFlight { sent: BTreeMap::new(), next_id: 0, records: 0, pooled: 0, wake_at: None }
    }
}

impl<P: Clone> InFlight<P> {
    /// Records in flight.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Returns how many of them the pool has.
    pub(super) fn pooled(&self) -> usize {
        self.pooled
    }

    /// Returns the work items, and how many of their records are not answered.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Entry, usize)> {
        self.sent.values().map(|item| (&item.entry, item.unanswered))
    }

    /// Returns the id of the next work item.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds a work item that was sent by `route` at `now`.
    pub(super) fn insert(
        &mut self,
        now: Nanos,
        id: u64,
        entry: Entry,
        payload: P,
        pending: Arc<PendingRanges>,
        route: Route,
    ) {
        let unanswered = entry.records();
        self.records += unanswered;
        self.pooled += if route.is_of_worker() { unanswered } else { 0 };
        self.sent.insert(id, Sent { entry, payload, pending, unanswered, sent_at: now, route });
    }

    /// Accounts for a reply with `records` records of the work item `id`. Returns its entry, its payload and its
    /// route.
    pub(super) fn answered(&mut self, id: u64, records: usize) -> Option<(Entry, P, Route)> {
        let item = self.sent.get(&id)?;
        let what = (item.entry.clone(), item.payload.clone(), item.route);
        self.settle(id, records);
        Some(what)
    }

    /// Takes up to `records` records from the oldest work item that has been in flight for at least `late` at
    /// `now`. Returns the route under which this worker computes them.
    pub(super) fn take_late(
        &mut self,
        now: Nanos,
        late: Nanos,
        records: usize,
    ) -> Option<(Entry, P, Route)> {
        let (id, range): (u64, Range<usize>) = self
            .sent
            .iter()
            .take_while(|(_, item)| now.saturating_sub(item.sent_at) >= late)
            .filter(|(_, item)| item.may_be_late())
            .find_map(|(id, item)| Some((*id, item.pending.take_front(records)?)))?;
        let item = self.sent.get(&id)?;
        let route = if item.route == Route::Remote { Route::Returned } else { Route::Local };
        let what = (item.entry.slice(range.clone()), item.payload.clone(), route);
        self.settle(id, range.len());
        Some(what)
    }

    fn settle(&mut self, id: u64, records: usize) {
        self.records -= records;
        if let Some(item) = self.sent.get_mut(&id) {
            item.unanswered -= records;
            self.pooled -= if item.route.is_of_worker() { records } else { 0 };
            if item.unanswered == 0 {
                self.sent.remove(&id);
            }
        }
    }

    /// Returns when the worker has to be woken because the oldest work item becomes late. None if it will be woken
    /// in time. Late records whose reply is on its way are not taken twice.
    pub(super) fn next_late(&mut self, now: Nanos, late: Nanos) -> Option<Nanos> {
        let oldest = self.sent.values().find(|item| item.may_be_late())?.sent_at;
        // Avoids a busy loop while the reply of the oldest work item is on its way.
        const SOON: Nanos = 1_000_000;
        let at = (oldest + late).max(now + SOON);
        if self.wake_at.is_some_and(|wake_at| now < wake_at && wake_at <= at) {
            return None;
        }
        self.wake_at = Some(at);
        Some(at)
    }
}
