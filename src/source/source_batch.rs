//! What a reader hands to a worker at once.

use crate::batch::{Batch, TextRecord};
use crate::sink::Note;
use crate::task::Bad;

/// Records that go to a worker together.
#[derive(Debug, Default)]
pub(crate) struct SourceBatch {
    /// Good ones, with their numbers.
    pub batch: Batch,
    /// Bad ones.
    pub bad: Vec<Bad<TextRecord>>,
    /// What the commit of their epoch is to remember.
    pub notes: Vec<Note>,
}

impl SourceBatch {
    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.bad.is_empty() && self.notes.is_empty()
    }
}
