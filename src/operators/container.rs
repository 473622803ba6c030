//! Makes the flat batches timely containers.

use timely::Accountable;

use crate::batch::{Batch, JsonBatch};

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
