//! The run's summary and series: what they say of all processes, and where they are written.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::error::cause_chain;
use super::worker::RunContext;
use super::{Endpoint, RunError, Settings, shadow, warnings};
use crate::observe::{Report, Series, Summary, Totals};

const SUMMARY: &str = "summary";
const SERIES: &str = "series";

/// Returns the files that the settings ask for, with their names.
pub(super) fn figure_files(settings: &Settings) -> Vec<(&'static str, &PathBuf)> {
    let files = [(SUMMARY, &settings.options.summary), (SERIES, &settings.options.series)];
    files.into_iter().filter_map(|(what, path)| Some((what, path.as_ref()?))).collect()
}

/// Summarizes a run that lasted `wall` and ended as `stopped`. If `is_partial`, results that were computed
/// and are not committed do not count.
pub(super) fn summarize(
    context: &RunContext,
    report: &Report,
    wall: Duration,
    stopped: &str,
    is_partial: bool,
) -> Summary {
    let settings = &context.settings;
    let mut summary = Summary::of(report, wall);
    summary.policy = settings.policy_names();
    for stage in summary.stages.iter_mut().filter(|stage| !stage.is_call) {
        stage.policy = Some(settings.sending_of(&stage.name).policy.name().to_owned());
    }
    summary.task = settings.dataflow.tasks();
    let processes = settings.timely.processes;
    summary.function_processes = settings.pool.as_ref().map(|pool| pool.processes * processes);
    summary.function_restarts = settings.pool.as_ref().map(|_| report.function_restarts);
    summary.work_us = settings.options.work.first().as_nanos() as f64 / 1e3;
    stopped.clone_into(&mut summary.stopped);
    if (is_partial || !settings.dataflow.is_last_stage) && settings.sink.files().is_some() {
        // What was computed and is not committed is no output. Behind the last stage there may be another number of
        // results.
        summary.results_out = context.sink.committed_records();
    }
    let before = context.output.committed.as_deref();
    let (records, bad) = before.map_or((0, 0), |before| (before.records(), before.bad()));
    let bad_now = if is_partial { context.sink.committed_bad() } else { summary.records_bad };
    let begun = context.started.get().map_or(0, |started| started.epoch);
    summary.epochs = summary.epochs.saturating_sub(begun);
    summary.total = Totals {
        events_in: records + bad + summary.results_out + bad_now,
        results_out: records + summary.results_out,
        runs: context.output.runs,
        cost_usd: context.output.spent() + summary.cost_usd,
    };
    summary.deadline_ms = settings.options.model.deadline.as_secs_f64() * 1e3;
    summary.missed = warnings::missed_deadline(settings, report);
    summary.nothing_remote = warnings::nothing_remote(settings, report);
    summary.lambda = settings.functions().iter().find_map(|function| match function.endpoint {
        Endpoint::Embedded(model) => Some(model.to_string()),
        Endpoint::Remote(_) => None,
    });
    summary
}

/// Summarizes a run, and writes the files that the settings ask for. `result` says how the run ended, and
/// `is_partial` whether its last epochs were given up. Only process 0 calls this.
pub(super) fn write(
    context: &RunContext,
    report: &Report,
    wall: Duration,
    result: &Result<(), RunError>,
    is_partial: bool,
) -> (Summary, Result<(), RunError>) {
    let settings = &context.settings;
    let has_failed = !result.as_ref().err().is_none_or(RunError::is_work_committed);
    let stopped = match has_failed {
        true => "failed",
        false if context.was_stopped.load(Relaxed) => "signal",
        false => "done",
    };
    let mut summary = summarize(context, report, wall, stopped, has_failed || is_partial);
    summary.error = result.as_ref().err().map(|error| cause_chain(error));
    let series = settings.has_series().then(|| Series::of(report));
    if let Some(series) = series.as_ref().filter(|_| settings.options.shadow) {
        let true_rate = summary.true_rate_eps.unwrap_or_default();
        summary.shadow = shadow::simulate_policy(settings, series, summary.workers, true_rate);
    }
    let written = figure_files(settings).into_iter().try_for_each(|(what, path)| {
        let written = match what {
            SUMMARY => summary.write(path),
            _ => series.iter().try_for_each(|series| series.write(path)),
        };
        written.map_err(|source| RunError::Write { what, path: path.display().to_string(), source })
    });
    (summary, written)
}
