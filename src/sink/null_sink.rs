//! The sink that keeps nothing: results are counted, and an epoch is committed when all workers have passed it.

use super::spec::{Prepared, Sink};
use super::{Files, SinkError};

/// No output.
#[derive(Debug)]
pub struct NullSink;

impl Sink for NullSink {
    fn name(&self) -> Option<String> {
        None
    }

    fn files(&self) -> Option<&Files> {
        None
    }

    fn description(&self) -> String {
        "null".to_owned()
    }

    /// Nothing is kept of a run, and its dead letters are no more than its summary.
    fn replaces(&self) -> bool {
        true
    }

    fn prepare(&self, _: &str, _: bool) -> Result<Prepared, SinkError> {
        Ok(Prepared::default())
    }
}
