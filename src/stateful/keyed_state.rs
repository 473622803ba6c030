//! What a stateful operator does with the rows and the event times of its epochs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Receiver;

use super::event_time::KnownFrontier;
use super::keyed::KeyedRow;
use super::restore::{Rebuilt, StoredState};
use super::row_size::RowSize;
use super::state_log::StateLog;
use crate::merge::Merge as _;
use crate::sink::CommitGroups;
use crate::state_file::{StateBlock, StateFileError};
use crate::state_totals::{StateCounters, StateTotals, States};
use crate::window::{Apply, EventFrontier, KeyMap, Store, Times, shard};

/// What a run gives to a stateful stage.
#[derive(Clone)]
pub(crate) struct StateContext {
    /// The first epoch of the run.
    pub first_epoch: u64,
    /// The commit groups, if the state is written. It is not if nothing can resume it.
    pub groups: Option<CommitGroups>,
    /// What is stored of earlier runs, if anything is.
    pub stored: Option<StoredState>,
    /// Whether the run was asked to stop, so that the end of the stream is not that of the input.
    pub is_stopped: Rc<dyn Fn() -> bool>,
    /// Ends the run.
    pub fail: Rc<dyn Fn(StateFileError)>,
    /// What the worker holds and writes at the stage.
    pub counters: Arc<StateCounters>,
    /// The most bytes that all stages of the process may hold.
    pub limit: Option<StateLimit>,
}

/// A bound on the state of a process.
#[derive(Clone)]
pub(crate) struct StateLimit {
    pub bytes: u64,
    pub states: States,
}

/// A run that cannot be resumed, from the first epoch on.
impl Default for StateContext {
    fn default() -> Self {
        StateContext {
            first_epoch: 0,
            groups: None,
            stored: None,
            is_stopped: Rc::new(|| false),
            fail: Rc::new(drop),
            counters: Arc::default(),
            limit: None,
        }
    }
}

/// A time after all others, in milliseconds.
const FAR: i64 = 1 << 60;

/// The rows of an epoch that has not ended, merged, and what workers said of its event times.
struct OpenEpoch<S: Store> {
    rows: KeyMap<(S::Key, i64), S::Value>,
    times: Times,
}

impl<S: Store> OpenEpoch<S> {
    fn new(frontier: EventFrontier) -> Self {
        OpenEpoch { rows: KeyMap::new(|(key, _)| shard(key)), times: frontier.times() }
    }
}

/// An epoch that is being merged into the state.
struct MergingEpoch<S: Store> {
    epoch: u64,
    rows: <KeyMap<(S::Key, i64), S::Value> as IntoIterator>::IntoIter,
    /// The event-time frontier before the epoch.
    before: i64,
}

/// What a step of the state has made.
pub(super) struct Emitted<S: Store> {
    pub results: Vec<S::Out>,
    pub late: Vec<KeyedRow<S>>,
    pub state: Vec<StateBlock>,
}

impl<S: Store> Default for Emitted<S> {
    fn default() -> Self {
        Emitted { results: Vec::new(), late: Vec::new(), state: Vec::new() }
    }
}

/// Where the state of earlier runs arrives.
pub(super) type Restoring<S> = Receiver<Result<Rebuilt<S>, StateFileError>>;

/// The state of the operator on one worker.
pub(super) struct KeyedState<S: Store> {
    store: S,
    frontier: EventFrontier,
    known: Option<KnownFrontier>,
    epochs: BTreeMap<u64, OpenEpoch<S>>,
    merging: Option<MergingEpoch<S>>,
    log: Option<StateLog<S>>,
    /// What arrives when the state of earlier runs was read.
    restoring: Option<Restoring<S>>,
    row_size: RowSize,
    context: StateContext,
}

