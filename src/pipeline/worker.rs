//! One worker of a run: builds the dataflow, steps it, and says at the end what happened.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Concat, Operator as _, Probe};
use timely::dataflow::{ProbeHandle, Scope, Stream};
use timely::worker::Worker;

use super::beginning::{Beginning, Output};
use super::control::{Control, Disagreement};
use super::steps::Steps;
use super::watch::Watch;
use super::{Failures, Settings, Source, Stop, look};
use crate::batch::{Batch, Nanos, TextRecord};
use crate::bridge::Bridge;
use crate::cpu;
use crate::emulator;
use crate::live::Diagnosis;
use crate::nexmark::Generator;
use crate::observe::{Billed, ProcessStats, Report};
use crate::operators::{Backpressure, Burst, BurstExt as _, Clock, Peers};
use crate::schedule::BurstWindow;
use crate::sink::{CommitExt as _, Note, SinkHandle};
use crate::source::{EventSource, Gate, LineSource, Lines, Outflow, Pace, events, lines, nominal};
#[cfg(feature = "kafka")]
use crate::source::{Kafka, KafkaSource, kafka};
use crate::task::{Bad, TextTask};

/// What the workers of a process share.
pub(super) struct Shared {
    pub settings: Settings,
    pub pace: Arc<Pace>,
    pub task: TextTask,
    pub bridge: Option<Bridge>,
    pub peers: Peers,
    pub lambda: Option<Arc<emulator::Server>>,
    pub sink: SinkHandle,
    pub lines: Option<Arc<Lines>>,
    #[cfg(feature = "kafka")]
    pub kafka: Option<Arc<Kafka>>,
    pub stats: ProcessStats,
    /// What holds the run up, and what did while results came late.
    pub diagnosis: Mutex<Diagnosis>,
    pub stop: Stop,
    pub failures: Failures,
    /// The run, in whatever process, was asked to stop before its input ended.
    pub was_stopped: AtomicBool,
    pub started: OnceLock<Started>,
    /// What was there before.
    pub output: Output,
    /// Where the run begins, as this process sees it.
    pub beginning: Beginning,
}

/// The run's start, and what the process had used by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    pub at: Instant,
    /// The schedule's time at that instant, and the epoch that it begins.
    pub from: Nanos,
    pub epoch: u64,
    cpu_ns: u64,
    lambda_cpu_ns: u64,
}

impl Shared {
    /// A number for everything that the processes must agree on: the settings, and the files that
    /// all of them read.
    fn fingerprint(&self) -> u64 {
        let lines = self.lines.as_ref().map_or(0, |lines| lines.fingerprint());
        let input = self.settings.fingerprint().wrapping_add(lines);
        #[cfg(feature = "kafka")]
        let input = input.wrapping_add(self.kafka.as_ref().map_or(0, |kafka| kafka.fingerprint()));
        input
    }

    fn lambda_cpu_ns(&self) -> u64 {
        self.lambda.as_ref().map_or(0, |lambda| lambda.stats().cpu.as_nanos() as u64)
    }

    /// Notes how things stand, for the slot of time that has just ended.
    pub(super) fn sample(&self, started: Started) {
        let (about, sample) = (look::about(self), look::sample(self, &started));
        let diagnosis = self.diagnosis.lock();
        diagnosis.unwrap_or_else(PoisonError::into_inner).take(&about, Arc::new(sample));
        let counters = self.bridge.as_ref().map(Bridge::counters).unwrap_or_default();
        let now = started.from + started.at.elapsed().as_nanos() as Nanos;
        self.stats.sample(now, (counters.billed, counters.billed_us));
    }

    /// The process's figures so far.
    pub(super) fn report(&self) -> Report {
        if let Some(started) = self.started.get() {
            self.sample(*started);
        }
        let mut report = Report::of(&self.stats, self.settings.timely.workers);
        self.fill(&mut report);
        report
    }

    /// CPU time since the start: of all threads but the embedded Lambda's, and of these.
    pub(super) fn cpu_since(&self, started: &Started) -> (u64, u64) {
        let lambda = self.lambda_cpu_ns().saturating_sub(started.lambda_cpu_ns);
        let all = (cpu::of_process().as_nanos() as u64).saturating_sub(started.cpu_ns);
        (all.saturating_sub(lambda), lambda)
    }

