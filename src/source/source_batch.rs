//! What a reader sends to a worker in one message.

use crate::batch::{Batch, Note, TextRecord};
use crate::task::Bad;

/// The number of bytes of an overlong record that its dead letter keeps.
pub(super) const OVERLONG_PREFIX_BYTES: usize = 1_024;

/// Records that are sent together.
#[derive(Debug, Default)]
pub(crate) struct SourceBatch {
    /// Good records, with their numbers.
    pub batch: Batch,
    /// Bad records.
    pub bad: Vec<Bad<TextRecord>>,
    /// Notes for the commit of their epoch.
    pub notes: Vec<Note>,
}

impl SourceBatch {
    /// Whether it has no records and no notes.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.bad.is_empty() && self.notes.is_empty()
    }
}
