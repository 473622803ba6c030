//! A sample of a run, and the trait of a run that can be sampled.

use std::time::Duration;

use serde::Serialize;

use crate::batch::Nanos;
use crate::counters::Counters;
use crate::observe::{LiveSnapshot, StageCounts, StateTotals, Summary};

/// A run that can be sampled from a thread that is not one of its workers.
pub trait ObservedRun: Send + Sync {
    /// Samples the run. No worker may wait for it.
    fn observe(&self) -> Observation;

    /// Returns the summary so far, while the run lasts.
    fn summary(&self) -> Option<Summary>;
}

/// The result of sampling a run.
pub enum Observation {
    /// The run has not begun: its parts start, or it waits for other processes.
    Waiting,
    /// The run is in progress.
    Running(Box<Sample>),
    /// The run is over, and its counters are gone.
    Gone,
}

/// The constant facts of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// The policy's name.
    pub policy: String,
    /// What to change where the workers cannot do what the policy leaves to them.
    #[serde(skip)]
    pub advice: Option<&'static str>,
    /// The task's name.
    pub task: String,
    /// The number of processes on this machine that compute the task in place of the workers, if there are any.
    pub pool: Option<usize>,
    /// The source's name.
    pub source: String,
    /// The function's name. None if nothing is sent.
    pub function: Option<String>,
    /// The number of workers of this process.
    pub workers: usize,
    /// The number of processes of the run.
    pub processes: usize,
    /// The number of this process.
    pub process: usize,
    /// The deadline, in milliseconds.
    pub deadline_ms: f64,
    /// Whether a late result is a fault: records have scheduled times, or the policy goes by the deadline. A
    /// record that is read as fast as possible is late only because it queued.
    pub has_due_times: bool,
    /// The threshold of the policy, in records a second over all workers.
    pub threshold_eps: Option<f64>,
    /// Whether records have a schedule.
    pub is_paced: bool,
    /// The budget.
    pub budget: Option<Budget>,
    /// Which stages feed which.
    pub links: Vec<Link>,
    /// The longer of an epoch and the commit interval.
    #[serde(skip)]
    pub longest_step: Duration,
}

/// A connection of the dataflow, possibly through operators that are no stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// The name of the stage whose results pass. None is the source.
    pub from: Option<String>,
    /// The name of the stage that receives them. None is the sink.
    pub to: Option<String>,
}

/// This process's share of the budget, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    /// The budget for any hour.
    pub per_hour_usd: Option<f64>,
    /// What is left of the total budget at the run's start.
    pub total_usd: Option<f64>,
}

/// A sample of a process's counters. They count from the run's start.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The time since the run's start.
    pub at: Nanos,
    /// The schedule's time, which is ahead of `at` in a resumed run.
    pub schedule: Nanos,
    /// The workers' counters.
    pub snapshot: LiveSnapshot,
    /// The number of epochs that this run committed.
    pub epochs: u64,
    /// The number of records that were due by now, if it is known: in a run of one process with a schedule.
    pub due: Option<u64>,
    /// The CPU time of all threads, without the embedded Lambda's.
    pub cpu_ns: u64,
    /// The CPU time of the embedded Lambda.
    pub lambda_cpu_ns: u64,
    /// The number of processes of a function that were started in place of others. None if the task is no function's.
    pub function_restarts: Option<u64>,
    /// The sink's writer.
    pub writer: Writer,
    /// The functions to which records are sent.
    pub functions: Vec<Function>,
    /// The services that are called, by the name of the call.
    pub calls: Vec<(String, Remote)>,
    /// The stages, in the order in which they are built.
    pub stages: Vec<StageSample>,
    /// What the stages with state hold.
    pub states: Vec<StateTotals>,
}

/// A stage at the time of a sample.
#[derive(Clone, Debug)]
pub struct StageSample {
    /// What the workers have done.
    pub counts: StageCounts,
    /// How long ago the oldest epoch ended that is not complete at the stage. None if epochs have no length.
    pub lag: Option<Nanos>,
}

/// Counters of the sink's writer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    /// Bytes that wait for the writer.
    pub waiting_bytes: u64,
    /// Nanoseconds for which the writer was busy.
    pub busy_ns: u64,
    /// Bytes that are committed and not published.
    pub unpublished_bytes: u64,
    /// Whether the destination refuses lines at the moment.
    pub is_refused: bool,
}

/// The state of the circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breaker {
    /// All requests pass.
    #[default]
    Closed,
    /// One request at a time passes.
    HalfOpen,
    /// No request passes until the remote side answers again.
    Open,
    /// No request passes any more: the remote side computes wrong results.
    Disabled,
}

impl Breaker {
    /// All states, by their numbers.
    pub const ALL: [Breaker; 4] =
        [Breaker::Closed, Breaker::HalfOpen, Breaker::Open, Breaker::Disabled];

    /// Returns the state's name.
    pub fn name(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half_open",
            Breaker::Open => "open",
            Breaker::Disabled => "condemned",
        }
    }
}

/// A function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// The names of the stages whose records are sent to it.
    pub stages: Vec<String>,
    /// The bridge to it.
    pub remote: Remote,
}

/// Counters and state of a bridge.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Remote {
    pub counters: Counters,
    pub cost_usd: f64,
    /// The current limit on requests in flight, and the highest limit.
    pub limit: u64,
    pub most: u64,
    /// Records that wait in the bridge.
    pub waiting: u64,
    pub breaker: Breaker,
    /// Whether the budget is spent.
    pub is_spent: bool,
}

impl Remote {
    /// Returns the counters of two bridges together, and the worse state.
    fn with(mut self, other: Remote) -> Remote {
        self.counters.add(&other.counters);
        Remote {
            counters: self.counters,
            cost_usd: self.cost_usd + other.cost_usd,
            limit: self.limit + other.limit,
            most: self.most + other.most,
            waiting: self.waiting + other.waiting,
            breaker: self.breaker.max(other.breaker),
            is_spent: self.is_spent || other.is_spent,
        }
    }
}

impl Sample {
    /// Returns the time of the schedule up to which the sources have emitted. It stands still while they have to wait, and
    /// after their end.
    pub fn source_time(&self) -> Nanos {
        self.snapshot.reached_due.map_or(self.schedule, |due| due.min(self.schedule))
    }

    /// Returns the counters and the state of all functions together. None if nothing is sent.
    pub fn remote(&self) -> Option<Remote> {
        self.functions.iter().map(|function| function.remote).reduce(Remote::with)
    }

    /// Returns how late the source is that is furthest behind its schedule.
    pub fn late_ns(&self) -> Nanos {
        self.snapshot.next_due.map_or(0, |due| self.schedule.saturating_sub(due))
    }
}
