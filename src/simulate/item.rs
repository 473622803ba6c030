//! Work items in simulated time: ranges without records.

use std::rc::Rc;

use crate::bridge::LocalLoad;
use crate::bridge::core::{Item, Part};

/// Records that a worker hands over.
#[derive(Debug)]
pub(super) struct WorkItem {
    pub worker: usize,
    /// The stage, whose task has a request machine.
    pub stage: usize,
    /// The id that the stage on this worker gave it.
    pub id: u64,
    pub part: Part,
    pub local_load: Rc<LocalLoad>,
}

impl Item for WorkItem {
    /// The number of records.
    type Body = usize;

    fn part(&self) -> &Part {
        &self.part
    }

    fn part_mut(&mut self) -> &mut Part {
        &mut self.part
    }

    fn with_part(&self, part: Part) -> Self {
        WorkItem { part, local_load: Rc::clone(&self.local_load), ..*self }
    }

    fn local_load(&self) -> &LocalLoad {
        &self.local_load
    }
}
