//! The run's figures, as `--summary` writes them and as they are said in words.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{Counts, FunctionCounters, Latencies, Level, OnTime, Report};
use crate::cost::Cost;
use crate::counters::Counters;
use crate::destination;
use crate::terminal::plain;
use crate::units::{show_count, show_duration, show_many};

/// Quantiles of a latency, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half of the events were not slower.
    pub p50: f64,
    /// Nine tenths.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// None was slower.
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
    /// Events that came in.
    pub events_in: u64,
    /// Lines committed.
    pub results_out: u64,
    /// Runs.
    pub runs: u64,
    /// What was spent, in US dollars.
    pub cost_usd: f64,
}

/// What a policy would have done, of a run that sent nothing.
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionBill>,
    pub over_budget_ms: f64,
    pub peak_backlog: u64,
    pub backpressured_ms: f64,
    pub stopped: String,
    pub total: Totals,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<String>,
    /// Where the deadline was missed: that it was, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    /// Where the policy wanted to send records and none was done remotely: that it is so, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing_remote: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Results that came later than they were due, by where they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct LateBy {
    pub local: u64,
    pub remote: u64,
    pub home: u64,
}

impl From<&Counts> for LateBy {
    fn from(late: &Counts) -> Self {
        LateBy { local: late.local + late.peer, remote: late.remote, home: late.home }
    }
}

/// What a function was billed: as measured, and as it would have been estimated.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct FunctionBill {
    pub name: String,
    pub attempts: u64,
    pub billed_ms: f64,
    pub metered: u64,
    pub metered_ms: f64,
    pub estimated_ms: f64,
    pub cost_usd: f64,
}

impl FunctionBill {
    fn of(function: &FunctionCounters, cost: &Cost) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        let counters = &function.counters;
        FunctionBill {
            name: function.name.clone(),
            attempts: counters.billed,
            billed_ms: ms(counters.billed_us),
            metered: counters.metered,
            metered_ms: ms(counters.metered_us),
            estimated_ms: ms(counters.estimated_us),
            cost_usd: cost.usd(counters.billed, ms(counters.billed_us)),
        }
    }

    /// In words: how much of it the service said, and what is taken for it where it says nothing.
    fn words(&self) -> String {
        let time = |ms: f64| show_duration(Duration::from_secs_f64(ms.max(0.0) / 1e3));
        let all = show_many(self.attempts, "attempt");
        if self.metered == 0 {
            let billed = time(self.billed_ms);
            return format!(
                "{}: {all}, {billed} estimated from their duration (the service does not say what it bills)",
                self.name
            );
        }
        let others = match self.attempts.saturating_sub(self.metered) {
            0 => String::new(),
            others => {
                let took = time(self.billed_ms - self.metered_ms);
                format!(
                    "; {} not metered, {took} estimated from their duration",
                    show_count(others)
                )
            }
        };
        let (metered, trips) = (time(self.metered_ms), time(self.estimated_ms));
        format!("{}: {all}, {metered} metered (their round trips: {trips}){others}", self.name)
    }
}

/// When records were first handed to the remote side, and last, in milliseconds of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Offloading {
    pub first: f64,
    pub last: f64,
}

impl Summary {
    /// Sums up all processes' reports of a run that lasted `wall` from its start to its last
    /// commit, at the prices of `cost`.
    pub fn of(report: &Report, wall: Duration, cost: &Cost) -> Self {
        let events = report.counts.done();
        let results = report.counts.results();
        let seconds = wall.as_secs_f64();
        let counters = report.counters();
        let billed_ms = counters.billed_us as f64 / 1e3;
        let cost_usd = cost.usd(counters.billed, billed_ms);
        Summary {
            workers: report.workers,
            processes: report.processes,
            epochs: report.committed,
            wall_ms: seconds * 1e3,
            events_in: events,
            // A worker of this run made them, which is what is asked of `records_local`.
            records_local: report.counts.local + report.counts.peer,
            records_peer: report.counts.peer,
            records_remote: report.counts.remote,
            records_hedged: report.counts.hedged,
            records_home: report.counts.home,
            records_bad: report.counts.bad,
            results_out: results,
            offloaded_fraction: report.counts.remote as f64 / events.max(1) as f64,
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
            // The bridge lives a little longer than the stream.
            over_budget_ms: (counters.over_budget_us as f64 / 1e3).min(seconds * 1e3),
            cost_usd,
            functions: report.functions.iter().map(|one| FunctionBill::of(one, cost)).collect(),
            peak_backlog: report.backlog_peaks.iter().max().copied().unwrap_or(0),
            backpressured_ms: report.backpressured_ns as f64 / 1e6,
            total: Totals { events_in: events, results_out: results, runs: 1, cost_usd },
            ..Summary::default()
        }
    }

