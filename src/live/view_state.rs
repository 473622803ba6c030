//! The state of the live view, and the responses that are made of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use super::bottleneck::Bottleneck;
use super::capacity::Capacity;
use super::diagnosis::Diagnosis;
use super::health::Health;
use super::metrics;
use super::metrics::{Format, Metrics};
use super::sample::{About, Observation, ObservedRun, Sample};
use super::series::{Columns, Series};
use super::stage_view::{self, StageView};
use crate::counters::Counters;
use crate::observe::{HistogramSnapshot, LiveSnapshot, StateTotals, quantile_ms};

/// The phase of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// The run has not begun.
    #[default]
    Waiting,
    /// The run is in progress.
    Running,
    /// The run has ended well.
    Done,
    /// The run was stopped.
    Stopped,
    /// The run has failed.
    Failed,
}

impl Phase {
    pub(super) const ALL: [Phase; 5] =
        [Phase::Waiting, Phase::Running, Phase::Done, Phase::Stopped, Phase::Failed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Running => "running",
            Phase::Done => "done",
            Phase::Stopped => "stopped",
            Phase::Failed => "failed",
        }
    }
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct End {
    /// The last sample, if the run had begun.
    pub sample: Option<Box<Sample>>,
    /// The summary, in the process that has it.
    pub summary: Option<Value>,
    /// Whether the run was asked to stop.
    pub stopped: bool,
    /// The error, if the run failed.
    pub error: Option<String>,
}

/// What the server's thread knows of the run.
#[derive(Default)]
pub(super) struct ViewState {
    about: About,
    run: Option<Arc<dyn ObservedRun>>,
    phase: Phase,
    error: Option<String>,
    diagnosis: Diagnosis,
    capacity: Capacity,
    /// The time at which the run began, since the Unix epoch.
    began: Option<Duration>,
    series: Series,
    health: Health,
    stuck: Option<String>,
    summary: Option<Value>,
}

/// The JSON that the page draws.
#[derive(Serialize)]
struct PageState<'a> {
    state: Phase,
    error: Option<&'a str>,
    stuck: Option<&'a str>,
    about: &'a About,
    now: Now,
    stages: Vec<StageView>,
    /// What the stages with state hold.
    states: Vec<StateTotals>,
    bottleneck: Bottleneck,
    /// The warnings at the end of the run: that the deadline was missed, or that nothing was done remotely,
    /// and why.
    last_words: Vec<&'a str>,
    columns: Columns,
}

/// The current figures. `docs/live.md` describes each.
#[derive(Debug, Default, Serialize)]
struct Now {
    at_s: f64,
    began_ms: Option<u64>,
    on_time_fraction: Option<f64>,
    late_records: u64,
    on_time_in_all: f64,
    is_late: bool,
    done_eps: f64,
    offered_eps: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    commit_p99_ms: Option<f64>,
    can_do_eps: Option<f64>,
    events_in: u64,
    records_local: u64,
    records_remote: u64,
    records_home: u64,
    records_bad: u64,
    backlog: u64,
    peak_backlog: u64,
    in_flight: u64,
    epochs: u64,
    late_s: f64,
    #[serde(flatten, serialize_with = "Counters::serialize_in_summary")]
    counters: Counters,
    requests_in_flight: u64,
    requests_limit: u64,
    breaker: Option<&'static str>,
    cost_usd: f64,
    is_spent: bool,
}

impl ViewState {
    pub(super) fn watch(&mut self, about: About, run: Arc<dyn ObservedRun>) {
        (self.about, self.run) = (about, Some(run));
    }

    /// Samples the run.
    pub(super) fn update(&mut self) {
        match self.run.as_ref().map(|run| run.observe()) {
            Some(Observation::Running(sample)) => {
                self.phase = Phase::Running;
                self.take(Arc::from(sample));
            }
            Some(Observation::Gone) => self.run = None,
            Some(Observation::Waiting) | None => {}
        }
    }

