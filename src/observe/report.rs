//! The report of a process to process 0 at the end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::series::{Flow, Level};
use super::worker_stats::Sent;
use super::{Cause, Counts, Latencies, OnTime, ProcessStats, StageFigures, TimeSlots};
use crate::counters::Counters;
use crate::stage_needs::RateTime;
use crate::stage_totals::StageTotals;
use crate::state_totals::{self, StateTotals};

/// What the bridges to a function counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionCounters {
    /// The name of the function.
    pub name: String,
    /// What it was billed, in US dollars.
    pub cost_usd: f64,
    /// What the bridges counted.
    pub counters: Counters,
}

/// How a function fails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionFailure {
    /// The name of the function.
    pub function: String,
    /// How it fails, and what to do about it.
    pub why: String,
}

/// What the bridges to the service of a call counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallCounters {
    /// The name of the call.
    pub name: String,
    /// The service.
    pub endpoint: String,
    /// What the bridges counted.
    pub counters: Counters,
}

/// What the workers did at a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageCounts {
    /// The name of the stage.
    pub name: String,
    /// Whether it is a call, which no worker can compute.
    pub is_call: bool,
    /// The numbers of the stages whose results become its records.
    pub from: Vec<usize>,
    /// What they did.
    #[serde(flatten)]
    pub totals: StageTotals,
}

/// The figures of a process. [`Report::add`] sums them up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The number of processes in the sum.
    pub processes: usize,
    /// The number of workers in the sum.
    pub workers: usize,
    /// The number of records, by route.
    pub counts: Counts,
    /// The number of late results, by route.
    pub late: Counts,
    /// The highest offered rate of an epoch, in records a second over the whole dataflow.
    pub offered_peak: f64,
    /// Latencies from schedule to result, by route.
    pub by_route: Vec<Latencies>,
    /// Latencies of records that were scheduled during the burst.
    pub burst: Latencies,
    /// Latencies from schedule to commit.
    pub commit_latency: Latencies,
    /// The largest backlog of each second of the run.
    pub backlog_peaks: Vec<u64>,
    /// Counts by slot of time, if there is a series.
    pub flow: TimeSlots<Flow>,
    /// The state at the end of each slot.
    pub levels: TimeSlots<Level>,
    /// Nanoseconds of backpressure, summed over workers.
    pub backpressured_ns: u64,
    /// CPU time of all threads since the start, without the embedded Lambda's.
    pub cpu_ns: u64,
    /// CPU time of the embedded Lambda's threads.
    pub lambda_cpu_ns: u64,
    /// The number of remote results that workers computed too.
    pub verified: u64,
    /// The number of processes of a function that were started in place of others.
    pub function_restarts: u64,
    /// When records were first and last sent.
    pub sent: Option<Sent>,
    /// The number of records that left the source, with bad ones.
    pub emitted: u64,
    /// The time of the schedule in which these records were due. None if there is no schedule.
    pub offered_ns: Option<u64>,
    /// The time since the start of the run.
    pub lasted_ns: u64,
    /// Whether the dataflow is more or less than one stage whose results are the run's: a record of the source then
    /// need not become one result.
    pub is_chain: bool,
    /// What the workers did, by stage.
    pub stages: Vec<StageCounts>,
    /// What the workers hold at the stages with state.
    pub states: Vec<StateTotals>,
    /// What the bridges counted, by function.
    pub functions: Vec<FunctionCounters>,
    /// What the bridges to the services of calls counted, by call.
    pub calls: Vec<CallCounters>,
    /// A function that refused every request.
    pub refused: Option<FunctionFailure>,
    /// How the last request or probe to a function failed.
    pub last_failure: Option<FunctionFailure>,
    /// The 99th percentile of a request's time, in microseconds. 0 before any response.
    pub longest_us: u64,
    /// The bottleneck of most late results of the process.
    pub cause: Option<Cause>,
    /// One past the last committed epoch.
    pub committed: u64,
}

impl Report {
    /// Returns the counts of this process's workers. The caller fills in the rest.
    pub fn of(stats: &ProcessStats, workers: usize) -> Self {
        let mut report = Report {
            processes: 1,
            workers,
            counts: stats.counts(),
            late: stats.late(),
            offered_peak: stats.offered_peak(),
            backlog_peaks: stats.peaks(),
            backpressured_ns: stats.backpressured(),
            verified: stats.verified(),
            emitted: stats.emitted(),
            sent: stats.sent(),
            committed: stats.committed(),
            ..Report::default()
        };
        stats.report(&mut report);
        report
    }

    /// Returns latencies from schedule to result, over all routes.
    pub fn latency(&self) -> Latencies {
        let mut sum = Latencies::default();
        self.by_route.iter().for_each(|latencies| sum.add(latencies));
        sum
    }