    /// Writes it as JSON, atomically.
    ///
    /// # Errors
    /// If the file or its folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        destination::write(path, &json)
    }

    /// Whether earlier runs had done all that there was to do.
    fn nothing_left(&self) -> bool {
        self.events_in == 0 && self.total.runs > 1 && self.stopped == "done" && self.error.is_none()
    }

    /// In words, for a person.
    pub fn words(&self) -> String {
        let counters = &self.counters;
        let mut words = String::new();
        let mut line = |text: String| {
            let _ = writeln!(words, "{}", plain(&text));
        };
        let wall = Duration::from_secs_f64(self.wall_ms.max(0.0) / 1e3);
        match self.nothing_left() {
            true => line(format!(
                "nothing was left to do: {} of this state had committed all of the {}",
                match self.total.runs {
                    2 => "an earlier run".to_owned(),
                    runs => format!("{} earlier runs", runs - 1),
                },
                show_many(self.total.events_in, "event"),
            )),
            false => line(format!(
                "{} in {}: {} events/s, {:.0} ns of CPU per event, policy {}, {} in {}",
                show_many(self.events_in, "event"),
                show_duration(wall),
                show_count(self.throughput_eps as u64),
                self.cpu_ns_per_event,
                self.policy,
                show_many(self.workers as u64, "worker"),
                show_many(self.processes as u64, "process"),
            )),
        }
        if self.events_in > 0 {
            line(format!("on time   {}", self.on_time()));
            let Percentiles { p50, p99, max, .. } = self.latency_ms;
            line(format!("latency   p50 {}, p99 {}, max {}", ms(p50), ms(p99), ms(max)));
            if let Some(Percentiles { p50, p99, max, .. }) = self.latency_burst_ms {
                line(format!("in bursts p50 {}, p99 {}, max {}", ms(p50), ms(p99), ms(max)));
            }
            if self.results_out > 0 {
                let Percentiles { p50, p99, max, .. } = self.commit_latency_ms;
                line(format!("to commit p50 {}, p99 {}, max {}", ms(p50), ms(p99), ms(max)));
            }
            if let Some(text) = self.not_committed() {
                line(format!("committed {text}"));
            }
        }
        if counters.requests > 0 {
            // Of records here, of requests in the next line: neither is a part of the other.
            let mut sent = format!(
                "offloaded {:.1} % of the records: {} remote, {} returned to a worker",
                self.offloaded_fraction * 100.0,
                show_count(self.records_remote),
                show_count(self.records_home),
            );
            if counters.superseded > 0 {
                let _ = write!(sent, ", {} done twice", show_count(counters.superseded));
            }
            line(sent);
            let attempts = show_many(counters.attempts, "attempt");
            let mut requests = format!("requests  {} in {attempts}", show_count(counters.requests));
            if let Some(Offloading { first, last }) = self.offloading_ms {
                let _ = write!(requests, " from {} to {} of the run", ms(first), ms(last));
            }
            for (count, what) in [
                (counters.retries(), "retried"),
                (counters.hedged, "hedged"),
                (counters.throttled, "throttled"),
                (counters.abandoned, "given up"),
                (counters.failed, "failed and returned"),
            ] {
                if count > 0 {
                    let _ = write!(requests, ", {} {what}", show_count(count));
                }
            }
            line(requests);
            if counters.breaker_opened > 0 {
                line(format!("breaker   opened {}", show_many(counters.breaker_opened, "time")));
            }
        } else if self.events_in > 0 {
            line("offloaded nothing".to_owned());
        }
        if self.billed_ms > 0.0 {
            line(format!(
                "cost      ${:.6} for {} of billed time, {} and {} included",
                self.cost_usd,
                show_duration(Duration::from_secs_f64(self.billed_ms / 1e3)),
                show_many(counters.probes, "probe"),
                show_many(counters.warm_ups, "warm-up"),
            ));
        }
        for function in self.functions.iter().filter(|function| function.attempts > 0) {
            line(format!("billed    {}", function.words()));
        }
        if self.total.cost_usd > self.cost_usd {
            let runs = show_many(self.total.runs, "run");
            line(format!("          ${:.6} for all {runs} of this state", self.total.cost_usd));
        }
        if self.over_budget_ms > 0.0 {
            line(format!(
                "budget    spent for {}: nothing was sent in this time",
                show_duration(Duration::from_secs_f64(self.over_budget_ms / 1e3)),
            ));
        }
        if self.verified > 0 {
            let results = show_many(self.verified, "remote result");
            line(format!("verified  {results}: a worker computed them too"));
        }
        if let Some(shadow) = &self.shadow {
            line(format!(
                "shadow    {} would have sent {:.1} % of the records in {} for ${:.6}: p99 {} instead \
                 of {}, {:.1} % late",
                shadow.policy,
                shadow.offloaded_fraction * 100.0,
                show_many(shadow.requests, "request"),
                shadow.cost_usd,
                ms(shadow.latency_ms.p99),
                ms(self.latency_ms.p99),
                shadow.late_fraction * 100.0,
            ));
        }
        if let Some(lambda) = &self.lambda {
            line(format!("lambda    {lambda}"));
        }
        if self.work_us > 0.0 {
            let work = show_duration(Duration::from_secs_f64(self.work_us / 1e6));
            line(format!("work      {work} of modelled time per record (--work)"));
        }
        if self.records_bad > 0 {
            line(format!("bad       {}", show_many(self.records_bad, "record")));
        }
        if self.backpressured_ms > 0.0 {
            line(format!(
                "waited    the source waited {} (backpressure); at most {} waited at a time",
                show_duration(Duration::from_secs_f64(self.backpressured_ms / 1e3)),
                show_many(self.peak_backlog, "record"),
            ));
        }
        words
    }
}

