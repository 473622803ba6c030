//! `--state`: the folder from which a run resumes, and the settings that must not change.

use std::collections::BTreeMap;

use super::args::RunArgs;
use super::{UsageError, trace_file};
use crate::pipeline::StateSettings;
use crate::sink::{Format, Sink};
use crate::units::{parse_bytes, parse_count, parse_duration};

/// Returns the options that the output depends on, with their values or defaults. Options that say how the
/// output is computed (policy, endpoint, workers, commit interval, compression) may change between runs.
fn output_depends_on(
    args: &RunArgs,
    sink: &dyn Sink,
) -> Result<BTreeMap<String, String>, UsageError> {
    let rates = &args.events.rates;
    let mut settings = BTreeMap::new();
    let mut set = |option: &str, given: Option<&String>, default: &str| {
        let value = given.map_or(default, String::as_str);
        if !value.is_empty() {
            settings.insert(option.to_owned(), canonical(value));
        }
    };
    let is_nexmark = args.source.as_deref().is_none_or(|source| source == "nexmark");
    let source = args.source.as_deref().map(topic_name);
    set("--source", source.as_ref(), "nexmark");
    set("--events", rates.events.as_ref(), "");
    set("--duration", rates.duration.as_ref(), "");
    set("--rate", rates.rate.as_ref(), if is_nexmark { "10k" } else { "max" });
    set("--shape", rates.shape.as_ref(), "constant");
    set("--peak-rate", rates.peak_rate.as_ref(), "");
    set("--period", rates.period.as_ref(), "");
    set("--seed", args.events.seed.as_ref(), if is_nexmark { "1" } else { "" });
    set("--nexmark", args.events.nexmark.as_ref(), "");
    set("--epoch", args.epoch.as_ref(), "100ms");
    set("--task", args.task.as_ref(), "words");
    set("--max-record", args.max_record.as_ref(), "1Mi");
    set("--sink", sink.identity().as_ref(), "");
    let letters = args.dead_letter.as_ref().map(|file| file.display().to_string());
    set("--dead-letter", letters.as_ref(), "");
    if sink.files().is_some_and(|files| files.format == Format::JsonLines) {
        settings.insert("the format of --sink".to_owned(), "jsonl".to_owned());
    }
    if let Some(file) = rates.shape.as_ref().and_then(|shape| shape.strip_prefix("trace:")) {
        let rates = trace_file::text(file).map_err(|error| {
            UsageError::new("--shape", format!("trace:{file}"), error.to_string())
        })?;
        settings.insert("the trace's rates".to_owned(), fingerprint(rates.as_bytes()));
    }
    Ok(settings)
}

/// Returns the same text for the same quantity, however it was written.
fn canonical(value: &str) -> String {
    let duration = parse_duration(value).map(|duration| format!("{duration:?}"));
    duration
        .or_else(|_| parse_count(value).map(|count| count.to_string()))
        .or_else(|_| parse_bytes(value).map(|bytes| bytes.to_string()))
        .unwrap_or_else(|_| value.to_owned())
}

/// Returns the name of a topic of Kafka without its brokers, so that these may change between runs.
fn topic_name(given: &str) -> String {
    let Some(rest) = given.strip_prefix("kafka://") else { return given.to_owned() };
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (_, topic) = place.split_once('/').unwrap_or(("", place));
    let mut options: Vec<&str> = options.split('&').filter(|one| is_of_input(one)).collect();
    options.sort_unstable();
    format!("kafka:{topic} {}", options.join(" ")).trim_end().to_owned()
}

/// Whether an option changes what is read.
fn is_of_input(option: &str) -> bool {
    !matches!(option, "" | "from=earliest" | "until=stopped") && !option.starts_with("config=")
}

/// Hashes the content of a file with FNV-1a, which will be the same in later versions.
fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Parses the option.
///
/// # Errors
/// If the run could not be resumed.
pub(super) fn state(args: &RunArgs, sink: &dyn Sink) -> Result<Option<StateSettings>, UsageError> {
    let Some(folder) = &args.state else { return Ok(None) };
    let refused = |why: &str| Err(UsageError::new("--state", folder.display().to_string(), why));
    let is_max = match args.events.rates.rate.as_deref() {
        Some(rate) => rate == "max",
        None => args.source.as_deref().is_some_and(|source| source != "nexmark"),
    };
    if args.source.as_deref() == Some("lines:-") {
        return refused(
            "standard input cannot be read again: give a file with --source lines:PATH",
        );
    }
    if is_max && args.events.rates.duration.is_some() {
        return refused(
            "with --rate max, where --duration ends the input depends on the clock, and a \
            resumed run cannot repeat it: give --events N",
        );
    }
    if args.out.is_none() && args.sink.is_none() {
        return refused("needs --out DIR: without it each run has a new folder");
    }
    if sink.files().is_none() {
        let given = args.sink.as_deref().unwrap_or_default();
        let why = format!("--sink {given} keeps no output that could be resumed: give --out DIR");
        return refused(&why);
    }
    if args.shadow {
        return refused("a run with --shadow cannot be resumed");
    }
    let output_depends_on = output_depends_on(args, sink)?;
    Ok(Some(StateSettings { folder: folder.clone(), output_depends_on }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_topic_does_not_include_its_brokers() {
        assert_eq!(topic_name("kafka://a:1,b:2/t?config=f&until=stopped"), "kafka:t");
        assert_eq!(topic_name("kafka://a:1/t?until=end"), "kafka:t until=end");
        assert_eq!(topic_name("lines:a?b"), "lines:a?b");
    }
}
