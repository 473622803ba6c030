//! A worker's records that others have: which they are, and which of them are late.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Route;
use super::state::Origin;
use crate::bridge::PendingRanges;
use crate::policy::Entry;

/// A item that the remote side or a peer has. Its capability stays with its epoch.
struct Sent<T, C> {
    entry: Entry,
    origin: Origin<T, C>,
    /// Which of them nobody has done yet. What is taken out of it here is done here.
    pending: Arc<PendingRanges>,
    /// Records that neither a reply has named nor this worker has done.
    unanswered: usize,
    sent_at: Instant,
    route: Route,
}

/// The sent that are away, by id: the oldest first.
pub(super) struct InFlight<T, C> {
    sent: BTreeMap<u64, Sent<T, C>>,
    next_id: u64,
    records: usize,
    /// When the operator is woken because something may be late.
    wake_at: Option<Instant>,
}

impl<T: Clone, C> InFlight<T, C> {
    pub(super) fn new() -> Self {
        InFlight { sent: BTreeMap::new(), next_id: 0, records: 0, wake_at: None }
    }

    /// Records that are away.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// The id of the next item.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The records of `entry` are with whoever `route` says.
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

    /// A reply for so many records of item `id`: the item, its container, and whose reply it is.
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

    /// Takes up to `records` records out of the oldest item that is away for longer than `late` at
    /// `now`; the path is that of this worker doing them.
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

    /// When the operator is to be woken because the oldest item is away for longer than `late`. What was
    /// answered before and is still to come is not answered again.
    pub(super) fn next_late(&mut self, late: Duration) -> Option<Duration> {
        let oldest = self.sent.first_key_value()?.1.sent_at;
        // Not at once again and again for a item whose answer is on its way.
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
