//! One worker of a run: builds the dataflow, steps it, and reports at the end what happened.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use timely::dataflow::ProbeHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Operator as _, Probe};
use timely::worker::Worker;

use super::control::{Control, Disagreement, SharedValues};
use super::frontiers::Frontiers;
use super::metrics_observer::MetricsObserver;
use super::remote_side::{Call, FunctionBridge};
use super::resume::{Output, ResumePoint};
use super::step_timer::StepTimer;
use super::worker_host::WorkerHost;
use super::{Failures, RunError, Settings, Stop, live_view};
use crate::batch::Nanos;
use crate::bridge::Bridge;
use crate::emulator;
use crate::job::{BuildError, Committing, Job};
use crate::live::{Diagnosis, Live, StageSample};
use crate::observe::{FunctionFailure, ProcessStats, Report, StageCounts, StageTotals};
use crate::operators::{Backpressure, Clock, Observer as _, Peers, Route, Stages};
use crate::pool::ProcessPool;
use crate::process_stats;
use crate::schedule::BurstWindow;
use crate::sink::SinkHandle;
use crate::source::{Downstream, FlowControl, OpenSource, Pace, WorkerContext};
use crate::state_totals::States;

/// What the workers of a process share.
pub(super) struct RunContext {
    pub settings: Settings,
    pub pace: Arc<Pace>,
    /// What each stage of the dataflow does.
    pub stages: Stages,
    /// What each stage with state holds.
    pub states: States,
    /// How far each stage has come.
    pub frontiers: Frontiers,
    /// The bridges to the functions.
    pub functions: Vec<FunctionBridge>,
    /// The bridges to the services that are called.
    pub calls: Vec<Call>,
    pub peers: Peers,
    /// The processes that compute in place of the workers, if the task is a function.
    pub pool: Option<ProcessPool>,
    pub lambda: Option<Arc<emulator::Server>>,
    pub sink: SinkHandle,
    pub source: Arc<dyn OpenSource>,
    pub live: Option<Live>,
    pub stats: ProcessStats,
    /// The most records that were due in a sample, for a source whose end is not known.
    pub due: AtomicU64,
    /// The bottleneck of the run, and what it was while results came late.
    pub diagnosis: Mutex<Diagnosis>,
    pub stop: Stop,
    pub failures: Failures,
    /// Whether any process of the run was asked to stop before its input ended.
    pub was_stopped: AtomicBool,
    pub started: OnceLock<RunStart>,
    /// The output as the run found it.
    pub output: Output,
    /// Where the run begins, as this process sees it.
    pub resume_point: ResumePoint,
}

/// The start of the run, and what the process had used by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunStart {
    pub at: Instant,
    /// The schedule's time at that instant, and the epoch in which it lies.
    pub from: Nanos,
    pub epoch: u64,
    cpu_ns: u64,
    lambda_cpu_ns: u64,
}

impl RunContext {
    /// Returns what the processes must agree on: the values of options, and a checksum of the input.
    fn shared(&self) -> SharedValues {
        let mut shared = self.settings.shared.clone();
        let input = format!("{:016x}", self.source.fingerprint());
        shared.insert("the checksum of the input that --source names".to_owned(), input);
        shared
    }

    fn lambda_cpu_ns(&self) -> u64 {
        self.lambda.as_ref().map_or(0, |lambda| lambda.stats().cpu.as_nanos() as u64)
    }

    /// Whether the stage `name` is a call.
    pub(super) fn is_call(&self, name: &str) -> bool {
        self.calls.iter().any(|call| call.name == name)
    }

    /// Returns the bridge of the stage `name`: that of the call, or the one to its function. None if nothing is sent.
    pub(super) fn bridge_of(&self, name: &str) -> Option<&Bridge> {
        let call = self.calls.iter().find(|call| call.name == name);
        let function = || self.functions.iter().find(|it| it.stages.iter().any(|of| of == name));
        call.map(|call| &call.bridge).or_else(|| function().map(|function| &function.bridge))
    }

