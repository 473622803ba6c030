//! `floodway simulate`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use serde_json::{Value, json};

use super::args::{PolicyArg, RateArgs, SimulateArgs};
use super::output::print;
use super::recorded::Recorded;
use super::settings::{bounds, duration, not_of_a_trace, number, parse, schedule};
use super::{UsageError, bursting, settings};
use crate::batch::Nanos;
use crate::cost::Cost;
use crate::emulator;
use crate::observe::Percentiles;
use crate::pipeline::{PolicyChoice, simulated};
use crate::simulate::{Lambda, Model, Optimum, Outcome, Service, Spread, Stream};
use crate::units::{parse_duration, parse_rate, show_count, show_duration, show_many, show_rate};

/// What is simulated: a model, and the policies.
struct Simulation {
    model: Model,
    epoch: Duration,
    policies: Vec<PolicyChoice>,
    /// As the local Lambda's options are typed.
    lambda: String,
}

pub(super) fn simulate(args: &SimulateArgs) -> Result<()> {
    let simulation = Simulation::new(args)?;
    let model = &simulation.model;
    let optimum = model.optimum();
    eprint!("{}", simulation.words(&optimum));
    let began = Instant::now();
    let outcomes: Vec<(PolicyChoice, Outcome)> = simulation
        .policies
        .iter()
        .map(|choice| {
            let make = || choice.make(simulation.epoch, model.deadline, model.workers);
            (*choice, model.run(choice.needs_remote(), make))
        })
        .collect();
    let took = began.elapsed();
    // The file is written whatever becomes of the table.
    let printed = print(&table(model, &outcomes, &optimum));
    let (stream, times) = (Duration::from_nanos(model.stream.end()), outcomes.len() as u64);
    eprintln!(
        "{} of stream, {}, in {}",
        show_duration(stream),
        show_many(times, "time"),
        show_duration(took)
    );
    if let Some(path) = &args.json {
        let mut text = serde_json::to_vec_pretty(&simulation.json(&outcomes, &optimum))?;
        text.push(b'\n');
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    printed
}

impl Simulation {
    fn new(args: &SimulateArgs) -> Result<Self, UsageError> {
        not_of_a_trace(&args.rates)?;
        if args.rates.rate.as_deref() == Some("max") {
            let why = "has no schedule, and nothing to simulate: give a rate in events a second";
            return Err(UsageError::new("--rate", "max", why));
        }
        let recorded = args.recorded.as_ref().map(|path| Recorded::read(path)).transpose()?;
        let recorded = recorded.unwrap_or_default();
        let schedule = Arc::new(schedule(&args.rates)?);
        let events = events(args, &schedule)?;
        let service = service(args, &recorded)?;
        let timely = settings::timely(&args.timely)?;
        let workers = match recorded.workers {
            Some(workers) if args.timely.is_empty() => workers,
            _ => timely.workers * timely.processes,
        };
        let options = args.local_lambda.clone().or(recorded.lambda);
        let remote = bursting::model(options.as_ref())?;
        bursting::can_be_simulated(&remote)?;
        for (option, path) in
            [("--shape", trace_file(&args.rates)), ("--recorded", args.recorded.clone())]
        {
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
        let prices = bursting::prices(&args.bridge)?;
        let bridge = bursting::bridge(&args.bridge, Cost { prices, memory_mb: remote.memory_mb })?;
        let lambda = lambda(args, &remote, recorded.remote_record.unwrap_or(service.record))?;
        let epoch = duration("--epoch", &args.epoch, Duration::from_millis(100))?;
        let nanos = epoch.as_nanos() as Nanos;
        let capacity = service.rate() * workers as f64;
        let stream = Stream::new(schedule, events, workers, nanos, capacity);
        let stream = stream.ok_or_else(|| {
            UsageError::new("--events", "0", "no event is due in this time: nothing to simulate")
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
            service,
            deadline: duration("--deadline", &args.deadline, Duration::from_millis(200))?,
            max_backlog: number("--max-backlog", &args.max_backlog, 500_000)? as usize,
            bridge,
            lambda,
            seed: parse("--seed", args.seed.as_ref(), 1, u64::from_str)?,
        };
        let policies = policies(args, capacity)?;
        Ok(Simulation { model, epoch, policies, lambda: remote.to_string() })
    }

    /// What is simulated, and what is to be said about it.
    fn words(&self, optimum: &Optimum) -> String {
        let Model { workers, service, deadline, bridge, lambda, stream, .. } = &self.model;
        let mut words = format!(
            "{} events in {}; {} of {} events a second each; due after {}\n\
             remote: {}\n",
            show_count(stream.events()),
            show_duration(Duration::from_nanos(stream.end())),
            show_many(*workers as u64, "worker"),
            show_count(service.rate() as u64),
            show_duration(*deadline),
            self.lambda,
        );
        let thresholds = self.policies.iter().find_map(|policy| match policy {
            PolicyChoice::Threshold(rate) | PolicyChoice::Spill(rate) => Some(*rate),
            _ => None,
        });
        if let Some(rate) = thresholds {
            let _ = writeln!(words, "threshold: {} events a second", show_rate(rate));
        }
        let (one, full) = (lambda.least(1), lambda.least(bridge.batch_records));
        if full > *deadline {
            let _ = writeln!(
                words,
                "warning: --deadline {}: a request takes at least {} with one record and {} with {}: \
                 {}",
                show_duration(*deadline),
                show_duration(one),
                show_duration(full),
                bridge.batch_records,
                if one > *deadline {
                    "nothing that is sent can be in time"
                } else {
                    "a full one cannot be in time; a smaller --batch may be"
                }
            );
        }
        if !optimum.is_feasible {
            words.push_str(
                "warning: the optimum has to send some, and the remote side cannot do it in time: \
                 its row says what it would have to send\n",
            );
        }
        words
    }

    fn json(&self, outcomes: &[(PolicyChoice, Outcome)], optimum: &Optimum) -> Value {
        let Model { workers, service, deadline, bridge, stream, seed, .. } = &self.model;
        let rows: Vec<Value> = outcomes
            .iter()
            .map(|(choice, outcome)| {
                json!({
                    "policy": choice.name(),
                    "latency_ms": Percentiles::from(&outcome.latency),
                    "burst_latency_ms": Percentiles::from(&outcome.burst_latency),
                    "burst_events": outcome.burst_latency.len(),
                    "late_fraction": outcome.late_share(),
                    "offloaded_fraction": outcome.offloaded_share(),
                    "home_of_optimum": outcome.home_of_optimum(optimum),
                    "records_local": outcome.counts.local,
                    "records_remote": outcome.counts.remote,
                    "records_home": outcome.counts.home,
                    "requests": outcome.requests,
                    "attempts": outcome.attempts,
                    "hedged": outcome.hedged,
                    "throttled": outcome.throttled,
                    "failed": outcome.failed,
                    "probes": outcome.probes,
                    "warm_ups": outcome.warm_ups,
                    "environments": outcome.environments,
                    "cold_starts": outcome.cold_starts,
                    "billed_ms": outcome.billed_ms,
                    "cost_usd": outcome.usd,
                    "peak_backlog": outcome.peak_backlog,
                    "backpressured_ms": outcome.backpressured as f64 / 1e6,
                    "wall_ms": outcome.ended as f64 / 1e6,
                })
            })
            .collect();
        json!({
            "events": stream.events(),
            "stream_ms": stream.end() as f64 / 1e6,
            "workers": workers,
            "service_us": service.record.as_nanos() as f64 / 1e3,
            "deadline_ms": deadline.as_secs_f64() * 1e3,
            "lambda": self.lambda,
            "seed": seed,
            "policies": rows,
            "optimum": {
                "records_local": optimum.home,
                "records_remote": optimum.offloaded,
                "offloaded_fraction": optimum.offloaded_share(),
                "requests": optimum.requests(bridge.batch_records),
                "cost_usd": self.model.least_usd(optimum),
                "feasible": optimum.is_feasible,
            },
        })
    }
}

/// Refuses a file whose folder is not there, before the work that it is for is done.
fn can_be_written(json: &Path) -> Result<(), UsageError> {
    let wrong = |why: &str| Err(UsageError::new("--json", json.display().to_string(), why));
    let folder = json.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        _ if json.is_dir() => wrong("is a folder: name a file"),
        Some(folder) if !folder.is_dir() => {
            wrong("its folder is not there: make it, or name another")
        }
        _ => Ok(()),
    }
}

/// The file that the rates are read from.
fn trace_file(rates: &RateArgs) -> Option<PathBuf> {
    rates.shape.as_ref()?.strip_prefix("trace:").map(PathBuf::from)
}

/// How many events the simulation takes: as many as are due before its end.
fn events(args: &SimulateArgs, schedule: &crate::schedule::Schedule) -> Result<u64, UsageError> {
    let (events, duration) = bounds(&args.rates)?;
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
            let why = "is needed, or --events: a simulation has an end";
            Err(UsageError::new("--duration", "(not given)", why))
        }
    }
}

