//! What a process tells process 0 at the end.

use serde::{Deserialize, Serialize};

use super::series::{Flow, Level};
use super::stats::Sent;
use super::{Cause, Counts, Latencies, OnTime, ProcessStats, TimeSlots};

/// What a function was billed, or will have been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Billed {
    /// Its name.
    pub name: String,
    /// Attempts that are billed, empty ones among them.
    pub attempts: u64,
    /// For how long, in microseconds.
    pub billed_us: u64,
    /// Those of the attempts whose billed time the service said.
    pub metered: u64,
    /// What it said.
    pub metered_us: u64,
    /// What it would have been taken for without the service's word.
    pub estimated_us: u64,
}

impl Billed {
    /// Adds what another process had billed of the same function.
    fn add(&mut self, other: &Billed) {
        self.attempts += other.attempts;
        self.billed_us += other.billed_us;
        self.metered += other.metered;
        self.metered_us += other.metered_us;
        self.estimated_us += other.estimated_us;
    }
}

/// A process's figures; [`Report::add`] sums them up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Processes in the sum.
    pub processes: usize,
    /// Workers in the sum.
    pub workers: usize,
    /// Records by path.
    pub counts: Counts,
    /// Results by path that came later than they were due.
    pub late: Counts,
    /// The highest offered rate of an epoch, in records a second over the whole dataflow.
    pub offered_peak: f64,
    /// From schedule to result, by the path's number.
    pub by_path: Vec<Latencies>,
    /// The same of what was scheduled during the burst.
    pub burst: Latencies,
    /// From schedule to commit.
    pub commit_latency: Latencies,
    /// The largest backlog of each second of the run.
    pub backlog_peaks: Vec<u64>,
    /// What happened in each slot, if a series was wanted.
    pub flow: TimeSlots<Flow>,
    /// How things stood at the end of each slot.
    pub levels: TimeSlots<Level>,
    /// Nanoseconds of backpressure, summed over workers.
    pub backpressured_ns: u64,
    /// CPU time of all threads since the start, without the embedded Lambda's.
    pub cpu_ns: u64,
    /// CPU time of the embedded Lambda's threads.
    pub lambda_cpu_ns: u64,
    /// Distinct batches sent.
    pub requests: u64,
    /// HTTP sends.
    pub attempts: u64,
    /// Second sends of a batch that was late.
    pub hedged: u64,
    /// Attempts that were given up.
    pub abandoned: u64,
    /// Records in answers that came too late.
    pub superseded: u64,
    /// Empty requests that asked whether the remote side is well.
    pub probes: u64,
    /// Empty requests that started environments ahead.
    pub warm_ups: u64,
    /// How often a breaker opened.
    pub breaker_opened: u64,
    /// Remote results that workers computed too.
    pub verified: u64,
    /// From when to when records were handed to the remote side.
    pub sent: Option<Sent>,
    /// Answers that said "too many".
    pub throttled: u64,
    /// Requests that came home.
    pub failed: u64,
    /// Billed time in microseconds.
    pub billed_us: u64,
    /// Requests that are billed.
    pub billed_requests: u64,
    /// For how long the budget was spent, in microseconds: the longest of all processes.
    pub over_budget_us: u64,
    /// The same by function.
    pub functions: Vec<Billed>,
    /// Why the remote side was of no use, if it has refused everything, and what to do about it.
    pub refused: Option<String>,
    /// How the last request or probe failed, and what to do about it.
    pub last_failure: Option<String>,
    /// How long all but one of a hundred requests take, in microseconds; 0 before one was answered.
    pub longest_us: u64,
    /// What held the process up while most of its late results came.
    pub cause: Option<Cause>,
    /// One past the last committed epoch.
    pub committed: u64,
}

impl Report {
    /// What the workers of this process counted; the rest is for the caller to fill in.
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
            sent: stats.sent(),
            committed: stats.committed(),
            ..Report::default()
        };
        stats.report(&mut report);
        report
    }

    /// From schedule to result, by all paths.
    pub fn latency(&self) -> Latencies {
        let mut sum = Latencies::default();
        self.by_path.iter().for_each(|path| sum.add(path));
        sum
    }

    /// How many of the results came in time.
    pub fn on_time(&self) -> OnTime {
        OnTime { results: self.counts.results(), late: self.late.results() }
    }

    /// Adds another process's figures. Backlogs of the same second are added.
    pub fn add(&mut self, other: &Report) {
        self.processes += other.processes;
        self.workers += other.workers;
        self.counts.add(&other.counts);
        self.late.add(&other.late);
        self.offered_peak = self.offered_peak.max(other.offered_peak);
        self.by_path.resize_with(other.by_path.len(), Latencies::default);
        for (mine, theirs) in self.by_path.iter_mut().zip(&other.by_path) {
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
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.hedged += other.hedged;
        self.abandoned += other.abandoned;
        self.superseded += other.superseded;
        self.probes += other.probes;
        self.warm_ups += other.warm_ups;
        self.breaker_opened += other.breaker_opened;
        self.verified += other.verified;
        self.sent = self.sent.into_iter().chain(other.sent).reduce(Sent::with);
        self.throttled += other.throttled;
        self.failed += other.failed;
        self.billed_us += other.billed_us;
        self.billed_requests += other.billed_requests;
        self.over_budget_us = self.over_budget_us.max(other.over_budget_us);
        for theirs in &other.functions {
            match self.functions.iter_mut().find(|mine| mine.name == theirs.name) {
                Some(mine) => mine.add(theirs),
                None => self.functions.push(theirs.clone()),
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
