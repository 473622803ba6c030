//! `--source`: the source of the records.

use super::UsageError;
use super::args::RunArgs;
use crate::pipeline::Source;
use crate::source::{Input, path_of};

/// Parses the option. Returns none for Nexmark's events, which have options of their own.
pub(super) fn source(args: &RunArgs) -> Result<Option<Source>, UsageError> {
    let source = args.source.as_deref().unwrap_or("nexmark");
    let wrong = |expected: &str| UsageError::new("--source", source, expected);
    let found = match source.split_once(':') {
        None if source == "nexmark" => None,
        Some(("lines", "-")) => Some(Source::Lines(Input::Stdin)),
        Some(("lines", path)) if !path.is_empty() => {
            let (path, follow) = (path_of(path), args.follow);
            return Ok(Some(Source::Lines(Input::Files { path, follow })));
        }
        Some(("kafka", topic)) => Some(kafka(args, topic)?),
        _ => {
            let expected = "expected nexmark, lines:PATH (a file, or a glob), lines:- for \
                            standard input, or kafka://HOST:PORT/TOPIC";
            return Err(wrong(expected));
        }
    };
    if args.follow {
        let why = match found {
            Some(Source::Lines(_)) | None => "--follow needs lines:PATH, a file that can grow",
            _ => "is read until Ctrl-C without --follow, unless it has ?until=end",
        };
        return Err(wrong(why));
    }
    Ok(found)
}

/// Parses a topic, and which part of it is read.
#[cfg(feature = "kafka")]
fn kafka(args: &RunArgs, topic: &str) -> Result<Source, UsageError> {
    use crate::source::KafkaInput;

    let given = args.source.clone().unwrap_or_default();
    let (topic, options) = super::kafka::topic("--source", &given, topic)?;
    let (mut from_latest, mut until_end) = (false, false);
    for option in options {
        match &*option {
            "from=earliest" => from_latest = false,
            "from=latest" => from_latest = true,
            "until=stopped" => until_end = false,
            "until=end" => until_end = true,
            _ => {
                let why = format!(
                    "{option}: expected from=earliest|latest, until=stopped|end or config=FILE"
                );
                return Err(UsageError::new("--source", given, why));
            }
        }
    }
    if from_latest && until_end {
        let why = "from=latest with until=end reads nothing: leave one of them out";
        return Err(UsageError::new("--source", given, why));
    }
    let rates = &args.events.rates;
    for (option, value, why) in [
        ("--events", &rates.events, "which messages come first differs from run to run"),
        ("--rate", &rates.rate, "messages come when they come"),
        ("--shape", &rates.shape, "messages come when they come"),
        ("--peak-rate", &rates.peak_rate, "messages come when they come"),
        ("--period", &rates.period, "messages come when they come"),
    ] {
        if let Some(value) = value.as_ref().filter(|value| option != "--rate" || *value != "max") {
            let why = format!("is not for --source kafka://: {why}; ?until=end ends the input");
            return Err(UsageError::new(option, value, why));
        }
    }
    Ok(Source::Kafka(KafkaInput { topic, from_latest, until_end }))
}

#[cfg(not(feature = "kafka"))]
fn kafka(args: &RunArgs, _: &str) -> Result<Source, UsageError> {
    Err(super::kafka::absent("--source", args.source.as_deref().unwrap_or_default()))
}