fn service(args: &SimulateArgs, recorded: &Recorded) -> Result<Service, UsageError> {
    let Some(given) = &args.service else {
        let Some(record) = recorded.record else {
            let why = "is needed, such as 12us: what a record costs a worker (or --recorded FILE)";
            return Err(UsageError::new("--service", "(not given)", why));
        };
        return Ok(Service::constant(record));
    };
    let wrong = |why: String| UsageError::new("--service", given, why);
    let (record, spread) = given.split_once(',').unwrap_or((given, "constant"));
    let record = parse_duration(record).map_err(|error| wrong(error.to_string()))?;
    if record.is_zero() {
        return Err(wrong("must be longer than 0".to_owned()));
    }
    let spread =
        spread.parse().map_err(|error: crate::simulate::SpreadError| wrong(error.to_string()))?;
    Ok(Service { spread, ..Service::constant(record) })
}

/// The remote side, as the local Lambda's options say it.
fn lambda(
    args: &SimulateArgs,
    model: &emulator::Model,
    record: Duration,
) -> Result<Lambda, UsageError> {
    let spread =
        parse("--remote-spread", args.remote_spread.as_ref(), Spread::Constant, Spread::from_str)?;
    Ok(Lambda { spread, ..simulated(model, record) })
}

/// The policies, each once, in the order they were named.
fn policies(args: &SimulateArgs, capacity: f64) -> Result<Vec<PolicyChoice>, UsageError> {
    let all = args.policy.is_empty() || args.policy.iter().any(|name| name == "all");
    let mut given: Vec<PolicyArg> = Vec::new();
    for name in args.policy.iter().filter(|name| *name != "all") {
        let policy = PolicyArg::from_str(name, false).map_err(|_| {
            let expected = "expected local, remote, threshold, spill, deadline or all";
            UsageError::new("--policy", name, expected)
        })?;
        given.push(policy);
    }
    if all {
        given.extend(PolicyArg::value_variants());
    }
    let mut seen: Vec<PolicyArg> = Vec::new();
    given.retain(|policy| {
        let is_new = !seen.contains(policy);
        seen.push(*policy);
        is_new
    });
    let has_threshold =
        |policy: &PolicyArg| matches!(policy, PolicyArg::Threshold | PolicyArg::Spill);
    if !given.iter().any(has_threshold) && args.threshold.is_some() {
        bursting::policy(given.first().copied(), args.threshold.as_ref())?;
    }
    let workers_do = all.then(|| capacity.max(1.0).floor().to_string());
    let threshold = args.threshold.clone().or(workers_do);
    let of = |policy| {
        let typed = threshold.as_ref().filter(|_| has_threshold(&policy));
        bursting::policy(Some(policy), typed)
    };
    if let Some(typed) = &args.threshold {
        parse_rate(typed)
            .map_err(|error| UsageError::new("--threshold", typed, error.to_string()))?;
    }
    given.into_iter().map(of).collect()
}

