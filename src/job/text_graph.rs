//! The graph of `floodway run`: one stage, which is a text task.

use std::sync::Arc;

use super::declare::Remote;
use super::{BuildError, Graph, Job, Lines, Output};
use crate::emulator::Builtin;
use crate::task::{Task as _, TextTask};

/// A graph of one stage, a text task.
pub struct TextGraph(pub TextTask);

impl Graph for TextGraph {
    fn build<'scope>(
        &self,
        job: &mut Job<'scope>,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError> {
        let task = Arc::clone(&self.0);
        let function = Remote::Function(Box::new(|| Arc::new(Builtin::new())));
        let results = job.stage(self.0.name(), lines, task, function);
        Ok(job.text(results))
    }
}
