//! What the workers can do, of which a threshold is a share where none is given.

use std::time::Duration;

use crate::cli::demo;
use crate::pipeline::{self, PolicyChoice, Settings, Stop, Target};

/// A task that one thread does more of a second costs a worker less than what else it does of a record.
const CHEAP: f64 = 200_000.0;

/// How long the workers are tried.
const TRIAL: Duration = Duration::from_millis(300);

/// Records a second that all workers do. An expensive task is tried by itself, on one thread; a cheap
/// one in a dataflow at full speed, where most of the time is not the task's.
pub(super) fn measure(settings: &Settings) -> f64 {
    let alone = demo::capacity(&settings.task, settings.work.first());
    let of_task = alone * settings.timely.workers as f64;
    let of_all = (alone > CHEAP).then(|| full_speed(settings)).flatten();
    of_all.map_or(of_task, |of_all| of_all.min(of_task))
}

fn full_speed(settings: &Settings) -> Option<f64> {
    let trial = Settings {
        schedule: None,
        events: None,
        duration: Some(TRIAL),
        skew: None,
        policy: PolicyChoice::Local,
        shadow: false,
        // What waits at its end is done too, and is to be little.
        max_backlog: 10_000,
        target: Target::Null,
        state: None,
        dead_letter: None,
        summary: None,
        series: None,
        ..settings.clone()
    };
    // Whatever is wrong is said by the runs themselves.
    let (summary, result) = pipeline::run(trial, &Stop::default(), |_| ());
    result.ok()?;
    summary.map(|summary| summary.throughput_eps).filter(|rate| *rate > 0.0)
}
