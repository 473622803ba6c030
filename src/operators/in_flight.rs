//! Records of a worker that the remote side or a peer is computing, and which of them are late.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Route;
use super::state::Origin;
use crate::bridge::PendingRanges;
use crate::policy::Entry;

/// A work item that the remote side or a peer computes. Its capability stays with its epoch.
struct Sent<T, C> {
    entry: Entry,
    origin: Origin<T, C>,
    /// Records without a result. Whoever takes a record from it computes the record.
    pending: Arc<PendingRanges>,
    /// Records that are neither answered nor taken back by this worker.
    unanswered: usize,
    sent_at: Instant,
    route: Route,
}

/// The work items in flight by id: the oldest first.
pub(super) struct InFlight<T, C> {
    sent: BTreeMap<u64, Sent<T, C>>,
    next_id: u64,
    records: usize,
    /// When the operator will be woken to check for late work items.
    wake_at: Option<Instant>,
}

impl<T: Clone, C> InFlight<T, C> {
    pub(super) fn new() -> Self {
        InFlight { sent: BTreeMap::new(), next_id: 0, records: 0, wake_at: None }
    }

    /// Records in flight.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Returns the id of the next work item.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds a work item that was sent by `route`.
    pub(super) fn insert(
        &mut self,
        id: u64,
        entry: Entry,
        origin: Origin<T, C>,
        pending: Arc<PendingRanges>,
        sent_at: Instant,
        route: Route,
    ) {
        let unanswered = entry.records();
        self.records += unanswered;
        self.sent.insert(id, Sent { entry, origin, pending, unanswered, sent_at, route });
    }

    /// Accounts for a reply with `records` records of the work item `id`. Returns its entry, its
    /// origin and its route.
    pub(super) fn answered(
        &mut self,
        id: u64,
        records: usize,
    ) -> Option<(Entry, Origin<T, C>, Route)> {
        let item = self.sent.get(&id)?;
        let what = (item.entry.clone(), item.origin.clone(), item.route);
        self.settle(id, records);
        Some(what)
    }

    /// Takes up to `records` records from the oldest work item that has been in flight for at least
    /// `late` at `now`. Returns the route under which this worker computes them.
    pub(super) fn take_late(
        &mut self,
        now: Instant,
        late: Duration,
        records: usize,
    ) -> Option<(Entry, Origin<T, C>, Route)> {
        let (id, range): (u64, Range<usize>) = self
            .sent
            .iter()
            .take_while(|(_, item)| now.saturating_duration_since(item.sent_at) >= late)
            .find_map(|(id, item)| Some((*id, item.pending.take_front(records)?)))?;
        let item = self.sent.get(&id)?;
        let route = if item.route == Route::Remote { Route::Returned } else { Route::Local };
        let what = (item.entry.slice(range.clone()), item.origin.clone(), route);
        self.settle(id, range.len());
        Some(what)
    }

    fn settle(&mut self, id: u64, records: usize) {
        self.records -= records;
        if let Some(item) = self.sent.get_mut(&id) {
            item.unanswered -= records;
            if item.unanswered == 0 {
                self.sent.remove(&id);
            }
        }
    }

    /// Returns after what time the operator has to be woken because the oldest work item becomes
    /// late. Late records whose reply is on its way are not taken twice.
    pub(super) fn next_late(&mut self, late: Duration) -> Option<Duration> {
        let oldest = self.sent.first_key_value()?.1.sent_at;
        // Avoids a busy loop while the reply of the oldest work item is on its way.
        const SOON: Duration = Duration::from_millis(1);
        let now = Instant::now();
        let at = (oldest + late).max(now + SOON);
        if self.wake_at.is_some_and(|wake_at| now < wake_at && wake_at <= at) {
            return None;
        }
        self.wake_at = Some(at);
        Some(at - now)
    }
}
