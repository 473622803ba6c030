//! `--state`: the folder from which a run resumes, and the settings that must not change.

use std::collections::BTreeMap;

use super::args::RunArgs;
use super::given::canonical;
use super::rates::{DEFAULT_RATE, MAX};
use super::{UsageError, function_task, trace_file};
use crate::emulator::Package;
use crate::job::DataflowDescription;
use crate::pipeline::{Sending, StateSettings, mark};
use crate::sink::Sink;
use crate::source::Source;
use crate::units::show_rate;

/// The name of the checksum of a trace's rates.
const TRACE: &str = "the trace's rates";

/// Returns the options that have one of these marks, with their values or defaults. Options whose default
/// depends on the source have it too.
fn marked(
    args: &RunArgs,
    dataflow: &DataflowDescription,
    source: &dyn Source,
    marks: &[&str],
) -> Result<BTreeMap<String, String>, UsageError> {
    let mut values = args.given.marked(marks);
    let mut default = |option: &str, value: &str| {
        values.entry(option.to_owned()).or_insert_with(|| canonical(value));
    };
    match source.is_generated() {
        true => default("--rate", &show_rate(DEFAULT_RATE)),
        false => {
            default("--rate", MAX);
            values.remove("--seed");
        }
    }
    if function_task::folder(&args.options.task).is_none() {
        values.remove("--records");
    }
    if args.given.program.is_own() {
        values.insert("the dataflow".to_owned(), dataflow.identity());
    }
    if let Some(identity) = source.identity() {
        values.insert("--source".to_owned(), identity);
    }
    if let Some(file) = args.events.rates.shape.trace() {
        let rates = trace_file::text(file)
            .map_err(|error| args.given.error("--shape", error.to_string()))?;
        values.insert(TRACE.to_owned(), fingerprint(rates.as_bytes()));
    }
    Ok(values)
}

/// Returns the options that the output depends on, with their values or defaults. Options that say how the
/// output is computed (policy, endpoint, workers, commit interval, compression) may change between runs.
fn output_depends_on(
    args: &RunArgs,
    dataflow: &DataflowDescription,
    source: &dyn Source,
    sink: &dyn Sink,
) -> Result<BTreeMap<String, String>, UsageError> {
    let mut values = marked(args, dataflow, source, &[mark::OUTPUT])?;
    values.extend(sink.output_depends_on().map(|(name, value)| (name.to_owned(), value)));
    Ok(values)
}

/// Returns the options that all processes of a run must be given alike, with their values or defaults.
pub(super) fn shared(
    args: &RunArgs,
    dataflow: &DataflowDescription,
    source: &dyn Source,
    sink: &dyn Sink,
    (sending, stages): (&Sending, &[(String, Sending)]),
) -> Result<BTreeMap<String, String>, UsageError> {
    let mut values = marked(args, dataflow, source, &[mark::OUTPUT, mark::RUN])?;
    let of_stages = stages.iter().map(|(name, sending)| (format!("--stage {name}."), sending));
    for (option, Sending { policy, .. }) in of_stages.chain([("--".to_owned(), sending)]) {
        values.insert(format!("{option}policy"), policy.name().to_owned());
        // A threshold in a file does not count under a policy that has none.
        match policy.threshold() {
            Some(rate) => values.insert(format!("{option}threshold"), rate.to_string()),
            None => values.remove(&format!("{option}threshold")),
        };
    }
    // The rates themselves are compared, wherever a process reads them.
    if values.contains_key(TRACE) {
        values.remove("--shape");
    }
    // Two options name the output.
    values.remove("--out");
    values.remove("--sink");
    values.insert("the output (--out or --sink)".to_owned(), sink.description());
    // Figures over time are counted by all processes or by none. Only process 0 writes them.
    values.entry("--series".to_owned()).and_modify(|path| "(given)".clone_into(path));
    values.insert("--work".to_owned(), args.options.work.to_string());
    Ok(values)
}

/// Hashes the content of a file with FNV-1a, which will be the same in later versions.
fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Parses the option. The input `is_scheduled` if each record has a due time.
///
/// # Errors
/// If the run could not be resumed.
pub(super) fn state(
    args: &RunArgs,
    dataflow: &DataflowDescription,
    source: &dyn Source,
    sink: &dyn Sink,
    is_scheduled: bool,
    function: Option<&Package>,
) -> Result<Option<StateSettings>, UsageError> {
    let Some(folder) = &args.state else { return Ok(None) };
    let refused = |why: &str| Err(UsageError::new("--state", folder.display().to_string(), why));
    if !is_scheduled && args.events.rates.duration.is_some() {
        return refused(
            "with --rate max, where --duration ends the input depends on the clock, and a \
            resumed run cannot repeat it: give --events N",
        );
    }
    if args.out.is_none() && args.sink.is_none() {
        return refused("needs --out DIR: without it each run has a new folder");
    }
    let output_depends_on = output_depends_on(args, dataflow, source, sink)?;
    // A file that cannot be read is the function's to report.
    let code = function.and_then(|function| function.fingerprint().ok());
    Ok(Some(StateSettings { folder: folder.clone(), output_depends_on, code }))
}
