//! `kafka://HOST:PORT/TOPIC` in a command that was built without Kafka: an error.

use super::UsageError;
use super::args::RunArgs;
use super::form::Parsed;
use crate::sink::Sink;
use crate::source::Source;

pub(super) fn source(args: &RunArgs, _: &str) -> Parsed<dyn Source> {
    Err(absent(args, "--source", &args.source))
}

pub(super) fn sink(args: &RunArgs, _: &dyn Source, _: &str) -> Parsed<dyn Sink> {
    Err(absent(args, "--sink", args.sink.as_deref().unwrap_or_default()))
}

/// Returns the error of a program that was built without Kafka.
fn absent(args: &RunArgs, option: &str, given: &str) -> UsageError {
    let (program, how) = match &args.given.program {
        own if own.is_own() => (own.name(), "give its dependency floodway the feature kafka"),
        floodway => (
            floodway.name(),
            "build it with --features kafka (cargo install --path . --features kafka)",
        ),
    };
    let why =
        format!("this {program} was built without Kafka: {how}, which needs make and a C compiler");
    UsageError::new(option, given, why)
}