fn table(model: &Model, outcomes: &[(PolicyChoice, Outcome)], optimum: &Optimum) -> String {
    let mut table = format!(
        "{:<10}{:>10}{:>10}{:>10}{:>10}{:>11}{:>9}{:>11}{:>10}{:>11}{:>7}{:>13}\n",
        "policy",
        "p50",
        "p99",
        "p999",
        "max",
        "burst p99",
        "late",
        "offloaded",
        "home",
        "requests",
        "envs",
        "cost $",
    );
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let ms =
        |ms: f64| if ms < 9_999.5 { format!("{ms:.1} ms") } else { format!("{:.1} s", ms / 1e3) };
    for (choice, outcome) in outcomes {
        let of_all = |quantile| ms(outcome.latency.quantile_ms(quantile));
        let burst = match outcome.burst_latency.is_empty() {
            true => "-".to_owned(),
            false => ms(outcome.burst_latency.quantile_ms(0.99)),
        };
        let _ = writeln!(
            table,
            "{:<10}{:>10}{:>10}{:>10}{:>10}{:>11}{:>9}{:>11}{:>10}{:>11}{:>7}{:>13.6}",
            choice.name(),
            of_all(0.5),
            of_all(0.99),
            of_all(0.999),
            ms(outcome.latency.max_ms()),
            burst,
            percent(outcome.late_share()),
            percent(outcome.offloaded_share()),
            percent(outcome.home_of_optimum(optimum)),
            show_count(outcome.requests),
            outcome.environments,
            outcome.usd,
        );
    }
    let _ = writeln!(
        table,
        "{:<10}{:>10}{:>10}{:>10}{:>10}{:>11}{:>9}{:>11}{:>10}{:>11}{:>7}{:>13.6}",
        "optimum",
        "-",
        "-",
        "-",
        "-",
        "-",
        if optimum.is_feasible { percent(0.0) } else { "-".to_owned() },
        percent(optimum.offloaded_share()),
        percent(1.0),
        show_count(optimum.requests(model.bridge.batch_records)),
        "-",
        model.least_usd(optimum),
    );
    table
}
