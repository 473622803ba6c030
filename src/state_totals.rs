//! What the stages with state hold, and how much they write of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What workers hold at a stage with state. Sizes are estimates, from the stored form of some rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTotals {
    /// The name of the stage.
    pub name: String,
    /// Keys, each counted once for each of its panes; records of a collection.
    pub keys: u64,
    /// Keys of the worker that has the most.
    pub most_keys: u64,
    /// Size of the keys and values in bytes.
    pub bytes: u64,
    /// Rows that came, after those of the same key, pane and epoch were merged with each other.
    pub merged_rows: u64,
    /// Rows that came too late for their windows, or were too far ahead to be believed.
    pub late_rows: u64,
    /// Bytes that were written of the state.
    pub written_bytes: u64,
}

impl StateTotals {
    /// Adds what other workers hold.
    pub(crate) fn add(&mut self, other: &StateTotals) {
        let StateTotals { name: _, keys, most_keys, bytes, merged_rows, late_rows, written_bytes } =
            other;
        self.keys += keys;
        self.most_keys = self.most_keys.max(*most_keys);
        self.bytes += bytes;
        self.merged_rows += merged_rows;
        self.late_rows += late_rows;
        self.written_bytes += written_bytes;
    }
}

/// What a worker holds at a stage. Only the worker writes it.
#[derive(Debug, Default)]
pub(crate) struct StateCounters {
    pub keys: AtomicU64,
    pub bytes: AtomicU64,
    pub merged_rows: AtomicU64,
    pub late_rows: AtomicU64,
    pub written_bytes: AtomicU64,
}

impl StateCounters {
    fn totals(&self, name: &str) -> StateTotals {
        let keys = self.keys.load(Relaxed);
        StateTotals {
            name: name.to_owned(),
            keys,
            most_keys: keys,
            bytes: self.bytes.load(Relaxed),
            merged_rows: self.merged_rows.load(Relaxed),
            late_rows: self.late_rows.load(Relaxed),
            written_bytes: self.written_bytes.load(Relaxed),
        }
    }
}

/// The counters of a process, by stage and worker. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct States(Arc<Mutex<Vec<(String, Arc<StateCounters>)>>>);

impl States {
    /// Adds the counters of a worker at the stage `name`.
    pub(crate) fn worker(&self, name: &str) -> Arc<StateCounters> {
        let counters = Arc::default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((name.to_owned(), Arc::clone(&counters)));
        counters
    }

    /// Returns what the workers of the process hold, by stage.
    pub(crate) fn totals(&self) -> Vec<StateTotals> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut totals = Vec::new();
        all.iter().for_each(|(name, counters)| add(&mut totals, &counters.totals(name)));
        totals
    }
}

/// Adds what some workers hold at a stage to `totals`.
pub(crate) fn add(totals: &mut Vec<StateTotals>, one: &StateTotals) {
    match totals.iter_mut().find(|total| total.name == one.name) {
        Some(total) => total.add(one),
        None => totals.push(one.clone()),
    }
}
