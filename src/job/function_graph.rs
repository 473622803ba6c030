//! The graph of `floodway run --task function:DIR`: one stage, which processes of a function compute.

use std::sync::Arc;

use super::declare::Remote;
use super::{BuildError, Graph, Job, Lines, Output};
use crate::emulator::Builtin;
use crate::task::{Task as _, TextFunction};

/// A graph of one stage, whose task a function computes: in a pool of processes here, and remotely.
pub struct FunctionGraph(pub TextFunction);

impl Graph for FunctionGraph {
    fn build<'scope>(
        &self,
        job: &mut Job<'scope>,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError> {
        let task = Arc::new(self.0.clone());
        // The local Lambda runs the folder of the function, and not this.
        let remote = Remote::Function(Box::new(|| Arc::new(Builtin::new())));
        let results = job.stage(self.0.name(), lines, task, remote);
        Ok(job.text(results))
    }
}
