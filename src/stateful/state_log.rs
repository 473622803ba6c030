//! What a worker merges of a stage in a commit group, which is written at the end of the group.

use std::hash::Hash;

use crate::sink::CommitGroups;
use crate::state_file::{BlockWriter, StateBlock, StateFileError};
use crate::window::{EventFrontier, KeyMap, Row, Store, shard};

/// The rows of the current commit group.
///
/// Rows of the same key in several epochs of the group are merged, unless few of them are: then it costs less to write
/// each row at once, because whoever reads rows merges them.
pub(crate) struct StateLog<S: Store> {
    stage: String,
    groups: CommitGroups,
    /// The last epoch in which something has changed since the last block.
    changed: Option<u64>,
    rows: KeyMap<(S::Key, i64), S::Value>,
    /// The rows that were added since the last block.
    added: usize,
    /// The number of groups, of which this is the first, whose rows are not merged.
    unmerged_groups: u32,
    block: BlockWriter,
    /// Why a row could not be serialized.
    failed: Option<postcard::Error>,
}

/// How many groups are not merged before one is again, to see how many rows merge.
const UNMERGED_GROUPS: u32 = 15;

impl<S: Store> StateLog<S> {
    pub(crate) fn new(stage: &str, groups: CommitGroups) -> Self {
        StateLog {
            stage: stage.to_owned(),
            groups,
            changed: None,
            rows: KeyMap::new(|(key, _)| shard(key)),
            added: 0,
            unmerged_groups: 0,
            block: BlockWriter::new(),
            failed: None,
        }
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

    /// Adds a row that is merged into the state.
    pub(crate) fn add(&mut self, key: &S::Key, pane: i64, value: &S::Value) {
        self.added += 1;
        if self.unmerged_groups > 0 {
            let written = write(&mut self.block, key, pane, value);
            self.failed = self.failed.take().or(written.err());
            return;
        }
        self.rows.merge((key.clone(), pane), value.clone());
    }

    /// Returns the block of what has changed, if anything has. Rows that are over already are left out.
    ///
    /// # Errors
    /// If a row cannot be serialized.
    pub(crate) fn take(
        &mut self,
        store: &S,
        frontier: EventFrontier,
    ) -> Option<Result<StateBlock, StateFileError>> {
        self.changed.take()?;
        let passed = frontier.time();
        self.unmerged_groups = match self.unmerged_groups.checked_sub(1) {
            Some(left) => left,
            None if self.rows.len() > self.added / 4 * 3 => UNMERGED_GROUPS,
            None => 0,
        };
        self.added = 0;
        for ((key, pane), value) in self.rows.drain() {
            if !store.is_over(pane, passed) {
                let written = write(&mut self.block, &key, pane, &value);
                self.failed = self.failed.take().or(written.err());
            }
        }
        let (rows, mut bytes) = (self.block.rows(), Vec::new());
        let finished = self.block.finish(&self.stage, frontier, &mut bytes);
        Some(match self.failed.take().or(finished.err()) {
            None => Ok(StateBlock { bytes, rows }),
            Some(source) => Err(StateFileError::Row { stage: self.stage.clone(), source }),
        })
    }
}

fn write<K: Hash + serde::Serialize>(
    block: &mut BlockWriter,
    key: &K,
    pane: i64,
    value: &impl serde::Serialize,
) -> postcard::Result<()> {
    block.add(key, &Row { key, first: pane, last: pane, value })
}
