//! The metrics in Prometheus' formats. `docs/live.md` lists them.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::bottleneck::Kind;
use super::sample::{About, Sample};
use super::stage_view::StageView;
use super::view_state::Phase;
use crate::observe::{HistogramSnapshot, WaitReason};
use crate::policy::Route;
use crate::process_stats;

/// The format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.
    Open,
    /// Prometheus' own text format, 0.0.4.
    Text,
}

impl Format {
    /// Returns the format for a client that sends this `Accept` header.
    pub(super) fn accepted(accept: &str) -> Format {
        if accept.contains("application/openmetrics-text") { Format::Open } else { Format::Text }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What the metrics show.
#[derive(Debug)]
pub(super) struct Metrics {
    pub about: About,
    pub sample: Sample,
    pub stages: Vec<StageView>,
    pub phase: Phase,
    pub bottleneck: Kind,
    pub is_stuck: bool,
}

/// Formats the metrics as text.
pub(super) fn write(metrics: Metrics, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics));
    let mut out = String::with_capacity(16 << 10);
    // Into a string everything can be written.
    let _ = match format {
        Format::Open => text::encode(&mut out, &registry),
        Format::Text => prometheus_text::encode(&mut out, &registry),
    };
    out
}

/// The upper bounds of the buckets, in microseconds: 1, 2, 5 and so on, and more of them near common
/// deadlines.
const ENDS_US: [u64; 18] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 150_000, 200_000, 300_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// The metrics as they are written.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

pub(super) const COUNTER: MetricType = MetricType::Counter;
pub(super) const GAUGE: MetricType = MetricType::Gauge;
pub(super) const NO_EXEMPLAR: Option<&Exemplar<[(&str, &str); 0], f64>> = None;