    /// Puts into `report` what workers do not count.
    pub(super) fn fill(&self, report: &mut Report) {
        if let Some(started) = self.started.get() {
            (report.cpu_ns, report.lambda_cpu_ns) = self.cpu_since(started);
        }
        report.verified = self.stats.verified();
        report.cause = self.diagnosis.lock().unwrap_or_else(PoisonError::into_inner).cause();
        if let Some(bridge) = &self.bridge {
            let counters = bridge.counters();
            report.requests = counters.requests;
            report.attempts = counters.attempts;
            report.hedged = counters.hedged;
            report.abandoned = counters.abandoned;
            report.superseded = counters.superseded;
            report.probes = counters.probes;
            report.warm_ups = counters.warm_ups;
            report.breaker_opened = counters.breaker_opened;
            report.throttled = counters.throttled;
            report.failed = counters.failed;
            report.billed_us = counters.billed_us;
            report.billed_requests = counters.billed;
            report.over_budget_us = counters.over_budget_us;
            report.functions = vec![Billed {
                name: self.settings.endpoint.name(),
                attempts: counters.billed,
                billed_us: counters.billed_us,
                metered: counters.metered,
                metered_us: counters.metered_us,
                estimated_us: counters.estimated_us,
            }];
            report.refused = self.refused();
            let last_failure = bridge.last_failure();
            report.last_failure =
                last_failure.map(|failure| format!("{failure} ({})", failure.advice()));
            report.longest_us = bridge.p99().as_micros() as u64;
        }
    }

    /// Why the remote side was of no use, if it has refused everything, and what to do about it.
    pub(super) fn refused(&self) -> Option<String> {
        let refusal = self.bridge.as_ref()?.refusal()?;
        Some(format!("{refusal} ({})", refusal.advice()))
    }
}

/// Runs a worker to its end; answers all processes' reports.
///
/// # Errors
/// If the processes were given different settings: then nothing was done.
pub(super) fn work(
    worker: &mut Worker,
    shared: &Arc<Shared>,
) -> Result<Vec<Vec<u8>>, Disagreement> {
    let settings = &shared.settings;
    let place = worker.index() % settings.timely.workers;
    let mut control = Control::new(worker);
    let beginning = &shared.beginning;
    if let Err(differ) = control.agree_on_start(worker, shared.fingerprint(), beginning) {
        control.close();
        return Err(differ);
    }
    let from = beginning.time(settings.epoch_length());
    // The first worker of a process to hear of it starts the clock for all.
    let started = shared.started.get_or_init(|| Started {
        at: Instant::now(),
        from,
        epoch: beginning.epoch,
        cpu_ns: cpu::of_process().as_nanos() as u64,
        lambda_cpu_ns: shared.lambda_cpu_ns(),
    });
    // The schedule goes on where it stood.
    let zero = started.at.checked_sub(Duration::from_nanos(from)).unwrap_or(started.at);
    let clock = Clock::starting(zero);
    let burst = settings.schedule.as_ref().and_then(BurstWindow::of);
    let watch = Watch::new(&shared.stats, place, clock, burst, &shared.failures);
    let backpressure = Backpressure::new(settings.max_backlog, settings.max_backlog_bytes);
    let outflow = SinkOutflow(shared.sink.clone());
    let window = settings.open_epochs();
    let gate = Gate::new(backpressure.clone(), outflow, window, shared.stats.worker(place));
    gate.committed_before(beginning.epoch);
    let probe = ProbeHandle::new();

    worker.dataflow_named::<u64, _, _>("Floodway", |scope| {
        let (records, bad_records, notes) = source(&scope, shared, place, clock, &gate);
        let mut burst = Burst::new(settings.policy(scope.peers()))
            .deadline(settings.deadline)
            .clock(clock)
            .schedule(|batch: &Batch| batch.span)
            .peers(&shared.peers)
            .backpressure(&backpressure)
            .observer(watch.clone());
        if let Some(epoch) = settings.epoch_length() {
            burst = burst.epoch(epoch);
        }
        if let Some(bridge) = &shared.bridge {
            burst = burst.remote(bridge);
        }
        let (results, bad) = records.burst(Arc::clone(&shared.task), burst);
        let (gate, watch) = (gate.clone(), watch.clone());
        let bad = bad.concat(bad_records);
        let committed = match notes {
            Some(notes) => results.commit_with_notes(bad, notes, &shared.sink),
            None => results.commit_to(bad, &shared.sink),
        };
        committed.probe_with(&probe).sink(Pipeline, "Committed", move |(input, frontier)| {
            input.for_each(|_, _| {});
            let before = frontier.frontier().first().copied();
            watch.committed_before(before, clock.now());
            gate.committed_before(before.unwrap_or(u64::MAX));
        });
    });

    shared.stop.attach(control.waker());
    let mut told = false;
    let mut steps = Steps::new();
    let stats = shared.stats.worker(place);
    while !probe.done() {
        steps.measure(|| worker.step_or_park(None));
        stats.note_cpu(cpu::of_thread);
        let said = control.stop_was_said();
        if said || shared.stop.is_requested() {
            shared.was_stopped.store(true, Relaxed);
            gate.hold();
            control.stop(gate.begun());
        }
        if !told && let Some(last) = control.last_epoch() {
            told = true;
            if let Some(lines) = &shared.lines {
                lines.stop_after(last);
            }
            #[cfg(feature = "kafka")]
            if let Some(kafka) = &shared.kafka {
                kafka.stop();
            }
            shared.sink.stop_after(last);
            gate.stop_after(last);
        }
    }
    stats.note_cpu(cpu::of_thread);
    steps.log(worker.index());
    let report = (place == 0).then_some(|| {
        // Nothing of the stream is open any more; what is still away is given up, and counted.
        shared.bridge.iter().for_each(Bridge::finish);
        // A report is numbers: it can be written.
        serde_json::to_vec(&shared.report()).unwrap_or_default()
    });
    Ok(control.finish(worker, settings.timely.processes, report))
}