impl Summary {
    /// Returns how much was committed and what to do about the rest, in words. None if all results were.
    fn not_committed(&self) -> Option<String> {
        let results = self.events_in - self.records_bad;
        let committed = match self.results_out {
            committed if committed >= results => return None,
            0 => "nothing".to_owned(),
            committed => show_count(committed),
        };
        let results = show_many(results, "result");
        let advice = match &*self.stopped {
            "signal" => {
                "; a longer --stop-within leaves time for them, and with --state the same command does the rest"
            }
            _ => "",
        };
        Some(format!("{committed} of {results}: the last epochs were not complete{advice}"))
    }

    /// Whether there is output, of this run or of the runs that it resumed.
    pub fn has_output(&self) -> bool {
        self.stopped == "done" || self.total.results_out > 0
    }

    /// How many results came in time, in words.
    fn on_time(&self) -> String {
        let results = self.events_in - self.records_bad;
        let on_time = OnTime { results, late: self.late_records };
        let LateBy { local, remote, home } = self.late_by;
        let routes = [(local, "local"), (remote, "remote"), (home, "returned")];
        let routes = routes.iter().filter(|(late, _)| *late > 0);
        let routes: Vec<_> =
            routes.map(|(late, name)| format!("{} {name}", show_count(*late))).collect();
        let late = match routes[..] {
            [] => String::new(),
            _ => {
                let late = show_many(self.late_records, "result");
                format!("; {late} late: {}", routes.join(", "))
            }
        };
        format!("{on_time} within {}{late}", ms(self.deadline_ms))
    }

    /// What is said last, after all other figures: what did not go as it should have.
    pub fn last_words(&self) -> impl Iterator<Item = &str> {
        // An error says it itself.
        let nothing_remote = self.nothing_remote.iter().filter(|_| self.error.is_none());
        self.missed.iter().chain(nothing_remote).map(String::as_str)
    }
}

fn ms(value: f64) -> String {
    show_duration(Duration::from_secs_f64(value.max(0.0) / 1e3))
}
