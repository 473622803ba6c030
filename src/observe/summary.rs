//! The figures of a run, as `--summary` writes them.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{
    CallFigures, Counts, FunctionBill, Latencies, Level, Report, StageFigures, StateFigures,
};
use crate::counters::Counters;
use crate::destination;

/// Percentiles of a latency, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the events took at most this time.
    pub p50: f64,
    /// 90 % of the events took at most this time.
    pub p90: f64,
    /// 99 % of the events took at most this time.
    pub p99: f64,
    /// 99.9 % of the events took at most this time.
    pub p999: f64,
    /// The longest time.
    pub max: f64,
}

impl From<&Latencies> for Percentiles {
    fn from(latencies: &Latencies) -> Self {
        Percentiles {
            p50: latencies.quantile_ms(0.5),
            p90: latencies.quantile_ms(0.9),
            p99: latencies.quantile_ms(0.99),
            p999: latencies.quantile_ms(0.999),
            max: latencies.max_ms(),
        }
    }
}

/// Sums over a run and all runs that it resumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// The number of events that were read.
    pub events_in: u64,
    /// The number of committed lines.
    pub results_out: u64,
    /// The number of runs.
    pub runs: u64,
    /// The cost, in US dollars.
    pub cost_usd: f64,
}

/// What a policy would have done in a run that sent nothing.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Shadow {
    pub policy: String,
    pub offloaded_fraction: f64,
    pub late_fraction: f64,
    pub latency_ms: Percentiles,
    pub requests: u64,
    pub cost_usd: f64,
}

/// The summary of a run over all its processes. `docs/summary.md` says what each field means.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Summary {
    pub policy: String,
    pub task: String,
    pub work_us: f64,
    pub workers: usize,
    pub processes: usize,
    pub epochs: u64,
    pub wall_ms: f64,
    pub events_in: u64,
    pub records_local: u64,
    pub records_peer: u64,
    pub records_remote: u64,
    pub records_hedged: u64,
    /// Returned records.
    pub records_home: u64,
    pub records_bad: u64,
    pub results_out: u64,
    pub offloaded_fraction: f64,
    pub throughput_eps: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_rate_eps: Option<f64>,
    pub cpu_ns_per_event: f64,
    pub lambda_cpu_ms: f64,
    pub latency_ms: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_burst_ms: Option<Percentiles>,
    pub commit_latency_ms: Percentiles,
    pub deadline_ms: f64,
    pub late_records: u64,
    pub late_by: LateBy,
    pub on_time_fraction: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offloading_ms: Option<Offloading>,
    #[serde(flatten, serialize_with = "Counters::serialize_in_summary")]
    pub counters: Counters,
    pub verified: u64,
    pub billed_ms: f64,
    pub cost_usd: f64,
    /// Of a dataflow with several stages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageFigures>,
    /// Of a dataflow with state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<StateFigures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionBill>,
    /// Of a dataflow with calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallFigures>,
    pub over_budget_ms: f64,
    pub peak_backlog: u64,
    pub backpressured_ms: f64,
    pub stopped: String,
    pub total: Totals,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<String>,
    /// The number of processes that computed the task in place of the workers, if its task is a function's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_processes: Option<usize>,
    /// The number of processes of it that were started in place of others, because these had ended or a record was to be
    /// tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_restarts: Option<u64>,
    /// If the deadline was missed: a sentence that says so, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    /// If the policy wanted to send records and none was done remotely: a sentence that says so, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing_remote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The number of late results, by where they were computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct LateBy {
    pub local: u64,
    pub remote: u64,
    /// Returned ones.
    pub home: u64,
}

impl From<&Counts> for LateBy {
    fn from(late: &Counts) -> Self {
        LateBy { local: late.by_workers(), remote: late.remote, home: late.home }
    }
}

/// When records were first and last handed to the remote side, in milliseconds of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Offloading {
    pub first: f64,
    pub last: f64,
}

impl Summary {
    /// Makes the summary from the report of all processes. The run lasted `wall` from its start to its last commit.
    pub fn of(report: &Report, wall: Duration) -> Self {
        let is_chain = report.is_chain;
        let events = if is_chain { report.emitted } else { report.counts.done() };
        let results = report.counts.results();
        let seconds = wall.as_secs_f64();
        let counters = report.counters();
        let billed_ms = counters.billed_us as f64 / 1e3;
        let cost_usd = report.cost_usd();
        Summary {
            workers: report.workers,
            processes: report.processes,
            epochs: report.committed,
            wall_ms: seconds * 1e3,
            events_in: events,
            records_local: report.counts.by_workers(),
            records_peer: report.counts.peer,
            records_remote: report.counts.remote,
            records_hedged: report.counts.hedged,
            records_home: report.counts.home,
            records_bad: report.counts.bad,
            results_out: results,
            offloaded_fraction: report.remote_share(),
            throughput_eps: if seconds > 0.0 { results as f64 / seconds } else { 0.0 },
            true_rate_eps: Level::true_rate(&report.levels),
            cpu_ns_per_event: if events > 0 { report.cpu_ns as f64 / events as f64 } else { 0.0 },
            lambda_cpu_ms: report.lambda_cpu_ns as f64 / 1e6,
            latency_ms: Percentiles::from(&report.latency()),
            latency_burst_ms: (!report.burst.is_empty()).then(|| Percentiles::from(&report.burst)),
            commit_latency_ms: Percentiles::from(&report.commit_latency),
            late_records: report.late.results(),
            late_by: LateBy::from(&report.late),
            on_time_fraction: report.on_time().fraction(),
            offloading_ms: report.sent.map(|sent| Offloading {
                first: sent.first as f64 / 1e6,
                last: sent.last as f64 / 1e6,
            }),
            counters,
            verified: report.verified,
            billed_ms,
            // The bridge runs a little longer than the stream.
            over_budget_ms: (counters.over_budget_us as f64 / 1e3).min(seconds * 1e3),
            cost_usd,
            stages: if is_chain { report.stage_figures(wall) } else { Vec::new() },
            state: report.states.iter().map(|it| StateFigures::of(it, report.workers)).collect(),
            calls: report.calls.iter().map(|call| CallFigures::of(call, wall)).collect(),
            functions: report.functions.iter().map(FunctionBill::of).collect(),
            peak_backlog: report.backlog_peaks.iter().max().copied().unwrap_or(0),
            backpressured_ms: report.backpressured_ns as f64 / 1e6,
            total: Totals { events_in: events, results_out: results, runs: 1, cost_usd },
            ..Summary::default()
        }
    }

    /// Writes the summary as JSON, atomically.
    ///
    /// # Errors
    /// If the file or its folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        destination::write(path, &json)
    }

    /// Whether there is output, of this run or of the runs that it resumed.
    pub fn has_output(&self) -> bool {
        self.stopped == "done" || self.total.results_out > 0
    }

    /// Returns the sentences that come after all other figures. They say what went wrong.
    pub fn last_words(&self) -> impl Iterator<Item = &str> {
        // An error already says why nothing was done remotely.
        let nothing_remote = self.nothing_remote.iter().filter(|_| self.error.is_none());
        self.missed.iter().chain(nothing_remote).map(String::as_str)
    }
}