    fn take(&mut self, sample: Arc<Sample>) {
        self.series.take(&sample);
        self.stuck = self.health.take(&self.about, &sample);
        if self.began.is_none() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.began = Some(now.saturating_sub(Duration::from_nanos(sample.at)));
        }
        self.diagnosis.take(&self.about, sample);
        let (first, last) = (self.diagnosis.first(), self.diagnosis.last());
        self.capacity.take(&self.about, &first, &last);
    }

    /// Ends the run. Only the first call counts, because it knows most.
    pub(super) fn end(&mut self, end: End) {
        if !matches!(self.phase, Phase::Waiting | Phase::Running) {
            return;
        }
        self.run = None;
        if let Some(sample) = end.sample {
            self.take(Arc::from(sample));
        }
        self.phase = match (&end.error, end.stopped) {
            (Some(_), _) => Phase::Failed,
            (None, true) => Phase::Stopped,
            (None, false) => Phase::Done,
        };
        (self.error, self.summary, self.stuck) = (end.error, end.summary, None);
    }

    /// Returns the bottleneck. There is none when the run is over.
    fn bottleneck(&self) -> Bottleneck {
        match self.phase {
            Phase::Running => self.diagnosis.bottleneck().clone(),
            _ => Bottleneck::default(),
        }
    }

    pub(super) fn metrics(&self, format: Format) -> String {
        let metrics = Metrics {
            about: self.about.clone(),
            sample: Sample::clone(&self.diagnosis.last()),
            stages: self.stages(),
            phase: self.phase,
            bottleneck: self.bottleneck().kind,
            is_stuck: self.stuck.is_some(),
        };
        metrics::write(metrics, format)
    }

    /// Returns the series, of the whole run or of its last two minutes, with the current figures, as JSON.
    pub(super) fn series(&self, whole: bool) -> Vec<u8> {
        let shown = PageState {
            state: self.phase,
            error: self.error.as_deref(),
            stuck: self.stuck.as_deref(),
            about: &self.about,
            now: self.now(),
            stages: self.stages(),
            states: self.diagnosis.last().states.clone(),
            bottleneck: self.bottleneck(),
            last_words: self.last_words(),
            columns: self.series.columns(whole),
        };
        // Numbers and texts can always be written as JSON.
        serde_json::to_vec(&shown).unwrap_or_default()
    }

    /// Returns the warnings of the summary.
    fn last_words(&self) -> Vec<&str> {
        let summary = self.summary.as_ref();
        let said = |field| summary?.get(field)?.as_str();
        ["missed", "nothing_remote"].into_iter().filter_map(said).collect()
    }

    /// Returns the summary as JSON: the final one if the run is over, else the one so far. None before the
    /// run begins.
    pub(super) fn summary(&self) -> Option<Vec<u8>> {
        let so_far = || serde_json::to_value(self.run.as_ref()?.summary()?).ok();
        let summary = self.summary.clone().or_else(so_far)?;
        serde_json::to_vec_pretty(&summary).ok()
    }

    /// Returns whether the run makes progress, and a message about it.
    pub(super) fn health(&self) -> (bool, String) {
        match (self.phase, &self.stuck, &self.error) {
            (_, Some(stuck), _) => (false, format!("stuck: {stuck}")),
            (Phase::Failed, _, error) => (
                false,
                format!("failed: {}", error.as_deref().unwrap_or("for no reason that is known")),
            ),
            (phase, ..) => (true, phase.name().to_owned()),
        }
    }

    /// Returns what the stages do: in the last two seconds while the run lasts, and then in all of it.
    fn stages(&self) -> Vec<StageView> {
        let (first, last) = (self.diagnosis.first(), self.diagnosis.last());
        let before = (self.phase == Phase::Running).then_some(&*first);
        stage_view::stages(&self.about, before, &last, &self.bottleneck())
    }

    fn now(&self) -> Now {
        let (first, last) = (self.diagnosis.first(), self.diagnosis.last());
        let (snapshot, counts) = (&last.snapshot, last.snapshot.counts);
        let seconds = last.at.saturating_sub(first.at) as f64 / 1e9;
        let done = counts.done() - first.snapshot.counts.done();
        let recent = snapshot.latency().since(&first.snapshot.latency());
        let committed = snapshot.commit.since(&HistogramSnapshot::default());
        let remote = last.remote().unwrap_or_default();
        let on_time = snapshot.on_time_since(&first.snapshot);
        let in_all = snapshot.on_time_since(&LiveSnapshot::default());
        // During the run, the percentiles are those of the last two seconds.
        let judged = if self.phase == Phase::Running { on_time } else { in_all };
        Now {
            began_ms: self.began.map(|began| began.as_millis() as u64),
            on_time_fraction: (on_time.results > 0).then(|| on_time.fraction()),
            late_records: in_all.late,
            on_time_in_all: in_all.fraction(),
            is_late: self.about.has_due_times && judged.is_missed(),
            at_s: last.at as f64 / 1e9,
            done_eps: if seconds > 0.0 { (done as f64 / seconds).round() } else { 0.0 },
            offered_eps: snapshot.offered_eps.map(f64::round),
            p50_ms: quantile_ms(&recent, 0.5),
            p99_ms: quantile_ms(&recent, 0.99),
            commit_p99_ms: quantile_ms(&committed, 0.99),
            can_do_eps: self.capacity.eps().map(f64::round),
            events_in: counts.done(),
            records_local: counts.by_workers(),
            records_remote: counts.remote,
            records_home: counts.home,
            records_bad: counts.bad,
            backlog: snapshot.backlog,
            peak_backlog: snapshot.peak_backlog,
            in_flight: snapshot.in_flight,
            epochs: last.epochs,
            late_s: (last.late_ns() / 1_000_000) as f64 / 1e3,
            counters: remote.counters,
            requests_in_flight: remote.counters.in_flight,
            requests_limit: remote.limit,
            breaker: last.remote().map(|remote| remote.breaker.name()),
            cost_usd: remote.cost_usd,
            is_spent: remote.is_spent,
        }
    }
}
