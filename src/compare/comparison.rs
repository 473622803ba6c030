//! The runs of a comparison, which are read from their files.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::figures::has_stages;
use super::table::{NO_OPTIMUM, OF_OPTIMUM};
use super::{Choice, Figures, choose};
use crate::observe::{Line, SlotLine};
use crate::policy::Route;
use crate::simulate::least_offloaded;

/// The reason why the files of a run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file does not have the format that a run writes.
    #[error("{path} is not what a run writes")]
    Content {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A summary has no value for one of the figures.
    #[error("{path} lacks a figure")]
    Incomplete {
        /// The file.
        path: String,
    },
}

/// One run of a policy.
#[derive(Clone, Debug)]
pub struct Round {
    /// The complete summary.
    pub summary: Value,
    /// The figures that are compared.
    pub figures: Figures,
    /// The series, by slot of time.
    pub slots: Vec<SlotLine>,
    /// By route: latencies in milliseconds, with the number of records that had each of them.
    pub routes: Vec<(Route, Vec<(f64, u64)>)>,
}

/// A policy with its runs.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The policy's name.
    pub policy: String,
    /// The command that repeats one of the runs.
    pub command: String,
    /// The runs, one for each round.
    pub rounds: Vec<Round>,
}

/// A threshold, in events per second over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Events per second.
    pub eps: f64,
    /// Whether it was measured, because none was given.
    pub measured: bool,
}

/// A comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The command that repeats the comparison.
    pub command: String,
    /// The policies with at least one finished run.
    pub policies: Vec<Compared>,
    /// The number of rounds that the command asked for.
    pub rounds: usize,
    /// The time from a record's schedule until its result is due, in milliseconds.
    pub deadline_ms: f64,
    /// The threshold, if any of the policies needs one.
    pub threshold: Option<Threshold>,
    /// The start and the end of each burst, in seconds.
    pub burst: Vec<(f64, f64)>,
    /// The reason why runs are missing, if any are.
    pub incomplete: Option<String>,
    /// The time and the machine of the comparison.
    pub provenance: Provenance,
}

/// The time and the machine of a comparison, without which its figures mean little.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Provenance {
    /// The date and the time, in UTC.
    pub date: String,
    /// The processor, cores, memory and operating system.
    pub machine: String,
    /// The version of Floodway.
    pub version: String,
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} on {}, floodway {}", self.date, self.machine, self.version)
    }
}

impl Round {
    /// Reads a run's summary and series.
    ///
    /// # Errors
    /// If they cannot be read, or are not those of a run.
    pub fn read(summary: &Path, series: &Path) -> Result<Round, ReadError> {
        let shown = |path: &Path| path.display().to_string();
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| ReadError::File { path: shown(path), source })
        };
        let content = |path: &Path| {
            let path = shown(path);
            |source| ReadError::Content { path, source }
        };
        let value: Value = serde_json::from_str(&read(summary)?).map_err(content(summary))?;
        let figures = Figures::of(&value);
        let figures = figures.ok_or_else(|| ReadError::Incomplete { path: shown(summary) })?;
        let mut round = Round { summary: value, figures, slots: Vec::new(), routes: Vec::new() };
        for line in read(series)?.lines() {
            match serde_json::from_str(line).map_err(content(series))? {
                Line::Slot(slot) => round.slots.push(slot),
                Line::Latency { path, buckets, .. } => {
                    round.routes.extend(Route::named(&path).map(|route| (route, buckets)));
                }
            }
        }
        Ok(round)
    }

    /// Computes the workers' records as a share of those that they do in the optimum.
    fn against_optimum(&mut self, mu: f64, deadline_ms: f64) {
        let offered: Vec<u64> = self.slots.iter().map(|slot| slot.offered).collect();
        let slot = self.slots.first().map_or(0.1, |slot| slot.length_ms / 1e3);
        let all = offered.iter().sum::<u64>() as f64;
        let least = least_offloaded(&offered, slot, mu, deadline_ms / 1e3);
        let at_home = all * (1.0 - self.figures.offloaded_fraction);
        self.figures.home_share_of_optimum = Some(at_home / (all - least).max(1.0));
    }
}

impl Compared {
    /// Returns the medians of the runs.
    pub fn median(&self) -> Figures {
        let figures: Vec<Figures> = self.rounds.iter().map(|round| round.figures).collect();
        Figures::median(&figures)
    }

    /// Returns the run that is drawn: the one with the median p99.
    pub fn typical(&self) -> Option<&Round> {
        let mut rounds: Vec<&Round> = self.rounds.iter().collect();
        rounds.sort_by(|a, b| a.figures.p99_ms.total_cmp(&b.figures.p99_ms));
        rounds.get(rounds.len().saturating_sub(1) / 2).copied()
    }
}

impl Comparison {
    /// Compares each run with the optimum. The workers' rate in the optimum is the highest that they had under any
    /// policy, because the rate of workers with little to do is measured badly.
    pub fn compare_with_optimum(&mut self) {
        let rates = self.policies.iter().filter_map(|compared| compared.median().true_rate_eps);
        let Some(mu) = rates.max_by(f64::total_cmp) else { return };
        for round in self.policies.iter_mut().flat_map(|compared| &mut compared.rounds) {
            round.against_optimum(mu, self.deadline_ms);
        }
    }

    /// Returns what the column "of optimum" is, or why it is missing.
    pub fn about_optimum(&self) -> Option<&'static str> {
        let mut rounds = self.policies.iter().flat_map(|compared| &compared.rounds);
        if rounds.clone().any(|round| round.figures.home_share_of_optimum.is_some()) {
            return Some(OF_OPTIMUM);
        }
        rounds.any(|round| has_stages(&round.summary)).then_some(NO_OPTIMUM)
    }

    /// Returns the medians of each policy.
    pub fn figures(&self) -> Vec<(String, Figures)> {
        let policies = self.policies.iter();
        policies.map(|compared| (compared.policy.clone(), compared.median())).collect()
    }

    /// Returns the policy to choose.
    pub fn choice(&self) -> Option<Choice> {
        choose(&self.figures(), self.deadline_ms, !self.burst.is_empty())
    }

    /// Returns the content of `compare.json`.
    pub fn json(&self) -> Value {
        let policies = self.policies.iter().map(|compared| {
            let rounds = compared.rounds.iter();
            let rounds = rounds.map(|run| json!({"figures": run.figures, "summary": run.summary}));
            json!({
                "policy": compared.policy,
                "command": compared.command,
                "medians": compared.median(),
                "rounds": rounds.collect::<Vec<_>>(),
            })
        });
        json!({
            "version": 1,
            "made": self.provenance,
            "command": self.command,
            "rounds": self.rounds,
            "deadline_ms": self.deadline_ms,
            "threshold": self.threshold,
            "burst_s": self.burst,
            "incomplete": self.incomplete,
            "choice": self.choice(),
            "policies": policies.collect::<Vec<_>>(),
        })
    }
}
