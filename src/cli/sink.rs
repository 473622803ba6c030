//! `--sink` and `--out`: the destination of the results.

use super::UsageError;
use super::args::RunArgs;
use super::settings::new_folder;
use crate::pipeline::{Target, TimelySettings};
use crate::sink::{Compression, Files, Format};
use crate::source::path_of;
use crate::units::{parse_bytes, parse_duration};

/// Parses the options. Without them the output is a new folder.
pub(super) fn target(args: &RunArgs, timely: &TimelySettings) -> Result<Target, UsageError> {
    let target = |files| Target::Files { files, overwrite: args.overwrite };
    if let Some(dir) = &args.out {
        let given = dir.display().to_string();
        if given.contains("://") || given.starts_with("files:") {
            return Err(UsageError::new("--out", &given, format!("is no folder: --sink {given}")));
        }
        if let Some((folder, options)) =
            given.split_once('?').filter(|(_, rest)| rest.contains('='))
        {
            let why = format!("options are for --sink files:{folder}?{options}");
            return Err(UsageError::new("--out", &given, why));
        }
        return Ok(target(Files::new(dir)));
    }
    let Some(sink) = &args.sink else {
        if timely.processes > 1 {
            let why = "several processes need --out DIR, the same for all";
            return Err(UsageError::new("-n", timely.processes.to_string(), why));
        }
        return Ok(target(Files::new(new_folder("run"))));
    };
    if sink == "null" {
        // A file may have the settings of other sinks.
        if args.overwrite && !args.from_file.has("--overwrite") {
            let why = "is for an output: --sink null has none";
            return Err(UsageError::new("--overwrite", "(given)", why));
        }
        return Ok(Target::Null);
    }
    let wrong = |why: String| UsageError::new("--sink", sink, why);
    if let Some(topic) = sink.strip_prefix("kafka:") {
        return kafka(args, sink, topic);
    }
    let Some(rest) = sink.strip_prefix("files:").filter(|rest| !rest.is_empty()) else {
        return Err(wrong("expected files:DIR, kafka://HOST:PORT/TOPIC or null".to_owned()));
    };
    let (dir, options) = rest.split_once('?').unwrap_or((rest, ""));
    if dir.is_empty() {
        return Err(wrong("names no folder: expected files:DIR?OPTIONS".to_owned()));
    }
    let mut files = Files::new(path_of(dir));
    let mut given_keys = Vec::new();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        set(&mut files, option).map_err(|why| wrong(format!("{option}: {why}")))?;
        let key = option.split('=').next();
        if given_keys.contains(&key) {
            return Err(wrong(format!("{option}: is said twice")));
        }
        given_keys.push(key);
    }
    Ok(target(files))
}

/// Parses a topic. Results wait in the state folder until they are published.
#[cfg(feature = "kafka")]
fn kafka(args: &RunArgs, given: &str, topic: &str) -> Result<Target, UsageError> {
    let wrong = |why: String| UsageError::new("--sink", given, why);
    let (topic, options) = super::kafka::topic("--sink", given, topic)?;
    if let Some(option) = options.first() {
        return Err(wrong(format!("{option}: expected config=FILE")));
    }
    let Some(state) = &args.state else {
        let why = "needs --state DIR: lines wait there until they are published, and a resumed \
        run continues from there";
        return Err(wrong(why.to_owned()));
    };
    if args.overwrite {
        return Err(wrong(
            "cannot be used with --overwrite: nothing can be removed from a topic".to_owned(),
        ));
    }
    Ok(Target::Kafka { topic, outbox: Files::new(state.join(OUTBOX)) })
}

/// The folder of unpublished results, within the state folder.
#[cfg(feature = "kafka")]
const OUTBOX: &str = "outbox";

#[cfg(not(feature = "kafka"))]
fn kafka(_: &RunArgs, given: &str, _: &str) -> Result<Target, UsageError> {
    Err(super::kafka::absent("--sink", given))
}

/// Returns where the output is, for people.
pub(super) fn describe(target: &Target) -> Option<String> {
    match target {
        Target::Files { files, .. } => Some(files.dir.display().to_string()),
        #[cfg(feature = "kafka")]
        Target::Kafka { topic, .. } => Some(format!("{} at {}", topic.name, topic.brokers)),
        Target::Null => None,
    }
}

/// Sets one of the options after the `?`.
///
/// # Errors
/// The options that there are.
fn set(files: &mut Files, option: &str) -> Result<(), String> {
    let expected = "expected format=text|jsonl, compress=none|zstd, sync=all|none, io=direct|buffered, \
                    roll_size=BYTES or roll_age=DURATION";
    match option.split_once('=').ok_or(expected)? {
        ("format", "text") => files.format = Format::Text,
        ("format", "jsonl") => files.format = Format::JsonLines,
        ("compress", "none") => files.compression = Compression::None,
        ("compress", "zstd") => files.compression = Compression::Zstd,
        ("sync", "all") => files.sync = true,
        ("sync", "none") => files.sync = false,
        ("io", "direct") => files.direct = true,
        ("io", "buffered") => files.direct = false,
        ("roll_size", size) => {
            files.roll_bytes = parse_bytes(size).map_err(|error| error.to_string())?;
            if files.roll_bytes == 0 {
                return Err("must be at least 1".to_owned());
            }
        }
        ("roll_age", age) => {
            files.roll_age = parse_duration(age).map_err(|error| error.to_string())?;
            if files.roll_age.is_zero() {
                return Err("must be longer than 0".to_owned());
            }
        }
        _ => return Err(expected.to_owned()),
    }
    Ok(())
}
