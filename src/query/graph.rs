//! The graph of a query.

use std::sync::Arc;

use super::events::Events;
use super::{QUERIES, Query};
use crate::emulator::Function;
use crate::job::{BuildError, DataflowDescription, Graph, Job, Lines, Output};
use crate::nexmark::{Config, Generator};
use crate::source::{Pace, Rate, nominal};
use crate::task::Work;

/// Where a query gets its events from.
#[derive(Clone)]
pub struct EventInput {
    /// Whether the source emits the numbers of events, whose fields the generator draws. Otherwise it emits lines with
    /// events as JSON.
    pub is_generated: bool,
    /// The generator of the events, and of the times at which events are due.
    pub generator: Arc<Generator>,
    /// The epochs of events.
    pub pace: Arc<Pace>,
}

/// Returns the functions of the stages of all queries, by their names.
///
/// # Errors
/// If the graph of one cannot be built.
pub fn functions() -> Result<Vec<(String, Arc<dyn Function>)>, BuildError> {
    let pace = Pace::new(Rate::Max(1), None, None);
    let input = EventInput {
        is_generated: true,
        generator: Arc::new(Generator::new(Config::default(), 0, nominal())),
        pace: Arc::new(pace),
    };
    let function = |query: &'static Query| {
        let graph = QueryGraph { query, input: input.clone(), work: Work::default() };
        let dataflow = DataflowDescription::new(Arc::new(graph))?;
        Ok((query.name.to_owned(), dataflow.function()))
    };
    QUERIES.iter().map(function).collect()
}

/// A query over events.
pub struct QueryGraph {
    /// The query.
    pub query: &'static Query,
    /// Its events.
    pub input: EventInput,
    /// The modelled time of a record.
    pub work: Work,
}

impl Graph for QueryGraph {
    fn build<'scope>(
        &self,
        job: &mut Job<'scope>,
        lines: Lines<'scope>,
    ) -> Result<Output<'scope>, BuildError> {
        let QueryGraph { query, input, work } = self;
        Ok((query.build)(Events::new(query.name, job, lines, input, work)))
    }
}