impl<S: Store> KeyedState<S> {
    pub(super) fn new(
        name: &str,
        store: S,
        (frontier, known): (EventFrontier, Option<KnownFrontier>),
        restoring: Option<Restoring<S>>,
        context: StateContext,
    ) -> Self {
        let log = context.groups.map(|groups| StateLog::new(name, groups));
        let (epochs, row_size) = (BTreeMap::new(), RowSize::default());
        KeyedState {
            store,
            frontier,
            known,
            epochs,
            merging: None,
            log,
            restoring,
            row_size,
            context,
        }
    }

    /// Takes rows of an epoch.
    pub(super) fn accept(&mut self, epoch: u64, rows: &mut Vec<KeyedRow<S>>) {
        let new = || OpenEpoch::new(self.frontier);
        let OpenEpoch { rows: open, .. } = self.epochs.entry(epoch).or_insert_with(new);
        // Most rows are in the pane of the one before.
        let (mut first, mut end) = (0, 0);
        for ((key, time), value) in rows.drain(..) {
            if time < first || time >= end {
                (first, end) = self.store.pane(time);
            }
            open.merge((key, first), value);
        }
    }

    /// Takes what workers say of the event times of an epoch.
    pub(super) fn report(&mut self, epoch: u64, reports: &mut Vec<(u64, Times)>) {
        let new = || OpenEpoch::new(self.frontier);
        let open = self.epochs.entry(epoch).or_insert_with(new);
        reports.drain(..).for_each(|(_, times)| open.times.merge(times));
    }

    /// Whether all of the stored state was read. Takes it when it was.
    pub(super) fn is_restored(&mut self) -> bool {
        let Some(restoring) = &self.restoring else { return true };
        match restoring.try_recv() {
            Ok(Ok(Rebuilt { store, frontier })) => {
                (self.store, self.frontier, self.restoring) = (store, frontier, None);
                self.count();
                return true;
            }
            Ok(Err(error)) => (self.context.fail)(error),
            // It is still being read, or has failed.
            Err(_) => {}
        }
        false
    }

    /// Returns the next epoch that is complete before `frontier`. None is the frontier of a stream that has ended.
    pub(super) fn next_epoch(&self, frontier: Option<u64>) -> Option<u64> {
        let next = self.epochs.first_key_value().map(|(epoch, _)| *epoch)?;
        frontier.is_none_or(|frontier| next < frontier).then_some(next)
    }

    /// Returns the last epoch that had rows or event times.
    pub(super) fn last_epoch(&self) -> Option<u64> {
        self.frontier.last_epoch
    }

    /// Returns the last epoch of a commit group that has ended before `epoch` and whose block is still to be written.
    pub(super) fn ended_group(&self, epoch: u64) -> Option<u64> {
        self.log.as_ref()?.ended_group(epoch)
    }

    /// Writes the block of a commit group, if anything has changed in it.
    pub(super) fn write(&mut self, emitted: &mut Emitted<S>) {
        match self.log.as_mut().and_then(|log| log.take(&self.store, self.frontier)) {
            Some(Ok(block)) => {
                self.context.counters.written_bytes.fetch_add(block.bytes.len() as u64, Relaxed);
                emitted.state.push(block);
            }
            Some(Err(error)) => (self.context.fail)(error),
            None => {}
        }
    }

    /// Begins to merge a complete epoch into the state. It is the last one that was not merged.
    pub(super) fn begin(&mut self, epoch: u64) {
        let Some(OpenEpoch { rows, times }) = self.epochs.remove(&epoch) else { return };
        self.context.counters.merged_rows.fetch_add(rows.len() as u64, Relaxed);
        let before = self.frontier.time();
        match &self.known {
            Some(known) => self.frontier.reach(epoch, known(epoch)),
            None => self.frontier.advance(epoch, &times),
        }
        if let Some(log) = &mut self.log {
            log.changed(epoch);
        }
        self.merging = Some(MergingEpoch { epoch, rows: rows.into_iter(), before });
    }