    /// Returns all bridges.
    fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        let functions = self.functions.iter().map(|function| &function.bridge);
        functions.chain(self.calls.iter().map(|call| &call.bridge))
    }

    /// Returns why a call cannot be made at all, if its service has refused the last request and never answered one.
    pub(super) fn refused_call(&self) -> Option<RunError> {
        self.calls.iter().find_map(|Call { name, bridge }| {
            let refusal = bridge.refusal()?;
            let why = format!("{refusal} ({})", refusal.advice());
            Some(RunError::RefusedCall { call: name.clone(), endpoint: bridge.endpoint(), why })
        })
    }

    /// Samples the counters for the slot of time that has just ended.
    pub(super) fn sample(&self, started: RunStart) {
        let (about, sample) = (live_view::about(self), live_view::sample(self, &started));
        let diagnosis = self.diagnosis.lock();
        diagnosis.unwrap_or_else(PoisonError::into_inner).take(&about, Arc::new(sample));
        let now = started.from + started.at.elapsed().as_nanos() as Nanos;
        let cost_usd = self.functions.iter().map(|function| function.counters().cost_usd).sum();
        self.stats.sample(now, cost_usd);
    }

    /// Returns the process's figures so far.
    pub(super) fn report(&self) -> Report {
        if let Some(started) = self.started.get() {
            self.sample(*started);
        }
        let mut report = Report::of(&self.stats, self.settings.timely.workers);
        self.fill(&mut report);
        report
    }

    /// Returns the CPU time since the start: that of all threads but the embedded Lambda's, and the Lambda's.
    pub(super) fn cpu_since(&self, started: &RunStart) -> (u64, u64) {
        let lambda = self.lambda_cpu_ns().saturating_sub(started.lambda_cpu_ns);
        let all = (process_stats::process_cpu().as_nanos() as u64).saturating_sub(started.cpu_ns);
        (all.saturating_sub(lambda), lambda)
    }

    /// Fills in the figures that workers do not count.
    pub(super) fn fill(&self, report: &mut Report) {
        if let Some(started) = self.started.get() {
            (report.cpu_ns, report.lambda_cpu_ns) = self.cpu_since(started);
            report.lasted_ns = started.at.elapsed().as_nanos() as u64;
            report.offered_ns = self.stats.reached().map(|due| due.saturating_sub(started.from));
        }
        report.verified = self.stats.verified();
        report.function_restarts = self.pool.as_ref().map_or(0, ProcessPool::restarts);
        let dataflow = &self.settings.dataflow;
        report.is_chain = dataflow.stages.len() != 1 || !dataflow.is_last_stage;
        report.stages = self.stage_counts();
        report.states = self.states.totals();
        report.calls = self.calls.iter().map(Call::counters).collect();
        report.cause = self.diagnosis.lock().unwrap_or_else(PoisonError::into_inner).cause();
        for function in &self.functions {
            report.add_function(function.counters());
            let longest_us = function.bridge.p99().as_micros() as u64;
            report.longest_us = report.longest_us.max(longest_us);
        }
        report.refused = self.refused();
        report.last_failure = self.functions.iter().find_map(FunctionBridge::last_failure);
    }

    /// Returns what the workers have done, by stage.
    pub(super) fn stage_counts(&self) -> Vec<StageCounts> {
        let stages = self.stages.totals().into_iter();
        let counts = |(name, totals): (String, StageTotals)| StageCounts {
            is_call: self.is_call(&name),
            from: self.settings.dataflow.feeding(&name).flatten().collect(),
            name,
            totals,
        };
        stages.map(counts).collect()
    }

    /// Returns the stages at `schedule`, a time of the schedule.
    pub(super) fn stage_samples(&self, schedule: Nanos) -> Vec<StageSample> {
        let length = self.settings.epoch_length().map(|length| length.as_nanos() as Nanos);
        let lag = |oldest: Option<u64>| {
            let end =
                |epoch: u64| length.map(|length| epoch.saturating_add(1).saturating_mul(length));
            match oldest {
                Some(epoch) => end(epoch).map(|end| schedule.saturating_sub(end)),
                None => length.map(|_| 0),
            }
        };
        let stages = self.stage_counts().into_iter().zip(self.frontiers.oldest());
        stages.map(|(counts, oldest)| StageSample { counts, lag: lag(oldest) }).collect()
    }

    /// Returns a function that refused every request. None if none did.
    pub(super) fn refused(&self) -> Option<FunctionFailure> {
        self.functions.iter().find_map(FunctionBridge::refused)
    }
}

