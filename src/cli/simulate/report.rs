//! The output of a simulation: an introduction, a table, and JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::Simulation;
use crate::observe::Percentiles;
use crate::policy::{POLICIES, PolicyChoice};
use crate::simulate::{
    Model, Optimum, Outcome, Stage, StageOptimum, StageOutcome, events_per_second, nanos_per_event,
};
use crate::units::{show_count, show_duration, show_many, show_rate};

impl Simulation {
    /// Returns what is simulated, with notes on it, in words.
    pub(super) fn introduction(&self, optimum: &Optimum) -> String {
        let Model { workers, stages, deadline, bridge, lambda, stream, .. } = &self.model;
        let mut words = format!(
            "{} events in {}; {} with {} events per second each; deadline {}\n\
             remote: {}\n",
            show_count(stream.events()),
            show_duration(Duration::from_nanos(stream.end())),
            show_many(*workers as u64, "worker"),
            show_count(events_per_second(stages) as u64),
            show_duration(*deadline),
            self.lambda,
        );
        if let Some(rate) = self.policies.iter().find_map(PolicyChoice::threshold) {
            let _ = writeln!(words, "threshold: {} events per second", show_rate(rate));
        }
        let least = |records| {
            let of = stages.iter().map(|stage| lambda.least(records, stage.remote));
            of.max().unwrap_or_default()
        };
        let (one, full) = (least(1), least(bridge.batch_records));
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
                "warning: even with the whole input known, some records have to be sent, and the \
                remote side cannot answer them in time; the row optimum says how many\n",
            );
        }
        words
    }

    /// Returns the figures as JSON.
    pub(super) fn json(&self, outcomes: &[(PolicyChoice, Outcome)], optimum: &Optimum) -> Value {
        let Model { workers, stages, deadline, stream, seed, .. } = &self.model;
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
                    "home_of_optimum": outcome.local_of_optimum(optimum),
                    "stages": of_stages(&outcome.stages, |of: &StageOutcome| json!({
                        "records": of.records,
                        "records_remote": of.remote,
                    })),
                    "records_local": outcome.counts.local,
                    "records_remote": outcome.counts.remote,
                    "records_home": outcome.counts.home,
                    "requests": outcome.counters.requests,
                    "attempts": outcome.counters.attempts,
                    "hedged": outcome.counters.hedged,
                    "throttled": outcome.counters.throttled,
                    "failed": outcome.counters.failed,
                    "probes": outcome.counters.probes,
                    "warm_ups": outcome.counters.warm_ups,
                    "environments": outcome.environments,
                    "cold_starts": outcome.counters.cold_starts,
                    "billed_ms": outcome.counters.billed_us as f64 / 1e3,
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
            "service_us": nanos_per_event(stages) / 1e3,
            "stages": of_stages(stages, |of: &Stage| json!({
                "records_per_result": of.records,
                "service_us": of.service.record.as_nanos() as f64 / 1e3,
                "remote_us": of.remote.as_nanos() as f64 / 1e3,
            })),
            "deadline_ms": deadline.as_secs_f64() * 1e3,
            "lambda": self.lambda,
            "seed": seed,
            "policies": rows,
            "optimum": {
                "records_local": optimum.local,
                "records_remote": optimum.offloaded,
                "stages": of_stages(&optimum.stages, |of: &StageOptimum| json!({
                    "records": of.local + of.offloaded,
                    "records_remote": of.offloaded,
                })),
                "offloaded_fraction": optimum.offloaded_share(),
                "requests": optimum.requests,
                "cost_usd": optimum.usd,
                "feasible": optimum.is_feasible,
            },
        })
    }
}

/// Returns a list with an object for each stage, in the order of the stream.
fn of_stages<S>(stages: &[S], object: impl Fn(&S) -> Value) -> Vec<Value> {
    stages.iter().map(object).collect()
}

/// Returns the figures as a table with one row for each policy.
pub(super) fn table(
    model: &Model,
    outcomes: &[(PolicyChoice, Outcome)],
    optimum: &Optimum,
) -> String {
    let names = POLICIES.iter().map(|policy| policy.name.len());
    let name_width = names.max().unwrap_or_default() + 1;
    let mut table = format!(
        "{:<name_width$}{:>10}{:>10}{:>10}{:>10}{:>11}{:>9}{:>11}{:>12}{:>11}{:>7}{:>13}\n",
        "policy",
        "p50",
        "p99",
        "p999",
        "max",
        "burst p99",
        "late",
        "offloaded",
        "of optimum",
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
            "{:<name_width$}{:>10}{:>10}{:>10}{:>10}{:>11}{:>9}{:>11}{:>12}{:>11}{:>7}{:>13.6}",
            choice.name(),
            of_all(0.5),
            of_all(0.99),
            of_all(0.999),
            ms(outcome.latency.max_ms()),
            burst,
            percent(outcome.late_share()),
            percent(outcome.offloaded_share()),
            outcome.local_of_optimum(optimum).map_or("-".to_owned(), percent),
            show_count(outcome.counters.requests),
            outcome.environments,
            outcome.usd,
        );
    }
    let _ = writeln!(
        table,
        "{:<name_width$}{:>10}{:>10}{:>10}{:>10}{:>11}{:>9}{:>11}{:>12}{:>11}{:>7}{:>13.6}",
        "optimum",
        "-",
        "-",
        "-",
        "-",
        "-",
        if optimum.is_feasible { percent(0.0) } else { "-".to_owned() },
        percent(optimum.offloaded_share()),
        percent(1.0),
        show_count(optimum.requests),
        "-",
        optimum.usd,
    );
    if model.stages.len() > 1 {
        let of_optimum = optimum.stages.iter().map(|of| (of.offloaded, of.local + of.offloaded));
        let of_policies = outcomes.iter().map(|(choice, outcome)| {
            let stage = |of: &StageOutcome| (of.remote as f64, of.records as f64);
            (choice.name(), outcome.stages.iter().map(stage).collect::<Vec<_>>())
        });
        let rows = of_policies.chain([("optimum", of_optimum.collect())]);
        let _ = write!(table, "\n{:<name_width$}", "sent of");
        (1..=model.stages.len()).for_each(|stage| {
            let _ = write!(table, "{:>10}", format!("stage {stage}"));
        });
        table.push('\n');
        for (name, stages) in rows {
            let _ = write!(table, "{name:<name_width$}");
            for (remote, all) in stages {
                let _ = write!(table, "{:>10}", percent(remote / all.max(1.0)));
            }
            table.push('\n');
        }
    }
    table
}
