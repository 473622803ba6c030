//! Work items in simulated time: ranges without records.

use std::ops::Range;
use std::rc::Rc;

use crate::batch::Nanos;
use crate::bridge::core::Item;
use crate::bridge::{LocalLoad, PendingRanges};

/// Records that a worker hands over.
#[derive(Debug)]
pub(super) struct WorkItem {
    pub worker: usize,
    /// The worker's id of the work item.
    pub id: u64,
    pub range: Range<usize>,
    pub pending: Rc<PendingRanges>,
    pub warm_only: bool,
    /// Whether it and all earlier ones are sent although their request is not full.
    pub urgent: bool,
    pub submitted_at: Nanos,
    pub local_load: Rc<LocalLoad>,
}

impl Item for WorkItem {
    /// The number of records.
    type Body = usize;

    fn records(&self) -> usize {
        self.range.len()
    }

    fn submitted_at(&self) -> Nanos {
        self.submitted_at
    }

    fn is_pending(&self) -> bool {
        self.pending.any(&self.range)
    }

    fn is_warm_only(&self) -> bool {
        self.warm_only
    }

    fn is_urgent(&self) -> bool {
        self.urgent
    }

    fn local_load(&self) -> &LocalLoad {
        &self.local_load
    }

    fn split(&mut self, records: usize) -> Self {
        let at = self.range.start + records.min(self.range.len());
        let first = WorkItem { range: self.range.start..at, ..self.duplicate() };
        self.range.start = at;
        first
    }

    fn duplicate(&self) -> Self {
        let (range, pending) = (self.range.clone(), Rc::clone(&self.pending));
        WorkItem { range, pending, local_load: Rc::clone(&self.local_load), ..*self }
    }
}