/// Records, those that are bad, and what commits are to remember of a source that tells them itself.
type Records<'scope> = (
    Stream<'scope, u64, Batch>,
    Stream<'scope, u64, Vec<Bad<TextRecord>>>,
    Option<Stream<'scope, u64, Vec<Note>>>,
);

fn source<'scope>(
    scope: &Scope<'scope, u64>,
    shared: &Shared,
    place: usize,
    clock: Clock,
    gate: &Gate,
) -> Records<'scope> {
    let (records, bad) = match &shared.settings.source {
        Source::Nexmark { config, seed } => {
            let schedule = shared.settings.schedule.clone().unwrap_or_else(nominal);
            let generator = Generator::new(config.clone(), *seed, schedule);
            let (pace, gate) = (Arc::clone(&shared.pace), gate.clone());
            let fill = move |range, batch: &mut Batch| generator.fill(range, batch);
            let (from, skew) = (pace.first(shared.beginning.epoch), shared.settings.skew);
            let (max_record, stats) = (shared.settings.max_record, shared.stats.worker(place));
            events(scope, EventSource { pace, from, skew, clock, gate, max_record, stats, fill })
        }
        Source::Lines(_) => {
            let lines_source = shared.lines.clone();
            let stats = shared.stats.worker(place);
            let (pace, gate) = (Arc::clone(&shared.pace), gate.clone());
            lines(scope, LineSource { lines: lines_source, pace, place, clock, gate, stats })
        }
        #[cfg(feature = "kafka")]
        Source::Kafka(_) => {
            let kafka_source = shared.kafka.clone().expect("it was started with its settings");
            let stats = shared.stats.worker(place);
            let (pace, gate) = (Arc::clone(&shared.pace), gate.clone());
            let source = KafkaSource { kafka: kafka_source, pace, place, clock, gate, stats };
            let (records, bad, notes) = kafka(scope, source);
            return (records, bad, Some(notes));
        }
    };
    (records, bad, None)
}

/// Makes the sink a thing that a gate looks at.
struct SinkOutflow(SinkHandle);

impl Outflow for SinkOutflow {
    fn is_full(&self) -> bool {
        self.0.is_full()
    }
}
