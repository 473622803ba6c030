//! `--sink` and `--out`: the destination of the results.

use std::sync::Arc;

use super::args::RunArgs;
use super::form::{self, Excluded, Form, Parsed};
use super::settings::new_folder;
use super::{UsageError, folder_conflicts, kafka};
use crate::job::DataflowDescription;
use crate::pipeline::TimelySettings;
use crate::sink::{Compression, FileSink, Files, Format, NullSink, Sink};
use crate::source::{Source, path_of};
use crate::units::{parse_above_zero, parse_bytes};

type Parse = fn(&RunArgs, &dyn Source, &str) -> Parsed<dyn Sink>;

/// All kinds of sinks.
const FORMS: [Form<Parse>; 3] = [
    Form {
        prefix: "files:",
        values: "files:DIR",
        help: "Options of files follow after a ?, with & between them: format=jsonl writes JSON lines, \
               compress=zstd compresses, roll_size=BYTES and roll_age=DURATION start new files sooner, \
               sync=none does not wait for the disk, io=buffered writes through the page cache.",
        excludes: &[],
        parse: files,
    },
    Form {
        prefix: "kafka:",
        values: "kafka://HOST:PORT/TOPIC",
        help: "Kafka needs a build with the feature `kafka`, and --state; each line is published exactly \
               once.",
        excludes: &[Excluded::new("--overwrite", "nothing can be removed from a topic")],
        parse: kafka::sink,
    },
    Form {
        prefix: NULL,
        values: NULL,
        help: "",
        excludes: &[
            Excluded::new("--overwrite", "it has no output"),
            Excluded::new("--state", "it keeps no output that could be resumed: give --out DIR"),
        ],
        parse: null,
    },
];

/// The sink without an output.
pub(super) const NULL: &str = "null";

/// What the help says first.
const HELP: &str = "Where results go";

/// What the help says last: the default is another folder for each run.
const DEFAULT: &str = "[default: files in a new folder in out/]";

pub(super) fn help() -> String {
    format!("{} {DEFAULT}", form::help(&FORMS, HELP))
}

pub(super) fn long_help() -> String {
    format!("{}\n\n{DEFAULT}", form::long_help(&FORMS, HELP))
}

/// Whether a value of `--sink` excludes `option`.
pub(super) fn excludes(value: &str, option: &str) -> bool {
    form::excludes(&FORMS, value, option)
}

/// Returns the option that names the output.
pub(super) fn option(args: &RunArgs) -> &'static str {
    if args.sink.is_some() { "--sink" } else { "--out" }
}

/// Parses the options, for a run that reads `source`. Without them the output is a new folder.
pub(super) fn sink(
    args: &RunArgs,
    source: &dyn Source,
    timely: &TimelySettings,
) -> Parsed<dyn Sink> {
    if let Some(dir) = &args.out {
        let given = dir.display().to_string();
        if given.contains("://") || FORMS.iter().any(|form| form.begins(&given)) {
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
    if let Some(value) = &args.sink {
        let parse = |parse: &Parse, rest: &str| parse(args, source, rest);
        return form::parse(&FORMS, "--sink", value, &args.given, parse);
    }
    if timely.processes > 1 {
        let why = "several processes need --out DIR, the same for all";
        return Err(UsageError::new("-n", timely.processes.to_string(), why));
    }
    to_files(args, Files::new(new_folder("run")))
}

/// Checks that the sink has no format where the dataflow has its own.
///
/// # Errors
/// If it has one.
pub(super) fn refuse_format(
    args: &RunArgs,
    dataflow: &DataflowDescription,
    sink: &dyn Sink,
) -> Result<(), UsageError> {
    let chosen =
        sink.files().map(|files| files.format).filter(|format| *format != Format::default());
    match (dataflow.format, chosen) {
        (Some(own), Some(_)) => {
            let why =
                format!("the dataflow says what its lines are like ({own}): leave format= out");
            Err(UsageError::new("--sink", args.sink.clone().unwrap_or_default(), why))
        }
        _ => Ok(()),
    }
}

fn to_files(args: &RunArgs, files: Files) -> Parsed<dyn Sink> {
    folder_conflicts::refuse_shared(args, &files.dir)?;
    Ok(Arc::new(FileSink { files, overwrite: args.overwrite }))
}

fn files(args: &RunArgs, _: &dyn Source, rest: &str) -> Parsed<dyn Sink> {
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
    to_files(args, files)
}

fn null(_: &RunArgs, _: &dyn Source, _: &str) -> Parsed<dyn Sink> {
    Ok(Arc::new(NullSink))
}

/// Sets one of the options after the `?`.
///
/// # Errors
/// The options that there are.
fn set(files: &mut Files, option: &str) -> Result<(), String> {
    let formats = Format::ALL.map(Format::name).join("|");
    let expected = format!(
        "expected format={formats}, compress=none|zstd, sync=all|none, io=direct|buffered, roll_size=BYTES or \
         roll_age=DURATION"
    );
    let Some((key, value)) = option.split_once('=') else { return Err(expected) };
    match (key, value) {
        ("format", name) => {
            let named = Format::ALL.into_iter().find(|format| format.name() == name);
            files.format = named.ok_or(expected)?;
        }
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
            files.roll_age = parse_above_zero(age).map_err(|error| error.to_string())?;
        }
        _ => return Err(expected),
    }
    Ok(())
}
