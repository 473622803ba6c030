//! `kafka://HOST:PORT/TOPIC` in a command that was built without Kafka: an error.

use super::UsageError;
use super::args::RunArgs;
use super::form::Parsed;
use crate::sink::Sink;
use crate::source::Source;

pub(super) fn source(args: &RunArgs, _: &str) -> Parsed<dyn Source> {
    Err(absent("--source", &args.source))
}

pub(super) fn sink(args: &RunArgs, _: &dyn Source, _: &str) -> Parsed<dyn Sink> {
    Err(absent("--sink", args.sink.as_deref().unwrap_or_default()))
}

/// Returns the error of a program that was built without Kafka.
fn absent(option: &str, given: &str) -> UsageError {
    let why = "this floodway was built without Kafka: build it with --features kafka (cargo install --path . \
               --features kafka), which needs make and a C compiler";
    UsageError::new(option, given, why)
}
