//! `--shadow`: what a policy would have done with the records of the run, without sending any.
//!
//! The run does everything on the workers, and counts how many records came when, and how fast the workers
//! were. From these the simulator computes, with the policy's own code, what would have been sent and how
//! late results would have been, with the remote side that `--local-lambda` describes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, Settings};
use crate::batch::Nanos;
use crate::emulator::Model as Function;
use crate::observe::{Line, Percentiles, Series, Shadow};
use crate::schedule::{Schedule, Shape, Trace};
use crate::simulate::{Availability, Conditions, Lambda, Model, Ramp, Service, Stage, Stream};

/// Returns the simulator's model of the local Lambda `model`.
pub fn simulated_lambda(model: &Function) -> Lambda {
    let at = |age: Duration| {
        let is_down = model.outage.is_some_and(|(from, to)| (from..to).contains(&age));
        let availability = if is_down { Availability::Unreachable } else { Availability::Answers };
        let (_, _, slower) = model.trouble_at(age);
        (age.as_nanos() as Nanos, Conditions { slower, availability, ..Conditions::default() })
    };
    let changes = [model.outage, model.trouble].into_iter().flatten();
    let mut times: Vec<Duration> = changes.flat_map(|(from, to)| [from, to]).collect();
    times.push(Duration::ZERO);
    times.sort_unstable();
    Lambda {
        network: model.network,
        cold_start: model.cold_start,
        idle: model.idle,
        concurrency: model.environments(),
        requests: model.requests as f64,
        ramp: Ramp { most: model.ramp as f64, per_second: model.ramp as f64 / 10.0 },
        failure_rate: model.failure_rate,
        throttle_rate: model.throttle_rate,
        conditions: times.into_iter().map(at).collect(),
        ..Lambda::default()
    }
}

/// Simulates the policy of `settings` on workers that did `true_rate` records a second together. Returns none
/// if no records came, or the workers' rate is not known.
pub(super) fn simulate_policy(
    settings: &Settings,
    series: &Series,
    workers: usize,
    true_rate: f64,
) -> Option<Shadow> {
    let Endpoint::Embedded(function) = &settings.sending.endpoint else { return None };
    let (schedule, events) = offered_schedule(series)?;
    let record = Duration::try_from_secs_f64(workers as f64 / true_rate).ok()?;
    let epoch = settings.epoch_length_or_nominal().as_nanos() as Nanos;
    let model = Model {
        stream: Stream::new(schedule, events, workers, epoch, true_rate)?,
        workers,
        stages: vec![Stage::new(Service::constant(record), function.scaled(record))],
        deadline: settings.options.model.deadline,
        max_backlog: settings.options.model.max_backlog,
        bridge: settings.sending.bridge.clone(),
        lambda: simulated_lambda(function),
        seed: function.seed,
    };
    let policy = settings.sending.policy;
    let make = || {
        policy.make(settings.epoch_length_or_nominal(), settings.options.model.deadline, workers)
    };
    let outcome = model.run(policy.needs_remote(), make);
    Some(Shadow {
        policy: policy.name().to_owned(),
        offloaded_fraction: outcome.counts.remote as f64 / events as f64,
        late_fraction: outcome.late as f64 / events as f64,
        latency_ms: Percentiles::from(&outcome.latency),
        requests: outcome.counters.requests,
        cost_usd: outcome.usd,
    })
}

/// Returns the offered rate of each slot as a schedule, and the number of events in it.
fn offered_schedule(series: &Series) -> Option<(Arc<Schedule>, u64)> {
    let (mut rows, mut events, mut end) = (String::new(), 0, 0.0);
    for line in &series.lines {
        let Line::Slot(slot) = line else { continue };
        let rate = slot.offered as f64 * 1e3 / slot.length_ms.max(1.0);
        // Writing to a String cannot fail.
        let _ = writeln!(rows, "{},{rate}", slot.t_ms / 1e3);
        events += slot.offered;
        end = slot.t_ms + slot.length_ms;
    }
    let _ = writeln!(rows, "{},0", end / 1e3);
    let trace: Trace = rows.parse().ok()?;
    let schedule = Schedule::new(Shape::Trace(trace), 0.0, 0.0, 0).ok()?;
    let events = events.min(schedule.count((end * 1e6) as Nanos));
    Some((Arc::new(schedule), events))
}
