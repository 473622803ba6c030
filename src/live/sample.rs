//! What is known of a run at one moment, and who says it.

use std::time::Duration;

use serde::Serialize;

use crate::batch::Nanos;
use crate::observe::{LiveSnapshot, Summary};

/// A run that can be looked at, from a thread that is none of its workers.
pub trait Source: Send + Sync {
    /// How it stands now. Whatever it does, no worker may wait for it.
    fn observe(&self) -> Observation;

    /// Its summary so far, if it goes on.
    fn summary(&self) -> Option<Summary>;
}

/// What somebody who looks at a run sees.
pub enum Observation {
    /// It has not begun: its parts are started, or other processes are waited for.
    Waiting,
    /// It goes on.
    Running(Box<Sample>),
    /// It is over, and there is nothing left of it.
    Gone,
}

/// What a run is: what does not change.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// Its policy.
    pub policy: String,
    /// What to change where the workers cannot do what the policy leaves to them.
    #[serde(skip)]
    pub advice: Option<&'static str>,
    /// Its task.
    pub task: String,
    /// Where records come from.
    pub source: String,
    /// Where the remote side is; nothing if nothing is sent.
    pub function: Option<String>,
    /// Workers of this process.
    pub workers: usize,
    /// Processes of the run.
    pub processes: usize,
    /// This one.
    pub process: usize,
    /// Until when a result is due, in milliseconds after its schedule.
    pub deadline_ms: f64,
    /// Whether a late result is a fault: records have times of their own, or the policy goes by the
    /// deadline. Where they are read as fast as they are taken, they are late when they have queued.
    pub has_due_times: bool,
    /// The threshold, in records a second over all workers, where the policy has one.
    pub threshold_eps: Option<f64>,
    /// Whether records have a schedule.
    pub is_paced: bool,
    /// What may be spent.
    pub budget: Option<Budget>,
    /// How long an epoch is, and how often epochs are committed.
    #[serde(skip)]
    pub longest_step: Duration,
}

/// What may be spent, in US dollars: this process's share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    /// In any hour.
    pub per_hour_usd: Option<f64>,
    /// In all that is left of it at the run's start.
    pub total_usd: Option<f64>,
}

/// How a process stands at one moment. What counts up does so from the run's start.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The time since the run's start.
    pub at: Nanos,
    /// The schedule's time: more than that in a run that was resumed.
    pub schedule: Nanos,
    /// What its workers counted.
    pub tallied: LiveSnapshot,
    /// Epochs that this run has committed.
    pub epochs: u64,
    /// Records that were due by now, where that is known: in a run of one process with a schedule.
    pub due: Option<u64>,
    /// CPU time of all threads, without the embedded Lambda's.
    pub cpu_ns: u64,
    /// CPU time of the embedded Lambda's.
    pub lambda_cpu_ns: u64,
    /// The sink's writer.
    pub writer: Writer,
    /// The remote side, if there is one.
    pub remote: Option<Remote>,
}

/// How the sink's writer stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    /// Bytes that wait for it.
    pub waiting_bytes: u64,
    /// Nanoseconds for which it had something to do.
    pub busy_ns: u64,
    /// Bytes that are committed and not published, where output goes on from files.
    pub unpublished_bytes: u64,
    /// Whether what would take them is waited for.
    pub is_refused: bool,
}

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breaker {
    /// Everything.
    #[default]
    Closed,
    /// One request at a time.
    HalfOpen,
    /// Nothing, until the remote side answers again.
    Open,
    /// Nothing, for good: the remote side computes something else.
    Condemned,
}

impl Breaker {
    /// All there are, by their numbers.
    pub const ALL: [Breaker; 4] =
        [Breaker::Closed, Breaker::HalfOpen, Breaker::Open, Breaker::Condemned];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half_open",
            Breaker::Open => "open",
            Breaker::Condemned => "condemned",
        }
    }
}

/// How the bridge and the remote side stand. The fields that the summary has mean what they do there.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Remote {
    pub requests: u64,
    pub attempts: u64,
    pub hedged: u64,
    pub throttled: u64,
    pub failed: u64,
    pub abandoned: u64,
    pub superseded: u64,
    pub probes: u64,
    pub warm_ups: u64,
    pub cold_starts: u64,
    pub billed_us: u64,
    pub cost_usd: f64,
    pub over_budget_us: u64,
    /// Bytes of requests, and of answers.
    pub bytes_out: u64,
    pub bytes_in: u64,
    /// CPU time of the bridge's thread.
    pub cpu_ns: u64,
    /// Requests in flight now, how many may be now, and how many ever may.
    pub in_flight: u64,
    pub limit: u64,
    pub most: u64,
    /// Records that wait in the bridge to be sent.
    pub waiting: u64,
    pub breaker: Breaker,
    pub breaker_opened: u64,
    /// Whether the budget is spent.
    pub is_spent: bool,
}

impl Remote {
    /// Attempts that were neither first nor second ones.
    pub fn retries(&self) -> u64 {
        self.attempts.saturating_sub(self.requests + self.hedged)
    }
}

impl Sample {
    /// How late the source is that is furthest behind its schedule.
    pub fn late_ns(&self) -> Nanos {
        self.tallied.next_due.map_or(0, |due| self.schedule.saturating_sub(due))
    }
}