impl Page<'_> {
    pub(super) fn count<V: EncodeCounterValue>(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        value: V,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), COUNTER)?;
        metric.encode_counter(&value, NO_EXEMPLAR)
    }

    pub(super) fn counts<V: EncodeCounterValue>(
        &mut self,
        (name, label): (&str, &str),
        unit: Option<Unit>,
        help: &str,
        values: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), COUNTER)?;
        values.into_iter().try_for_each(|(of, value)| {
            metric.encode_family(&[(label, of)])?.encode_counter(&value, NO_EXEMPLAR)
        })
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        help: &str,
        value: f64,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), GAUGE)?;
        metric.encode_gauge(&value)
    }

    /// A gauge for each of several names: 1 for the current one, 0 for the others.
    pub(super) fn one_of(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        all: impl IntoIterator<Item = (&'static str, bool)>,
    ) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, GAUGE)?;
        all.into_iter().try_for_each(|(of, is)| {
            metric.encode_family(&[(label, of)])?.encode_gauge(&f64::from(u8::from(is)))
        })
    }

    fn histogram<'r>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (Option<&'static str>, &'r HistogramSnapshot)>,
    ) -> Result<(), Error> {
        let (seconds, kind) = (Unit::Seconds, MetricType::Histogram);
        let mut metric = self.0.encode_descriptor(name, help, Some(&seconds), kind)?;
        for (of, histogram) in all {
            let ends = ENDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
            let buckets: Vec<_> = ends.zip(histogram.between(&ENDS_US)).collect();
            let (sum, count) = (histogram.sum_seconds(), histogram.len());
            type NoLabels = [(&'static str, &'static str); 0];
            match of {
                Some(of) => metric
                    .encode_family(&[("where", of)])?
                    .encode_histogram::<NoLabels>(sum, count, &buckets, None)?,
                None => metric.encode_histogram::<NoLabels>(sum, count, &buckets, None)?,
            }
        }
        Ok(())
    }

    fn run(&mut self, metrics: &Metrics) -> Result<(), Error> {
        let Metrics { about, phase, .. } = metrics;
        let info = MetricType::Info;
        let mut build = self.0.encode_descriptor("floodway_build", "What runs.", None, info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        let mut run = self.0.encode_descriptor("floodway_run", "What the run is.", None, info)?;
        run.encode_info(&[
            ("policy", about.policy.clone()),
            ("task", about.task.clone()),
            ("source", about.source.clone()),
            ("function", about.function.clone().unwrap_or_default()),
            ("rate", if about.is_paced { "scheduled" } else { "max" }.to_owned()),
            ("process", about.process.to_string()),
            ("processes", about.processes.to_string()),
        ])?;
        self.one_of(
            ("floodway_run_state", "state"),
            "Whether the run waits to begin, goes on, or has ended and how: 1 for what it is.",
            Phase::ALL.map(|one| (one.name(), one == *phase)),
        )?;
        self.gauge(
            "floodway_healthy",
            None,
            "0 while the run is stuck or has failed: what /healthz says.",
            f64::from(u8::from(!metrics.is_stuck && *phase != Phase::Failed)),
        )?;
        self.one_of(
            ("floodway_bottleneck", "what"),
            "What holds the run up, by the last two seconds: 1 for what it is.",
            Kind::ALL.map(|kind| (kind.name(), kind == metrics.bottleneck)),
        )?;
        let workers = "Workers of this process.";
        self.gauge("floodway_workers", None, workers, about.workers as f64)
    }

    fn records(&mut self, about: &About, sample: &Sample) -> Result<(), Error> {
        let (snapshot, counts) = (&sample.snapshot, sample.snapshot.counts);
        self.counts(
            ("floodway_records", "where"),
            None,
            "Records that are done, by where their final result was computed. home: on a worker, after the remote side \
             returned them.",
            [
                ("local", counts.by_workers()),
                ("remote", counts.remote),
                ("home", counts.home),
                ("bad", counts.bad),
            ],
        )?;
        self.gauge(
            "floodway_deadline",
            seconds(),
            "How long after its schedule a result is due.",
            about.deadline_ms / 1e3,
        )?;
        let late = snapshot.late;
        self.counts(
            ("floodway_late_records", "where"),
            None,
            "Results that came later than they were due, by where they were made.",
            [("local", late.by_workers()), ("remote", late.remote), ("home", late.home)],
        )?;
        self.count(
            "floodway_records_peer",
            None,
            "Those of the local ones that another worker of the process made.",
            counts.peer,
        )?;
        self.count(
            "floodway_records_hedged",
            None,
            "Those of the remote ones that a second attempt made.",
            counts.hedged,
        )?;
        self.count(
            "floodway_records_emitted",
            None,
            "Records that have left the sources.",
            snapshot.emitted,
        )?;
        if let Some(due) = sample.due {
            self.count(
                "floodway_records_due",
                None,
                "Records that were due by the schedule.",
                due,
            )?;
        }
        let help = "Records a second of the last epoch that is final, over all processes.";
        if let Some(rate) = snapshot.offered_eps {
            self.gauge("floodway_offered_records_per_second", None, help, rate)?;
        }
        self.gauge(
            "floodway_true_rate_records_per_second",
            None,
            "Records a second of time in the task alone, summed over workers: more than they do with all else.",
            snapshot.true_rate,
        )?;
        let held = snapshot.backlog as f64;
        self.gauge("floodway_backlog_records", None, "Records held: queued or in flight.", held)?;
        self.gauge(
            "floodway_backlog_peak_records",
            None,
            "The most that were held.",
            snapshot.peak_backlog as f64,
        )?;
        let in_flight = snapshot.in_flight as f64;
        self.gauge("floodway_in_flight_records", None, "Records in flight.", in_flight)?;
        let routes = Route::ALL.iter().zip(&snapshot.by_route);
        let routes = routes.filter(|(_, histogram)| !histogram.is_empty());
        self.histogram(
            "floodway_latency",
            "From a record's own scheduled time to its result, by where that was made.",
            routes.map(|(route, histogram)| (Some(route.name()), histogram)),
        )?;
        self.histogram(
            "floodway_commit_latency",
            "From a record's own scheduled time to its epoch's commit.",
            [(None, &snapshot.commit)],
        )?;
        let epochs = "Epochs that this run has committed.";
        self.count("floodway_epochs_committed", None, epochs, sample.epochs)?;
        if about.is_paced {
            let late = "How late the source is that is furthest behind its schedule.";
            self.gauge("floodway_source_late", seconds(), late, secs(sample.late_ns()))?;
        }
        Ok(())
    }

    fn time(&mut self, sample: &Sample) -> Result<(), Error> {
        let snapshot = &sample.snapshot;
        self.counts(
            ("floodway_source_wait", "for"),
            seconds(),
            "For how long sources had records and waited, and for what, summed over workers: backpressure.",
            WaitReason::ALL.map(|what| (what.name(), secs(snapshot.waited[what as usize]))),
        )?;
        let help = "Time that workers spent in the task, by the clock.";
        self.count("floodway_worker_task", seconds(), help, secs(snapshot.useful_ns))?;
        let help = "CPU time of the workers' threads.";
        self.count("floodway_worker_cpu", seconds(), help, secs(snapshot.cpu_ns))?;
        let help = "For how long the sink's writer had something to do, the disk's time among it.";
        self.count("floodway_writer_busy", seconds(), help, secs(sample.writer.busy_ns))?;
        let help = "Bytes that wait for the sink's writer.";
        let waiting = sample.writer.waiting_bytes as f64;
        self.gauge("floodway_writer_waiting", Some(Unit::Bytes), help, waiting)?;
        let help = "Bytes that are committed and not published to the topic yet, in process 0.";
        let unpublished = sample.writer.unpublished_bytes as f64;
        self.gauge("floodway_unpublished", Some(Unit::Bytes), help, unpublished)?;
        let help = "Whether the topic's cluster is waited for: 1 if it takes no lines.";
        self.gauge(
            "floodway_publisher_waits",
            None,
            help,
            f64::from(u8::from(sample.writer.is_refused)),
        )?;
        let help = "CPU time of all threads since the run's start, without the embedded Lambda's.";
        self.count("floodway_cpu", seconds(), help, secs(sample.cpu_ns))?;
        let help = "CPU time of the embedded Lambda.";
        self.count("floodway_lambda_cpu", seconds(), help, secs(sample.lambda_cpu_ns))?;
        if let Some(restarts) = sample.function_restarts {
            let help = "Processes of the function that were started in place of others.";
            self.count("floodway_function_restarts", None, help, restarts)?;
        }
        let help = "CPU time of the process since it was started.";
        let cpu = process_stats::process_cpu().as_secs_f64();
        self.count("process_cpu", seconds(), help, cpu)?;
        match process_stats::resident_bytes() {
            Some(bytes) => {
                let help = "Memory of the process.";
                self.gauge("process_resident_memory", Some(Unit::Bytes), help, bytes as f64)
            }
            None => Ok(()),
        }
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), Error> {
        let mut page = Page(encoder);
        page.run(self)?;
        page.records(&self.about, &self.sample)?;
        page.time(&self.sample)?;
        page.stages(&self.sample.stages)?;
        page.stage_views(&self.stages)?;
        page.states(&self.sample.states)?;
        let Sample { calls, functions, .. } = &self.sample;
        let calls: Vec<_> = calls.iter().map(|(name, remote)| (name.clone(), remote)).collect();
        if !calls.is_empty() {
            page.endpoints("call", "call", &calls)?;
        }
        let functions = functions.iter().map(|it| (it.stages.join(", "), &it.remote));
        let functions: Vec<_> = functions.collect();
        if functions.len() > 1 {
            page.endpoints("function", "stages", &functions)?;
        }
        self.sample.remote().iter().try_for_each(|remote| page.remote(&self.about, remote))
    }
}

pub(super) fn seconds() -> Option<Unit> {
    Some(Unit::Seconds)
}

pub(super) fn secs(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
