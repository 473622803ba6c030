//! What a worker merges of a stage in a commit group, which is written at the end of the group.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxBuildHasher;

use crate::merge::Merge as _;
use crate::sink::CommitGroups;
use crate::state_file::{BlockWriter, StateBlock, StateFileError};
use crate::window::{EventFrontier, Row, Store};

/// The rows of the current commit group, merged.
pub(crate) struct StateLog<S: Store> {
    stage: String,
    groups: CommitGroups,
    /// The last epoch in which something has changed since the last block.
    changed: Option<u64>,
    rows: HashMap<(S::Key, i64), S::Value, FxBuildHasher>,
    block: BlockWriter,
}

impl<S: Store> StateLog<S> {
    pub(crate) fn new(stage: &str, groups: CommitGroups) -> Self {
        let (rows, block) = (HashMap::default(), BlockWriter::new());
        StateLog { stage: stage.to_owned(), groups, changed: None, rows, block }
    }

    /// Returns the last epoch of the group of what has changed, if this has ended before `epoch`.
    pub(crate) fn ended_group(&self, epoch: u64) -> Option<u64> {
        let last = self.groups.last_epoch(self.groups.group(self.changed?));
        (last < epoch).then_some(last)
    }

    /// Notes that something has changed in an epoch.
    pub(crate) fn changed(&mut self, epoch: u64) {
        self.changed = Some(epoch);
    }

    /// Adds a row that was merged into the state.
    pub(crate) fn merged(&mut self, key: S::Key, pane: i64, value: S::Value) {
        match self.rows.entry((key, pane)) {
            Entry::Occupied(mut merged) => merged.get_mut().merge(value),
            Entry::Vacant(vacant) => drop(vacant.insert(value)),
        }
    }

    /// Returns the block of what has changed, if anything has.
    ///
    /// # Errors
    /// If a row cannot be serialized.
    pub(crate) fn take(
        &mut self,
        frontier: EventFrontier,
    ) -> Option<Result<StateBlock, StateFileError>> {
        self.changed.take()?;
        let mut bytes = Vec::new();
        let mut block = || {
            for ((key, pane), value) in self.rows.drain() {
                self.block.add(&key, &Row { key: &key, first: pane, last: pane, value: &value })?;
            }
            let rows = self.block.rows();
            self.block.finish(&self.stage, frontier, &mut bytes)?;
            Ok(rows)
        };
        let rows = block();
        Some(match rows {
            Ok(rows) => Ok(StateBlock { bytes, rows }),
            Err(source) => Err(StateFileError::Row { stage: self.stage.clone(), source }),
        })
    }
}
