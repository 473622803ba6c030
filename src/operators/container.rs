//! Makes the batches timely containers.

use timely::Accountable;

use crate::batch::{Batch, Chunks, Items, JsonBatch};
use crate::task::Partials;

impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }

    fn is_empty(&self) -> bool {
        Batch::is_empty(self)
    }
}

impl Accountable for JsonBatch {
    fn record_count(&self) -> i64 {
        self.0.record_count()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Timely counts the records, of which the chunks consist.
impl<C: Items> Accountable for Chunks<C> {
    fn record_count(&self) -> i64 {
        self.0.len() as i64
    }
}

impl<K, V> Accountable for Partials<K, V> {
    fn record_count(&self) -> i64 {
        self.rows.len() as i64
    }
}
