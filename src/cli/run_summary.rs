//! Reads a run's summary for `simulate --recorded`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::UsageError;
use super::remote_options::parse_model;
use crate::emulator::Model;

/// What the summary says of the workers and the remote side.
#[derive(Debug, Default)]
pub(super) struct RecordedRun {
    pub workers: Option<usize>,
    /// The time that a record takes a worker.
    pub record: Option<Duration>,
    /// The time that a record takes a function.
    pub remote_record: Option<Duration>,
    /// The local Lambda.
    pub lambda: Option<Model>,
}

impl RecordedRun {
    pub(super) fn read(path: &Path) -> Result<Self, UsageError> {
        let wrong = |why: String| UsageError::new("--recorded", path.display().to_string(), why);
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let summary: Value = serde_json::from_str(&text)
            .map_err(|error| wrong(format!("{error}: expected a run's --summary")))?;
        let number = |name: &str| {
            let value = summary[name].as_f64().filter(|value| *value >= 0.0);
            value.ok_or_else(|| wrong(format!("has no {name}: expected a run's --summary")))
        };
        let (events, remote) = (number("events_in")?, number("records_remote")?);
        let at_home = events - remote;
        if at_home <= 0.0 {
            return Err(wrong(
                "its workers computed no record, so their time per record is not \
            known"
                    .to_owned(),
            ));
        }
        let workers = number("workers")? * number("processes")?;
        // The true rate is the workers' sum. Without it, there is the CPU time of all threads.
        let true_rate = summary["true_rate_eps"].as_f64().filter(|rate| *rate > 0.0);
        let record_ns = match true_rate {
            Some(rate) => workers * 1e9 / rate,
            None => number("cpu_ns_per_event")? * events / at_home,
        };
        let remote_ns = (remote > 0.0).then_some(number("billed_ms")? * 1e6 / remote.max(1.0));
        let lambda = summary["lambda"].as_str().map(parse_model).transpose();
        Ok(RecordedRun {
            workers: Some((workers as usize).max(1)),
            record: Some(Duration::from_nanos(record_ns.max(1.0) as u64)),
            remote_record: remote_ns.map(|ns| Duration::from_nanos(ns as u64)),
            lambda: lambda.map_err(|why| wrong(format!("its lambda: {why}")))?,
        })
    }
}
