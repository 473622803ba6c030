//! A worker's records that others have: which they are, and which of them are late.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Path;
use super::desk::Held;
use crate::bridge::Open;
use crate::policy::Entry;

/// A part that the remote side or a peer has. Its capability stays with its epoch.
struct Part<T, C> {
    entry: Entry,
    held: Held<T, C>,
    /// Which of them nobody has done yet. What is taken out of it here is done here.
    open: Arc<Open>,
    /// Records that neither a reply has named nor this worker has done.
    left: usize,
    since: Instant,
    path: Path,
}

/// The parts that are away, by id: the oldest first.
pub(super) struct Away<T, C> {
    parts: BTreeMap<u64, Part<T, C>>,
    next_id: u64,
    records: usize,
    /// When the operator is woken because something may be late.
    alarm: Option<Instant>,
}

impl<T: Clone, C> Away<T, C> {
    pub(super) fn new() -> Self {
        Away { parts: BTreeMap::new(), next_id: 0, records: 0, alarm: None }
    }

    /// Records that are away.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// The id of the next part.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The records of `entry` are with whoever `path` says.
    pub(super) fn went(
        &mut self,
        id: u64,
        entry: Entry,
        held: Held<T, C>,
        open: Arc<Open>,
        since: Instant,
        path: Path,
    ) {
        let left = entry.records();
        self.records += left;
        self.parts.insert(id, Part { entry, held, open, left, since, path });
    }

    /// A reply for so many records of part `id`: the part, its container, and whose reply it is.
    pub(super) fn came(&mut self, id: u64, records: usize) -> Option<(Entry, Held<T, C>, Path)> {
        let part = self.parts.get(&id)?;
        let what = (part.entry.clone(), part.held.clone(), part.path);
        self.are_back(id, records);
        Some(what)
    }

    /// Takes up to `records` records out of the oldest part that is away for longer than `late` at
    /// `now`; the path is that of this worker doing them.
    pub(super) fn take_late(
        &mut self,
        now: Instant,
        late: Duration,
        records: usize,
    ) -> Option<(Entry, Held<T, C>, Path)> {
        let (id, range): (u64, Range<usize>) = self
            .parts
            .iter()
            .take_while(|(_, part)| now.saturating_duration_since(part.since) >= late)
            .find_map(|(id, part)| Some((*id, part.open.take_front(records)?)))?;
        let part = self.parts.get(&id)?;
        let path = if part.path == Path::Remote { Path::Home } else { Path::Local };
        let what = (part.entry.part(range.clone()), part.held.clone(), path);
        self.are_back(id, range.len());
        Some(what)
    }

    fn are_back(&mut self, id: u64, records: usize) {
        self.records -= records;
        if let Some(part) = self.parts.get_mut(&id) {
            part.left -= records;
            if part.left == 0 {
                self.parts.remove(&id);
            }
        }
    }

    /// When the operator is to be woken because the oldest part is away for longer than `late`. What was
    /// answered before and is still to come is not answered again.
    pub(super) fn next_late(&mut self, late: Duration) -> Option<Duration> {
        let oldest = self.parts.first_key_value()?.1.since;
        // Not at once again and again for a part whose answer is on its way.
        const SOON: Duration = Duration::from_millis(1);
        let now = Instant::now();
        let at = (oldest + late).max(now + SOON);
        if self.alarm.is_some_and(|alarm| now < alarm && alarm <= at) {
            return None;
        }
        self.alarm = Some(at);
        Some(at - now)
    }
}