    /// Returns the epoch that was begun and is not merged.
    pub(super) fn merging(&self) -> Option<u64> {
        self.merging.as_ref().map(|merging| merging.epoch)
    }

    /// Merges up to `most` rows of the epoch that was begun, and returns their number. After the last one, emits what the
    /// epoch makes final.
    pub(super) fn merge_some(&mut self, most: usize, emitted: &mut Emitted<S>) -> usize {
        let Some(MergingEpoch { epoch, mut rows, before }) = self.merging.take() else { return 0 };
        let some: Vec<_> = rows.by_ref().take(most).collect();
        let merged = some.len();
        self.merge(before, some, emitted);
        match merged < most {
            true => self.end_epoch(epoch, emitted),
            false => self.merging = Some(MergingEpoch { epoch, rows, before }),
        }
        merged
    }

    /// Merges rows of the latest epoch. `before` is the event-time frontier before it.
    fn merge(
        &mut self,
        before: i64,
        rows: Vec<((S::Key, i64), S::Value)>,
        emitted: &mut Emitted<S>,
    ) {
        let sample = rows.first().map(|(key, _)| key.clone());
        let apply = Apply { before, after: &self.frontier };
        if let Some(log) = &mut self.log {
            // In a pass of its own: the processor waits for the store's memory, several rows at a time, and for nothing
            // else in between.
            let passed = self.frontier.time();
            for ((key, time), value) in &rows {
                if !self.store.is_late(*time, &apply)
                    && !self.store.is_over(*time, passed)
                    && let Some(value) = self.store.kept(key, value)
                {
                    log.add(key, *time, &value);
                }
            }
        }
        for ((key, time), value) in rows {
            match self.store.is_late(time, &apply) {
                false => self.store.merge(key, time, value),
                true => emitted.late.push(((key, time), value)),
            }
        }
        self.context.counters.late_rows.fetch_add(emitted.late.len() as u64, Relaxed);
        // What is stored of a key may be larger than what came.
        if let Some((key, time)) = sample
            && let Some(value) = self.store.value(&key, time)
        {
            self.row_size.sample(&(&key, value));
        }
    }

    /// Emits what the end of the input makes final, unless it is only the end of the run.
    pub(super) fn end(&mut self, at: u64, emitted: &mut Emitted<S>) {
        let Some(last) = self.frontier.last_epoch else { return };
        // Where the frontier is known, records may be later than it by any time.
        let longest = if self.known.is_some() { FAR } else { self.store.longest() };
        if (self.context.is_stopped)() || !self.frontier.end(longest) {
            return;
        }
        if let Some(log) = &mut self.log {
            log.changed(at);
        }
        self.end_epoch(last, emitted);
    }

    fn end_epoch(&mut self, epoch: u64, emitted: &mut Emitted<S>) {
        let results = &mut emitted.results;
        self.store.end_epoch(epoch, self.frontier.time(), &mut |result| results.push(result));
        self.count();
    }

    /// Counts what is held, and ends the run if it is too much.
    fn count(&self) {
        self.context.holds(self.store.len() as u64, self.row_size);
    }
}

impl StateContext {
    /// Notes how many keys the worker holds at the stage, and how large they are. Ends the run if it is too much.
    pub(super) fn holds(&self, keys: u64, row_size: RowSize) {
        let StateContext { counters, limit, .. } = self;
        counters.keys.store(keys, Relaxed);
        counters.bytes.store(row_size.of(keys), Relaxed);
        let Some(StateLimit { bytes: most, states }) = limit else { return };
        let totals = states.totals();
        let bytes = totals.iter().map(|stage| stage.bytes).sum();
        let largest = totals.into_iter().max_by_key(|stage| stage.bytes);
        if bytes > *most
            && let Some(StateTotals { name, keys, .. }) = largest
        {
            (self.fail)(StateFileError::TooLarge { stage: name, keys, bytes, most: *most });
        }
    }
}
