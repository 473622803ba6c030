//! Kafka as a source and as a sink, with a real broker (Apache Kafka, one node) that the tests start.
//!
//! `.ci/parts` installs it; Java runs it. All tests share one broker, but those that end it.

mod broker;
mod kills;
mod matrix;
mod program;
mod proxy;
mod sink;
mod source;
mod topics;
mod trouble;
