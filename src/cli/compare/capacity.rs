//! Measures what the workers can do. A default threshold is a share of it.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::{Program, demo};
use crate::observe::Summary;
use crate::pipeline::{self, ModelOptions, RunOptions, Sending, Settings, Stop};
use crate::policy::PolicyChoice;
use crate::sink::NullSink;

/// If one thread does more records of a task a second than this, the task costs a worker less than the rest
/// of its work on a record.
const CHEAP_TASK_RATE: f64 = 200_000.0;

/// How long the measurement takes.
const TRIAL: Duration = Duration::from_millis(300);

/// Returns the records a second that all workers can do. An expensive task is measured by itself, on one
/// thread; a cheap one, a user's dataflow or a function, at full speed, where most of the time may not be the task's.
pub(super) fn measure(program: &Program, settings: &Settings) -> f64 {
    if program.is_own() || settings.pool.is_some() {
        return full_speed(settings).unwrap_or(0.0);
    }
    let alone = demo::capacity(&settings.options.task, settings.options.work.first());
    let of_task = alone * settings.timely.workers as f64;
    let of_all = (alone > CHEAP_TASK_RATE).then(|| full_speed(settings)).flatten();
    of_all.map_or(of_task, |of_all| of_all.min(of_task))
}

fn full_speed(settings: &Settings) -> Option<f64> {
    // A function may take milliseconds for a record.
    let max_backlog = if settings.pool.is_some() { 500 } else { 10_000 };
    let options = RunOptions {
        shadow: false,
        // What waits at the end is done too, and is to be little.
        model: ModelOptions { max_backlog, ..settings.options.model.clone() },
        dead_letter: None,
        summary: None,
        series: None,
        ..settings.options.clone()
    };
    let trial = Settings {
        options,
        schedule: None,
        events: None,
        duration: Some(TRIAL),
        sending: Sending { policy: PolicyChoice::LOCAL, ..settings.sending.clone() },
        stages: Vec::new(),
        sink: Arc::new(NullSink),
        state: None,
        ..settings.clone()
    };
    // Whatever is wrong is said by the runs themselves.
    let finished = pipeline::run(trial, &Stop::default(), &mut ());
    finished.result.ok()?;
    // Of a dataflow of several stages, an event may have any number of results.
    let rate = |summary: Summary| summary.events_in as f64 / (summary.wall_ms / 1e3);
    finished.summary.map(rate).filter(|rate| rate.is_finite() && *rate > 0.0)
}
