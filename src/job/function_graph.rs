//! The graph of `floodway run --task function:DIR`: one stage, which processes of a function compute.

use std::sync::Arc;

use super::declare::Remote;
use super::{BuildError, Graph, Job, Lines, Output};
use crate::emulator::Builtin;
use crate::task::{JsonFunction, TextFunction};

/// A graph of one stage, whose task a function computes: in processes on this machine, and remotely.
pub enum FunctionGraph {
    /// Its records and its results are lines of text. The task has this name.
    Text(String),
    /// They are JSON values.
    Json(String),
}

impl Graph for FunctionGraph {
    fn build<'scope>(
        &self,
        job: &mut Job<'scope>,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError> {
        // The local Lambda runs the folder of the function, and not this.
        let remote = Remote::Function(Box::new(|| Arc::new(Builtin::new())));
        let results = match self {
            FunctionGraph::Text(name) => {
                job.stage(name, lines, Arc::new(TextFunction::new(name)), remote)
            }
            FunctionGraph::Json(name) => {
                let values = job.json_lines_only(lines);
                job.stage(name, values, Arc::new(JsonFunction::new(name)), remote)
            }
        };
        Ok(job.text(results))
    }
}