/// Runs a worker to its end, and returns the reports of all processes.
///
/// # Errors
/// If the processes do not agree on the run. Then nothing was done.
pub(super) fn work(
    worker: &mut Worker,
    context: &Arc<RunContext>,
) -> Result<Vec<Vec<u8>>, Disagreement> {
    let settings = &context.settings;
    let local_index = worker.index() % settings.timely.workers;
    let mut control = Control::new(worker);
    let process = settings.timely.process;
    let resume_point = &context.resume_point;
    if let Err(differ) = control.agree_on_start(worker, process, context.shared(), resume_point) {
        control.close();
        return Err(differ);
    }
    let from = resume_point.time(settings.epoch_length());
    // The first worker of a process to hear of it starts the clock for all.
    let started = context.started.get_or_init(|| RunStart {
        at: Instant::now(),
        from,
        epoch: resume_point.epoch,
        cpu_ns: process_stats::process_cpu().as_nanos() as u64,
        lambda_cpu_ns: context.lambda_cpu_ns(),
    });
    // The schedule goes on where it stood.
    let zero = started.at.checked_sub(Duration::from_nanos(from)).unwrap_or(started.at);
    let clock = Clock::starting(zero);
    let burst = settings.schedule_in_real_time().and_then(BurstWindow::of);
    let observer =
        MetricsObserver::new(&context.stats, local_index, clock, burst, &context.failures);
    let backpressure =
        Backpressure::new(settings.options.model.max_backlog, settings.max_backlog_bytes);
    let downstream = SinkDownstream(context.sink.clone());
    let window = settings.open_epochs();
    let flow_control = FlowControl::new(
        backpressure.clone(),
        downstream,
        window,
        context.stats.worker(local_index),
    );
    flow_control.committed_before(resume_point.epoch);
    let probe = ProbeHandle::new();

    let built = worker.dataflow_named::<u64, _, _>("Floodway", |scope| {
        let worker_context = WorkerContext {
            pace: Arc::clone(&context.pace),
            local_index,
            clock,
            flow_control: flow_control.clone(),
            stats: context.stats.worker(local_index),
        };
        let source = context.source.build(&scope, worker_context);
        let host = WorkerHost {
            context: Arc::clone(context),
            workers: scope.peers(),
            local_index,
            clock,
            backpressure,
            observer: observer.clone(),
        };
        let mut job = Job::new(Box::new(host), scope);
        let output = job.build(settings.dataflow.graph(), source.records)?;
        let (flow_control, mut results) = (flow_control.clone(), observer.clone());
        let committed = output.commit(Committing {
            sink: context.sink.clone(),
            bad: source.bad,
            notes: source.notes,
            observer: Box::new(move |epoch, scheduled, records| {
                results.results(&epoch, Route::Local, scheduled, records, clock.now());
            }),
        });
        committed.probe_with(&probe).sink(Pipeline, "Committed", move |(input, frontier)| {
            input.for_each(|_, _| {});
            let before = frontier.frontier().first().copied();
            observer.committed_before(before, clock.now());
            flow_control.committed_before(before.unwrap_or(u64::MAX));
        });
        Ok::<_, BuildError>(())
    });
    if let Err(error) = built {
        context.failures.fail(RunError::Dataflow(error));
        control.close();
        return Ok(Vec::new());
    }

    context.stop.attach(control.waker());
    let mut is_last_known = false;
    let mut step_timer = StepTimer::new();
    let stats = context.stats.worker(local_index);
    while !probe.done() {
        step_timer.measure(|| worker.step_or_park(None));
        stats.note_cpu(process_stats::thread_cpu);
        let is_requested = control.is_stop_requested();
        if is_requested || context.stop.is_requested() {
            context.was_stopped.store(true, Relaxed);
            flow_control.pause();
            control.stop(flow_control.begun());
        }
        if !is_last_known && let Some(last) = control.last_epoch() {
            is_last_known = true;
            context.source.stop_after(last);
            context.sink.stop_after(last);
            flow_control.stop_after(last);
        }
    }
    stats.note_cpu(process_stats::thread_cpu);
    step_timer.log(worker.index());
    let report = (local_index == 0).then(|| final_report(context));
    Ok(control.finish(worker, settings.timely.processes, report))
}

/// Returns a function that closes the bridges, and returns the report of the process once no request is in
/// flight: what the last requests cost is part of the report. It waits for them no longer than `MOST`.
fn final_report(context: &RunContext) -> impl FnMut() -> Option<Vec<u8>> {
    const MOST: Duration = Duration::from_millis(200);
    let mut closed = None;
    move || {
        let closed = *closed.get_or_insert_with(|| {
            context.bridges().for_each(Bridge::close);
            Instant::now()
        });
        let is_ready = context.bridges().all(Bridge::is_idle);
        // A report is numbers, which can always be written.
        (is_ready || closed.elapsed() >= MOST)
            .then(|| serde_json::to_vec(&context.report()).unwrap_or_default())
    }
}

/// The sink, as flow control sees it.
struct SinkDownstream(SinkHandle);

impl Downstream for SinkDownstream {
    fn is_full(&self) -> bool {
        self.0.is_full()
    }
}
