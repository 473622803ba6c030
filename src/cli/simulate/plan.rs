//! Turns the options into a simulation.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Simulation;
use crate::batch::Nanos;
use crate::bridge::Settings;
use crate::cli::args::{RateArgs, SimulateArgs};
use crate::cli::rates::{RateArg, refuse_rate_of_trace, schedule};
use crate::cli::run_summary::RecordedRun;
use crate::cli::{UsageError, path_conflicts, policy_options, remote_options, settings};
use crate::pipeline::{ModelOptions, simulated_lambda};
use crate::policy::{POLICIES, PolicyChoice, Spec};
use crate::simulate::{Lambda, Model, Service, Stage, Stream, events_per_second};
use crate::source::path_of;
use crate::units::show_duration;

impl Simulation {
    pub(in crate::cli) fn new(args: &SimulateArgs) -> Result<Self, UsageError> {
        refuse_rate_of_trace(&args.rates, &args.given)?;
        if args.rates.rate == Some(RateArg::Max) {
            let why = "has no schedule to simulate: give a rate in events per second";
            return Err(args.given.error("--rate", why));
        }
        let recorded = args.recorded.as_ref().map(|path| RecordedRun::read(path)).transpose()?;
        let recorded = recorded.unwrap_or_default();
        let schedule = Arc::new(schedule(&args.rates, &args.given)?);
        let events = events(args, &schedule)?;
        let services = services(args, &recorded)?;
        let timely = settings::timely(&args.timely)?;
        let workers = match recorded.workers {
            Some(workers) if args.timely.is_empty() => workers,
            _ => timely.workers * timely.processes,
        };
        let remote = args.local_lambda.clone().or(recorded.lambda).unwrap_or_default();
        remote_options::check_simulatable(&remote)?;
        for (option, path) in [
            ("--shape", args.rates.shape.trace().map(path_of)),
            ("--recorded", args.recorded.clone()),
        ] {
            if let (Some(json), Some(path)) = (&args.json, path)
                && fs::canonicalize(json).ok() == fs::canonicalize(&path).ok()
                && path.exists()
            {
                let why = format!("is what {option} reads: it would be overwritten");
                return Err(UsageError::new("--json", json.display().to_string(), why));
            }
        }
        if let Some(json) = &args.json {
            can_be_written(json)?;
        }
        let stages: Vec<Stage> = services
            .into_iter()
            .map(|stage| {
                let record = recorded.remote_record.unwrap_or(stage.service.record);
                Stage { remote: remote.scaled(record), ..stage }
            })
            .collect();
        let bridge = Settings {
            cost_limits: args.budget.limits(),
            ..remote_options::bridge(&args.requests, &args.given, remote.memory_mb)?
        };
        let lambda = Lambda { spread: args.remote_spread, ..simulated_lambda(&remote) };
        let ModelOptions { epoch, deadline, max_backlog } = args.model;
        let nanos = epoch.as_nanos() as Nanos;
        let capacity = events_per_second(&stages) * workers as f64;
        let stream = Stream::new(schedule, events, workers, nanos, capacity);
        let stream = stream.ok_or_else(|| {
            let why = "no event is due in this time: there is nothing to simulate";
            args.given.error("--duration", why)
        })?;
        const MOST_TICKS: u64 = 2_000_000_000;
        if stream.ticks().saturating_mul(workers as u64) > MOST_TICKS {
            let length = show_duration(Duration::from_nanos(stream.end()));
            let why = format!(
                "with {workers} workers is too long to simulate: at most 550 hours of one worker's time"
            );
            return Err(UsageError::new("--duration", length, why));
        }
        let model = Model {
            stream,
            workers,
            stages,
            deadline,
            max_backlog,
            bridge,
            lambda,
            seed: args.seed,
        };
        let policies = policies(args, capacity)?;
        Ok(Simulation { model, epoch, policies, lambda: remote.to_string() })
    }
}

/// Refuses a file whose folder does not exist, before the simulation runs.
fn can_be_written(json: &Path) -> Result<(), UsageError> {
    path_conflicts::refuse_folder("--json", json)?;
    let folder = json.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        let why = "its folder is not there: make it, or name another";
        return Err(UsageError::new("--json", json.display().to_string(), why));
    }
    Ok(())
}

/// Returns the number of events that are due before the end of the simulation.
fn events(args: &SimulateArgs, schedule: &crate::schedule::Schedule) -> Result<u64, UsageError> {
    let RateArgs { events, duration, .. } = args.rates;
    let until = duration.map(|duration| duration.as_nanos() as Nanos);
    let until = match (until, schedule.end()) {
        (Some(until), Some(end)) => Some(until.min(end)),
        (until, end) => until.or(end),
    };
    match (events, until.map(|until| schedule.count(until))) {
        (Some(events), Some(due)) => Ok(events.min(due)),
        (Some(events), None) => Ok(events),
        (None, Some(due)) => Ok(due),
        (None, None) => {
            let why = "is missing: give it or --events, because a simulation has to end";
            Err(args.given.error("--duration", why))
        }
    }
}

/// Returns the stages, of which the time in a function is not known yet.
fn services(args: &SimulateArgs, recorded: &RecordedRun) -> Result<Vec<Stage>, UsageError> {
    let of_run = recorded.record.map(|record| Stage::new(Service::constant(record), record));
    let stages =
        if args.service.is_empty() { Vec::from_iter(of_run) } else { args.service.clone() };
    if stages.is_empty() {
        let why = "is missing: the time that a record takes a worker, such as 12us (or give --recorded FILE)";
        return Err(args.given.error("--service", why));
    }
    Ok(stages)
}

/// Returns the policies without duplicates, in the order of their names on the command line.
fn policies(args: &SimulateArgs, capacity: f64) -> Result<Vec<PolicyChoice>, UsageError> {
    let all = args.policy.is_empty() || args.policy.iter().any(|name| name == "all");
    let mut given: Vec<&'static Spec> = Vec::new();
    for name in args.policy.iter().filter(|name| *name != "all") {
        let policy = Spec::named(name).ok_or_else(|| {
            let expected =
                format!("expected {} or all", policy_options::joined(POLICIES).replace(',', ", "));
            UsageError::new("--policy", name, expected)
        })?;
        given.push(policy);
    }
    if all {
        given.extend(POLICIES);
    }
    policy_options::refuse_unused(&args.given, &given, ", and --policy has none")?;
    let mut seen: Vec<&Spec> = Vec::new();
    given.retain(|policy| {
        let is_new = !seen.contains(policy);
        seen.push(policy);
        is_new
    });
    let threshold = args.threshold.or(all.then(|| capacity.max(1.0).floor()));
    let choice = |policy: &'static Spec| {
        let threshold = threshold.filter(|_| policy.needs_threshold());
        policy_options::choice(Some(policy), threshold, &args.given)
    };
    given.into_iter().map(choice).collect()
}
