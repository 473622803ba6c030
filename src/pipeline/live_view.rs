//! Shows a run in the live view: reads the run's counters when the view asks.

use std::net::ToSocketAddrs as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::remote_side::FunctionBridge;
use super::worker::{RunContext, RunStart};
use super::{ListenSettings, RunError, Settings, summary};
use crate::batch::Nanos;
use crate::bridge::breaker::State;
use crate::bridge::{self, Bridge, CostLimits};
use crate::job::{DataflowDescription, Link};
use crate::live::{
    self, About, Breaker, Budget, End, Function, Live, Observation, Remote, Sample, Writer,
};
use crate::observe::{LiveSnapshot, Summary};
use crate::pool::ProcessPool;

/// A reference for the live view that does not keep the run alive.
struct WeakRun(Weak<RunContext>);

impl live::ObservedRun for WeakRun {
    fn observe(&self) -> Observation {
        let Some(context) = self.0.upgrade() else { return Observation::Gone };
        match context.started.get() {
            Some(started) => Observation::Running(Box::new(sample(&context, started))),
            None => Observation::Waiting,
        }
    }

    fn summary(&self) -> Option<Summary> {
        let context = self.0.upgrade()?;
        let started = context.started.get()?;
        let mut report = context.stats.snapshot().report(context.settings.timely.workers);
        report.levels = context.stats.levels_so_far();
        context.fill(&mut report);
        Some(summary::summarize(&context, &report, started.at.elapsed(), "running", true))
    }
}

/// Starts the live view, if the settings have one.
///
/// # Errors
/// If it cannot listen at its address.
pub(super) fn start(settings: &Settings) -> Result<Option<Live>, RunError> {
    let Some(ListenSettings { host, port, names, .. }) = &settings.listen else { return Ok(None) };
    let bound = (host.as_str(), *port).to_socket_addrs().and_then(|addresses| {
        let listener = live::bind(&addresses.collect::<Vec<_>>())?;
        Live::start(listener, names.iter().chain([host]))
    });
    bound.map(Some).map_err(|source| RunError::Listen { port: *port, source })
}

/// Shows the run in the live view, if there is one.
pub(super) fn show(context: &Arc<RunContext>) {
    if let Some(live) = &context.live {
        live.watch(about(context), Arc::new(WeakRun(Arc::downgrade(context))));
    }
}

/// Shows how the run ended.
pub(super) fn end(context: &RunContext, summary: Option<&Summary>, result: &Result<(), RunError>) {
    if let Some(live) = &context.live {
        live.end(End {
            sample: context.started.get().map(|started| Box::new(sample(context, started))),
            summary: summary.and_then(|summary| serde_json::to_value(summary).ok()),
            stopped: context.was_stopped.load(Relaxed),
            error: result.as_ref().err().map(|error| super::error::cause_chain(error)),
        });
    }
}

/// Describes the run.
pub(super) fn about(context: &RunContext) -> About {
    let RunContext { settings, output, .. } = context;
    let (common, function) = (settings.common_policy(), settings.function_names());
    let commit = if settings.is_paced() { settings.options.commit_every } else { Duration::ZERO };
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        policy: settings.policy_names(),
        advice: common.and_then(|policy| policy.spec().advice),
        task: settings.dataflow.tasks(),
        pool: settings.pool.as_ref().map(|pool| pool.processes),
        source: settings.source.kind().to_owned(),
        budget: budget(settings, output.spent()).filter(|_| function.is_some()),
        function,
        workers: settings.timely.workers,
        processes: settings.timely.processes,
        process: settings.timely.process,
        deadline_ms: settings.options.model.deadline.as_secs_f64() * 1e3,
        has_due_times: settings.has_due_times(),
        threshold_eps: common.and_then(|policy| policy.threshold()),
        is_paced: settings.is_paced(),
        links: links(&settings.dataflow),
        longest_step: settings.epoch_length_or_nominal().max(commit),
    }
}

/// Returns which stages feed which, by their names.
fn links(dataflow: &DataflowDescription) -> Vec<live::Link> {
    let name = |stage: usize| dataflow.stages[stage].name.clone();
    let link = |link: &Link| live::Link { from: link.from.map(name), to: link.to.map(name) };
    dataflow.links.iter().map(link).collect()
}

/// Returns this process's share of the budget.
fn budget(settings: &Settings, spent: f64) -> Option<Budget> {
    let cost_limits = settings.sending.bridge.cost_limits;
    (cost_limits != CostLimits::default()).then(|| {
        let share = cost_limits.after(spent).share(settings.timely.processes);
        Budget { per_hour_usd: share.per_hour, total_usd: share.total }
    })
}

/// Returns how many records of the run were due by `schedule`. None if there is no schedule, or if other processes have some
/// of the records.
fn due(
    context: &RunContext,
    started: &RunStart,
    schedule: Nanos,
    snapshot: &LiveSnapshot,
) -> Option<u64> {
    if context.settings.timely.processes > 1 || !context.pace.is_scheduled() {
        return None;
    }
    let by_schedule = || context.pace.due_by(schedule) - context.pace.first(started.epoch);
    if context.settings.source.is_generated() {
        return Some(by_schedule());
    }
    // How many records are read is not known before their end. While none is at hand there may be no more.
    let due = snapshot.next_due.map_or(snapshot.emitted, |_| by_schedule().max(snapshot.emitted));
    Some(context.due.fetch_max(due, Relaxed).max(due))
}

/// Reads this process's counters.
pub(super) fn sample(context: &RunContext, started: &RunStart) -> Sample {
    let at = started.at.elapsed().as_nanos() as Nanos;
    let schedule = started.from + at;
    let snapshot = context.stats.snapshot();
    let (cpu_ns, lambda_cpu_ns) = context.cpu_since(started);
    let (unpublished_bytes, is_refused) = context.sink.unpublished();
    Sample {
        at,
        schedule,
        epochs: snapshot.committed.saturating_sub(started.epoch),
        due: due(context, started, schedule, &snapshot),
        cpu_ns,
        lambda_cpu_ns,
        function_restarts: context.pool.as_ref().map(ProcessPool::restarts),
        writer: Writer {
            waiting_bytes: context.sink.waiting_bytes(),
            busy_ns: context.sink.writer_busy_ns(),
            unpublished_bytes,
            is_refused,
        },
        functions: context.functions.iter().map(function).collect(),
        calls: calls(context),
        stages: context.stage_samples(schedule),
        states: context.states.totals(),
        snapshot,
    }
}

/// Reads the state of a function.
fn function(function: &FunctionBridge) -> Function {
    let FunctionBridge { stages, settings, bridge, .. } = function;
    Function { stages: stages.clone(), remote: remote(bridge, settings) }
}

/// Reads the state of the services that are called.
fn calls(context: &RunContext) -> Vec<(String, Remote)> {
    let calls = context.calls.iter().zip(&context.settings.calls);
    calls.map(|(call, (name, settings))| (name.clone(), remote(&call.bridge, settings))).collect()
}

fn remote(bridge: &Bridge, settings: &bridge::Settings) -> Remote {
    let (counters, status) = (bridge.counters(), bridge.status());
    Remote {
        counters,
        cost_usd: settings.spent(&counters),
        limit: status.limit as u64,
        most: settings.max_in_flight as u64,
        waiting: status.waiting as u64,
        breaker: match status.breaker {
            State::Closed => Breaker::Closed,
            State::HalfOpen => Breaker::HalfOpen,
            State::Open(_) => Breaker::Open,
            State::Disabled => Breaker::Disabled,
        },
        is_spent: status.is_spent,
    }
}
