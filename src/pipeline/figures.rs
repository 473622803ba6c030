//! The run's figures: what its summary says of all processes, and where they are written.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::error::chain;
use super::worker::Shared;
use super::{Endpoint, RunError, Settings, shadow, verdict};
use crate::observe::{Report, Series, Summary, Totals};

const SUMMARY: &str = "summary";
const SERIES: &str = "series";

/// The files that the run's figures are written to.
pub(super) fn figures_to(settings: &Settings) -> Vec<(&'static str, &PathBuf)> {
    let files = [(SUMMARY, &settings.summary), (SERIES, &settings.series)];
    files.into_iter().filter_map(|(what, path)| Some((what, path.as_ref()?))).collect()
}

/// Sums up a run of so long, which has `stopped` so. Of one that is there `in_part`, what was computed and is
/// not committed is no output.
pub(super) fn sum_up(
    shared: &Shared,
    report: &Report,
    wall: Duration,
    stopped: &str,
    in_part: bool,
) -> Summary {
    let settings = &shared.settings;
    let mut summary = Summary::of(report, wall, &settings.bridge.cost);
    summary.policy = settings.policy.name().to_owned();
    summary.task = settings.task.clone();
    summary.work_us = settings.work.first().as_nanos() as f64 / 1e3;
    stopped.clone_into(&mut summary.stopped);
    if in_part && settings.target.files().is_some() {
        // What was computed and is not committed is no output.
        summary.results_out = shared.sink.committed_records();
    }
    let before = shared.output.committed.as_deref();
    let (records, bad) = before.map_or((0, 0), |before| (before.records(), before.bad()));
    let bad_now = if in_part { shared.sink.committed_bad() } else { summary.records_bad };
    let begun = shared.started.get().map_or(0, |started| started.epoch);
    summary.epochs = summary.epochs.saturating_sub(begun);
    summary.total = Totals {
        events_in: records + bad + summary.results_out + bad_now,
        results_out: records + summary.results_out,
        runs: shared.output.runs,
        cost_usd: shared.output.spent() + summary.cost_usd,
    };
    summary.deadline_ms = settings.deadline.as_secs_f64() * 1e3;
    summary.missed = verdict::missed(settings, report);
    summary.nothing_remote = verdict::nothing_remote(settings, report);
    if let Endpoint::Embedded(model) = &settings.endpoint
        && settings.is_bursting()
    {
        summary.lambda = Some(model.to_string());
    }
    summary
}

/// Sums up a run of so long, and writes what the settings ask for; `result` is how it ended, and `in_part`
/// whether its last epoch was given up. For process 0.
pub(super) fn write(
    shared: &Shared,
    report: &Report,
    wall: Duration,
    result: &Result<(), RunError>,
    in_part: bool,
) -> (Summary, Result<(), RunError>) {
    let settings = &shared.settings;
    let has_failed = !result.as_ref().err().is_none_or(RunError::is_of_done_work);
    let stopped = match has_failed {
        true => "failed",
        false if shared.was_stopped.load(Relaxed) => "signal",
        false => "done",
    };
    let mut summary = sum_up(shared, report, wall, stopped, has_failed || in_part);
    summary.error = result.as_ref().err().map(|error| chain(error));
    let series = settings.has_series().then(|| Series::of(report, &settings.bridge.cost));
    if let Some(series) = series.as_ref().filter(|_| settings.shadow) {
        let true_rate = summary.true_rate_eps.unwrap_or_default();
        summary.shadow = shadow::shadow(settings, series, summary.workers, true_rate);
    }
    let written = figures_to(settings).into_iter().try_for_each(|(what, path)| {
        let written = match what {
            SUMMARY => summary.write(path),
            _ => series.iter().try_for_each(|series| series.write(path)),
        };
        written.map_err(|source| RunError::Figures {
            what,
            path: path.display().to_string(),
            source,
        })
    });
    (summary, written)
}
