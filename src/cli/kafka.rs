//! `kafka://HOST:PORT/TOPIC`, as the value of `--source` and `--sink`.

use std::sync::Arc;

use super::args::RunArgs;
use super::form::Parsed;
use super::{UsageError, form};
use crate::kafka::{KafkaSink, Properties, Topic};
use crate::sink::Sink;
use crate::source::{KafkaInput, Source};

/// Parses a topic as the source, and which part of it is read.
pub(super) fn source(args: &RunArgs, topic: &str) -> Parsed<dyn Source> {
    let given = args.source.clone();
    let (topic, options) = self::topic("--source", &given, topic)?;
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
    Ok(Arc::new(KafkaInput { topic, from_latest, until_end }))
}

/// Parses a topic as the sink of a run that reads `source`. Results wait in the state folder until they are
/// published.
pub(super) fn sink(args: &RunArgs, source: &dyn Source, topic: &str) -> Parsed<dyn Sink> {
    let given = args.sink.clone().unwrap_or_default();
    let (topic, options) = self::topic("--sink", &given, topic)?;
    let wrong = |why: String| UsageError::new("--sink", &given, why);
    if let Some(option) = options.first() {
        return Err(wrong(format!("{option}: expected config=FILE")));
    }
    let Some(state) = &args.state else {
        let why = "needs --state DIR: lines wait there until they are published, and a resumed \
        run continues from there";
        return Err(wrong(why.to_owned()));
    };
    Ok(Arc::new(KafkaSink::new(topic, source.topic().cloned(), state.clone())))
}

/// Parses a topic. Returns it with the options that are not the client's.
pub(super) fn topic(
    option: &str,
    given: &str,
    rest: &str,
) -> Result<(Topic, Vec<String>), UsageError> {
    let wrong = |why: String| UsageError::new(option, given, why);
    let rest = rest.strip_prefix("//");
    let rest = rest.ok_or_else(|| wrong("expected kafka://HOST:PORT/TOPIC".to_owned()))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut topic = Topic::parse(place).map_err(wrong)?;
    let mut others = Vec::new();
    for one in form::options(options).map_err(wrong)? {
        match one.split_once('=') {
            Some(("config", file)) => {
                let read = Properties::read(file.as_ref());
                topic.properties = read.map_err(|why| wrong(format!("config={file}: {why}")))?;
            }
            _ => others.push(one.to_owned()),
        }
    }
    topic.check().map_err(wrong)?;
    Ok((topic, others))
}
