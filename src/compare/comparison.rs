//! The runs of a comparison, as they are read from their files.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Choice, Figures, choose};
use crate::observe::{Line, SlotLine};
use crate::simulate::least_offloaded;

/// Why a run's files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// They are not there.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// They are not what a run writes.
    #[error("{path} is not what a run writes")]
    Content {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A figure is missing.
    #[error("{path} lacks a figure")]
    Incomplete {
        /// Which.
        path: String,
    },
}

/// A run.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its summary, whole.
    pub summary: Value,
    /// What of it is compared.
    pub figures: Figures,
    /// What happened when.
    pub slots: Vec<SlotLine>,
    /// Latencies by path: milliseconds, and records that were that late.
    pub paths: Vec<(String, Vec<(f64, u64)>)>,
}

/// A policy's runs.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub policy: String,
    /// The command that each of them stands for.
    pub command: String,
    /// One a round.
    pub rounds: Vec<Round>,
}

/// A threshold, in events per second over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Events a second.
    pub eps: f64,
    /// It was measured, because none was given.
    pub measured: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The command that made it.
    pub command: String,
    /// Policies with at least one finished run.
    pub policies: Vec<Compared>,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// How long after its schedule a result is due, in milliseconds.
    pub deadline_ms: f64,
    /// For the policies that need one.
    pub threshold: Option<Threshold>,
    /// When the burst is, in seconds: from and until.
    pub burst: Vec<(f64, f64)>,
    /// Why not all runs that were asked for are there.
    pub incomplete: Option<String>,
    /// When it was made, and on which machine.
    pub provenance: Provenance,
}

/// When a comparison was made, and where: without these its figures say nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Provenance {
    /// The date and the time, in UTC.
    pub date: String,
    /// Its processor, its cores, its memory and its system.
    pub machine: String,
    /// Floodway's version.
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
    /// If they are not there, or not a run's.
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
        let mut round = Round { summary: value, figures, slots: Vec::new(), paths: Vec::new() };
        for line in read(series)?.lines() {
            match serde_json::from_str(line).map_err(content(series))? {
                Line::Slot(slot) => round.slots.push(slot),
                Line::Latency { path, buckets, .. } => round.paths.push((path, buckets)),
            }
        }
        Ok(round)
    }

    /// Adds what the workers did as a share of what the optimum would have them do.
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
    /// The medians of its runs.
    pub fn median(&self) -> Figures {
        let figures: Vec<Figures> = self.rounds.iter().map(|round| round.figures).collect();
        Figures::median(&figures)
    }

    /// The run that is drawn: the one in the middle by its p99.
    pub fn typical(&self) -> Option<&Round> {
        let mut rounds: Vec<&Round> = self.rounds.iter().collect();
        rounds.sort_by(|a, b| a.figures.p99_ms.total_cmp(&b.figures.p99_ms));
        rounds.get(rounds.len().saturating_sub(1) / 2).copied()
    }
}

impl Comparison {
    /// Holds each run against the optimum: for the rate at which home works, the largest that a
    /// policy's workers reached, since a worker that does little is measured badly.
    pub fn compare_with_optimum(&mut self) {
        let rates = self.policies.iter().filter_map(|compared| compared.median().true_rate_eps);
        let Some(mu) = rates.max_by(f64::total_cmp) else { return };
        for round in self.policies.iter_mut().flat_map(|compared| &mut compared.rounds) {
            round.against_optimum(mu, self.deadline_ms);
        }
    }

    /// Each policy's medians.
    pub fn figures(&self) -> Vec<(String, Figures)> {
        let policies = self.policies.iter();
        policies.map(|compared| (compared.policy.clone(), compared.median())).collect()
    }

    /// Which policy to choose.
    pub fn choice(&self) -> Option<Choice> {
        choose(&self.figures(), self.deadline_ms, !self.burst.is_empty())
    }

    /// Everything, as it is written to `compare.json`.
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
