//! Makes the flat batch a timely container.

use timely::Accountable;

use crate::batch::Batch;

impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }

    fn is_empty(&self) -> bool {
        Batch::is_empty(self)
    }
}
