//! Any dataflow between the source of a run and its sink.
//!
//! A [`Graph`] builds the dataflow of one worker with the help of a [`Job`]: it reads records from lines, adds
//! stages whose records may be done remotely, and says what is committed ([`Output`]). `run` is the graph of one
//! stage, a text task. Every graph is built once more before the run starts, without input, to find out what its
//! stages are (`DataflowDescription`).

mod aggregate;
mod csv;
mod declare;
mod due_times;
mod function_graph;
mod graph;
mod input;
mod links;
mod output;
mod parse;
mod stage;
mod stage_name;
mod state;
mod text_graph;

pub use csv::Csv;
pub(crate) use declare::{Declaration, Remote};
pub(crate) use due_times::Producer;
pub use graph::{BuildError, Graph, Job, Lines};
pub(crate) use output::Committing;
pub use output::Output;
pub(crate) use parse::{Refuse, invalid_json};
pub(crate) use stage::{Host, IsLast, StageContext};

/// What the command line makes of a graph, for this package's own tests.
#[doc(hidden)]
pub mod internal {
    pub use super::declare::DataflowDescription;
    pub use super::function_graph::FunctionGraph;
    pub use super::links::Link;
    pub use super::text_graph::TextGraph;
}
pub(crate) use internal::{DataflowDescription, FunctionGraph, Link, TextGraph};