    /// Returns what the bridges to all functions counted.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.functions.iter().for_each(|function| sum.add(&function.counters));
        sum
    }

    /// Returns what all functions were billed, in US dollars.
    pub fn cost_usd(&self) -> f64 {
        self.functions.iter().map(|function| function.cost_usd).sum()
    }

    /// Adds what the bridges to a function counted.
    pub fn add_function(&mut self, theirs: FunctionCounters) {
        match self.functions.iter_mut().find(|mine| mine.name == theirs.name) {
            Some(mine) => {
                mine.cost_usd += theirs.cost_usd;
                mine.counters.add(&theirs.counters);
            }
            None => self.functions.push(theirs),
        }
    }

    /// Returns the stages whose records workers can compute too.
    fn bursting(&self) -> impl Iterator<Item = &StageCounts> {
        self.stages.iter().filter(|stage| !stage.is_call)
    }

    /// Returns the number of results that the remote side computed, over all stages but the calls.
    pub fn remote(&self) -> u64 {
        match self.is_chain {
            true => self.bursting().map(|stage| stage.totals.remote).sum(),
            false => self.counts.remote,
        }
    }

    /// Returns the share of the records that the remote side did, over all stages but the calls.
    pub fn remote_share(&self) -> f64 {
        let done = match self.is_chain {
            true => self.bursting().map(|stage| stage.totals.done()).sum(),
            false => self.counts.done(),
        };
        self.remote() as f64 / done.max(1) as f64
    }

    /// Returns the figures of the stages of a run that lasted `wall`.
    pub fn stage_figures(&self, wall: Duration) -> Vec<StageFigures> {
        StageFigures::all(
            &self.stages,
            match self.offered_ns {
                Some(nanos) => RateTime::Scheduled((nanos as f64 / 1e9).max(1e-9)),
                None => RateTime::Passed(wall.as_secs_f64().max(1e-9)),
            },
        )
    }

    /// Returns the results, and how many of them were late.
    pub fn on_time(&self) -> OnTime {
        OnTime { results: self.counts.results(), late: self.late.results() }
    }

    /// Adds the figures of another process. Backlogs of the same second are added up.
    pub fn add(&mut self, other: &Report) {
        self.processes += other.processes;
        self.workers += other.workers;
        self.counts.add(&other.counts);
        self.late.add(&other.late);
        self.emitted += other.emitted;
        self.offered_ns = self.offered_ns.max(other.offered_ns);
        self.lasted_ns = self.lasted_ns.max(other.lasted_ns);
        self.is_chain |= other.is_chain;
        match self.stages.is_empty() {
            true => self.stages.clone_from(&other.stages),
            false => {
                let stages = self.stages.iter_mut().zip(&other.stages);
                stages.for_each(|(sum, one)| sum.totals.add(&one.totals));
            }
        }
        other.states.iter().for_each(|theirs| state_totals::add(&mut self.states, theirs));
        self.offered_peak = self.offered_peak.max(other.offered_peak);
        self.by_route.resize_with(other.by_route.len(), Latencies::default);
        for (mine, theirs) in self.by_route.iter_mut().zip(&other.by_route) {
            mine.add(theirs);
        }
        self.burst.add(&other.burst);
        self.flow.add(&other.flow);
        Level::add_all(&mut self.levels, &other.levels);
        self.commit_latency.add(&other.commit_latency);
        if self.backlog_peaks.len() < other.backlog_peaks.len() {
            self.backlog_peaks.resize(other.backlog_peaks.len(), 0);
        }
        for (mine, theirs) in self.backlog_peaks.iter_mut().zip(&other.backlog_peaks) {
            *mine += theirs;
        }
        self.backpressured_ns += other.backpressured_ns;
        self.cpu_ns += other.cpu_ns;
        self.lambda_cpu_ns += other.lambda_cpu_ns;
        self.verified += other.verified;
        self.function_restarts += other.function_restarts;
        self.sent = self.sent.into_iter().chain(other.sent).reduce(Sent::with);
        other.functions.iter().for_each(|theirs| self.add_function(theirs.clone()));
        for theirs in &other.calls {
            match self.calls.iter_mut().find(|mine| mine.name == theirs.name) {
                Some(mine) => mine.counters.add(&theirs.counters),
                None => self.calls.push(theirs.clone()),
            }
        }
        if self.refused.is_none() {
            self.refused.clone_from(&other.refused);
        }
        if self.last_failure.is_none() {
            self.last_failure.clone_from(&other.last_failure);
        }
        self.longest_us = self.longest_us.max(other.longest_us);
        // Of the process with the most late results.
        let (mine, theirs) = (self.cause.take(), other.cause.clone());
        self.cause = mine.into_iter().chain(theirs).max_by_key(|cause| cause.late);
        self.committed = self.committed.max(other.committed);
    }
}
