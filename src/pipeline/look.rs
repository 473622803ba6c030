//! What the live view sees of a run.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::worker::{Shared, Started};
use super::{PolicyChoice, RunError, Settings, Source, figures};
use crate::batch::Nanos;
use crate::bridge::breaker::State;
use crate::bridge::{Allowance, Bridge};
use crate::live::{self, About, Breaker, Budget, End, Look, Remote, Sample, Writer};
use crate::observe::Summary;

/// A run as it is seen from outside: it does not hold it.
struct Outside(Weak<Shared>);

impl live::Source for Outside {
    fn look(&self) -> Look {
        let Some(shared) = self.0.upgrade() else { return Look::Gone };
        match shared.started.get() {
            Some(started) => Look::Running(Box::new(sample(&shared, started))),
            None => Look::Waiting,
        }
    }

    fn summary(&self) -> Option<Summary> {
        let shared = self.0.upgrade()?;
        let started = shared.started.get()?;
        let mut report = shared.stats.tallied().report(shared.settings.timely.workers);
        report.levels = shared.stats.levels_so_far();
        shared.fill(&mut report);
        Some(figures::sum_up(&shared, &report, started.at.elapsed(), "running", true))
    }
}

/// Shows the run that `shared` is, if it is to be shown.
pub(super) fn show(shared: &Arc<Shared>) {
    if let Some(live) = &shared.settings.live {
        live.watch(about(shared), Arc::new(Outside(Arc::downgrade(shared))));
    }
}

/// Shows how it ended.
pub(super) fn end(shared: &Shared, summary: Option<&Summary>, result: &Result<(), RunError>) {
    if let Some(live) = &shared.settings.live {
        live.end(End {
            sample: shared.started.get().map(|started| Box::new(sample(shared, started))),
            summary: summary.and_then(|summary| serde_json::to_value(summary).ok()),
            stopped: shared.was_stopped.load(Relaxed),
            error: result.as_ref().err().map(|error| super::error::chain(error)),
        });
    }
}

/// What the run is.
pub(super) fn about(shared: &Shared) -> About {
    let Shared { settings, output, .. } = shared;
    let bursts = settings.is_bursting();
    let commit = if settings.schedule.is_some() { settings.commit_every } else { Duration::ZERO };
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        policy: settings.policy.name().to_owned(),
        task: settings.task.clone(),
        source: match &settings.source {
            Source::Nexmark { .. } => "nexmark",
            Source::Lines(_) => "lines",
            #[cfg(feature = "kafka")]
            Source::Kafka(_) => "kafka",
        }
        .to_owned(),
        function: bursts.then(|| settings.endpoint.name()),
        workers: settings.timely.workers,
        processes: settings.timely.processes,
        process: settings.timely.process,
        deadline_ms: settings.deadline.as_secs_f64() * 1e3,
        has_due_times: settings.has_due_times(),
        threshold_eps: match settings.policy {
            PolicyChoice::Threshold(rate) | PolicyChoice::Spill(rate) => Some(rate),
            _ => None,
        },
        is_paced: settings.schedule.is_some(),
        budget: budget(settings, output.spent()).filter(|_| bursts),
        longest_step: settings.epoch.max(commit),
    }
}

/// This process's share of what may be spent.
fn budget(settings: &Settings, spent: f64) -> Option<Budget> {
    let allowance = settings.bridge.allowance;
    (allowance != Allowance::default()).then(|| {
        let share = allowance.after(spent).share(settings.timely.processes);
        Budget { per_hour_usd: share.per_hour, total_usd: share.total }
    })
}

/// How this process stands now.
pub(super) fn sample(shared: &Shared, started: &Started) -> Sample {
    let at = started.at.elapsed().as_nanos() as Nanos;
    let schedule = started.from + at;
    let tallied = shared.stats.tallied();
    let knows_all = shared.settings.timely.processes == 1
        && shared.pace.is_scheduled()
        && matches!(shared.settings.source, Source::Nexmark { .. });
    let (cpu_ns, lambda_cpu_ns) = shared.cpu_since(started);
    let (unpublished_bytes, is_refused) = shared.sink.unpublished();
    Sample {
        at,
        schedule,
        epochs: tallied.committed.saturating_sub(started.epoch),
        due: knows_all.then(|| shared.pace.due_by(schedule) - shared.pace.first(started.epoch)),
        cpu_ns,
        lambda_cpu_ns,
        writer: Writer {
            waiting_bytes: shared.sink.waiting_bytes(),
            busy_ns: shared.sink.writer_busy_ns(),
            unpublished_bytes,
            is_refused,
        },
        remote: shared.bridge.as_ref().map(|bridge| remote(bridge, &shared.settings)),
        tallied,
    }
}

fn remote(bridge: &Bridge, settings: &Settings) -> Remote {
    let (counters, standing) = (bridge.counters(), bridge.standing());
    Remote {
        requests: counters.requests,
        attempts: counters.attempts,
        hedged: counters.hedged,
        throttled: counters.throttled,
        failed: counters.failed,
        abandoned: counters.abandoned,
        superseded: counters.superseded,
        probes: counters.probes,
        warm_ups: counters.warm_ups,
        cold_starts: counters.cold_starts,
        billed_us: counters.billed_us,
        cost_usd: settings.bridge.cost.usd(counters.billed, counters.billed_us as f64 / 1e3),
        over_budget_us: counters.over_budget_us,
        bytes_out: counters.bytes_out,
        bytes_in: counters.bytes_in,
        cpu_ns: counters.cpu_ns,
        in_flight: counters.in_flight,
        limit: standing.limit as u64,
        most: settings.bridge.max_in_flight as u64,
        waiting: standing.waiting as u64,
        breaker: match standing.breaker {
            State::Closed => Breaker::Closed,
            State::HalfOpen => Breaker::HalfOpen,
            State::Open(_) => Breaker::Open,
            State::Disabled => Breaker::Condemned,
        },
        breaker_opened: counters.breaker_opened,
        is_spent: standing.is_spent,
    }
}
