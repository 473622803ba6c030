//! The figures of a run in words.

use std::fmt::Write as _;
use std::time::Duration;

use super::{LateBy, Offloading, OnTime, Percentiles, Summary};
use crate::stage_needs::StageNeeds;
use crate::terminal::plain;
use crate::units::{show_count, show_duration, show_many};

impl Summary {
    /// Whether earlier runs of the state had done all events.
    fn nothing_left(&self) -> bool {
        self.events_in == 0 && self.total.runs > 1 && self.stopped == "done" && self.error.is_none()
    }

    /// Returns the figures in words, in several lines.
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
                "{} in {}: {} {}/s, {:.0} ns of CPU per event, policy {}, {} in {}",
                show_many(self.events_in, "event"),
                show_duration(wall),
                show_count(self.throughput_eps as u64),
                if self.stages.is_empty() { "events" } else { "results" },
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
        let mut policies = self.stages.iter().filter_map(|stage| stage.policy.as_ref());
        let first = policies.next();
        let are_several = policies.any(|policy| Some(policy) != first);
        for stage in &self.stages {
            line(format!("stage     {}", stage.words(are_several)));
        }
        let of_stages = self.stages.iter().map(|stage| stage.needs_workers);
        let needs = StageNeeds::new(of_stages, self.workers);
        if let Some(stage) = needs.bottleneck() {
            line(format!(
                "bottleneck {}: the stages need {:.2} workers, of which there are {}",
                self.stages[stage].name,
                needs.total(),
                self.workers
            ));
        }
        for state in &self.state {
            line(format!("state     {}", state.words()));
        }
        for call in &self.calls {
            line(format!("call      {}", call.words()));
        }
        if counters.requests > 0 {
            // This line counts records, and the next one counts requests.
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
        if let Some(processes) = self.function_processes {
            let of = if processes == 1 { "process" } else { "processes" };
            let restarts = match self.function_restarts {
                None | Some(0) => String::new(),
                Some(restarts) => format!("; {} started in place of others", show_count(restarts)),
            };
            line(format!("function  {processes} {of} of {} on this machine{restarts}", self.task));
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

    /// Returns how much was committed and what to do about the rest, in words. None if all results were committed.
    fn not_committed(&self) -> Option<String> {
        let is_done = self.stopped == "done" && self.error.is_none();
        let results = self.results();
        let committed = match self.results_out {
            _ if is_done => return None,
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

    /// Returns the number of results that were computed.
    fn results(&self) -> u64 {
        self.records_local + self.records_remote + self.records_home
    }

    /// Returns how many results came in time, in words.
    fn on_time(&self) -> String {
        let on_time = OnTime { results: self.results(), late: self.late_records };
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
}

fn ms(value: f64) -> String {
    show_duration(Duration::from_secs_f64(value.max(0.0) / 1e3))
}
