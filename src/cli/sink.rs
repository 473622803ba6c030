//! `--sink` and `--out`: the destination of the results.

use std::sync::Arc;

use super::args::RunArgs;
use super::form::{self, Form, Parsed};
use super::settings::new_folder;
use super::{UsageError, folder_conflicts, kafka};
use crate::pipeline::TimelySettings;
use crate::sink::{Compression, FileSink, Files, Format, NullSink, Sink};
use crate::source::{Source, path_of};
use crate::units::{parse_bytes, parse_duration};

type Parse = fn(&RunArgs, &dyn Source, &str) -> Parsed<dyn Sink>;

/// All kinds of sinks.
const FORMS: [Form<Parse>; 3] = [
    Form {
        prefix: "files:",
        values: "files:DIR",
        help: "Options of files follow after a ?, with & between them: format=jsonl writes JSON lines, \
               compress=zstd compresses, roll_size=BYTES and roll_age=DURATION start new files sooner, \
               sync=none does not wait for the disk, io=buffered writes through the page cache.",
        parse: files,
    },
    Form {
        prefix: "kafka:",
        values: "kafka://HOST:PORT/TOPIC",
        help: "Kafka needs a build with the feature `kafka`, and --state; each line is published exactly \
               once.",
        parse: kafka::sink,
    },
    Form { prefix: NULL, values: NULL, help: "", parse: null },
];

/// The sink without an output.
pub(super) const NULL: &str = "null";

/// What the help says first, and what the output is without the option.
const HELP: (&str, &str) = ("Where results go", "files in a new folder in out/");

pub(super) fn help() -> String {
    form::help(&FORMS, HELP.0, HELP.1)
}

pub(super) fn long_help() -> String {
    form::long_help(&FORMS, HELP.0, HELP.1)
}

/// Parses the options, for a run that reads `source`. Without them the output is a new folder.
pub(super) fn sink(
    args: &RunArgs,
    source: &dyn Source,
    timely: &TimelySettings,
) -> Result<Arc<dyn Sink>, UsageError> {
    if let Some(dir) = &args.out {
        let given = dir.display().to_string();
        let is_prefix = |prefix: &str| prefix.ends_with(':') && given.starts_with(prefix);
        if given.contains("://") || FORMS.iter().any(|form| is_prefix(form.prefix)) {
            return Err(UsageError::new("--out", &given, format!("is no folder: --sink {given}")));
        }
        if let Some((folder, options)) =
            given.split_once('?').filter(|(_, rest)| rest.contains('='))
        {
            let why = format!("options are for --sink files:{folder}?{options}");
            return Err(UsageError::new("--out", &given, why));
        }
        return to_files(args, Files::new(dir));
    }
    if let Some(given) = &args.sink {
        return form::parse(&FORMS, "--sink", given, |parse, rest| parse(args, source, rest));
    }
    if timely.processes > 1 {
        let why = "several processes need --out DIR, the same for all";
        return Err(UsageError::new("-n", timely.processes.to_string(), why));
    }
    to_files(args, Files::new(new_folder("run")))
}

fn to_files(args: &RunArgs, files: Files) -> Result<Arc<dyn Sink>, UsageError> {
    folder_conflicts::refuse_shared(args, &files.dir)?;
    Ok(Arc::new(FileSink { files, overwrite: args.overwrite }))
}

fn files(args: &RunArgs, _: &dyn Source, rest: &str) -> Parsed<dyn Sink> {
    if rest.is_empty() {
        return Ok(None);
    }
    let given = args.sink.as_deref().unwrap_or_default();
    let wrong = |why: String| UsageError::new("--sink", given, why);
    let (dir, options) = rest.split_once('?').unwrap_or((rest, ""));
    if dir.is_empty() {
        return Err(wrong("names no folder: expected files:DIR?OPTIONS".to_owned()));
    }
    let mut files = Files::new(path_of(dir));
    for option in form::options(options).map_err(wrong)? {
        set(&mut files, option).map_err(|why| wrong(format!("{option}: {why}")))?;
    }
    to_files(args, files).map(Some)
}

fn null(args: &RunArgs, _: &dyn Source, rest: &str) -> Parsed<dyn Sink> {
    if !rest.is_empty() {
        return Ok(None);
    }
    // A file may have the settings of other sinks.
    if args.overwrite && !args.given.from_file.has("--overwrite") {
        let why = "is for an output: --sink null has none";
        return Err(UsageError::new("--overwrite", "(given)", why));
    }
    Ok(Some(Arc::new(NullSink)))
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
