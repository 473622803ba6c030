//! Waits until the workers of a process end, and says what came of the run.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::stop::StopDeadline;
use super::worker::{RunContext, RunStart};
use super::{RunError, Settings, Stop};
use crate::cleanup_guard::CleanupGuard;
use crate::observe::{Goal, Progress, Report, SLOT};
use crate::units::show_duration;

/// The reasons why a run ends.
pub(super) enum RunEnd {
    /// All workers of the process have ended. The reports are those of all processes.
    Workers(Result<Vec<Vec<u8>>, RunError>),
    /// The run was asked to stop before all of its processes were there.
    NotStarted,
    /// The run was asked to stop, and its last epoch was not complete within `--stop-within`.
    StopTimeout,
    /// Something failed while the workers ran.
    Failed(RunError),
}

/// Reports failures from any thread of the process.
#[derive(Clone)]
pub struct Failures(pub(super) Sender<RunEnd>);

impl Failures {
    /// Ends the process with this error.
    pub fn fail(&self, error: RunError) {
        // The receiver is gone only when the run has ended.
        let _ = self.0.send(RunEnd::Failed(error));
    }
}

/// The interval at which counters are sampled: at the end of each slot of the series.
pub(super) const SAMPLE_INTERVAL: Duration = Duration::from_nanos(SLOT);

/// Returns the time until the next sample, so that samples stay aligned with slots.
fn until_next_sample(started: Option<&RunStart>) -> Duration {
    let since = started.map_or(Duration::ZERO, |started| started.at.elapsed());
    SAMPLE_INTERVAL - Duration::from_nanos(since.as_nanos() as u64 % SLOT)
}

/// Waits until the run ends. Meanwhile it samples the counters, shows the progress in process 0, and gives up
/// the last epoch when a stop takes too long. `on_start` is called in process 0 once the workers have started.
pub(super) fn wait(
    context: &RunContext,
    ended: &Receiver<RunEnd>,
    stop_deadline: &mut StopDeadline,
    on_start: impl FnOnce(),
) -> RunEnd {
    let (mut progress, mut on_start) = (None::<Progress>, Some(on_start));
    let end = loop {
        let timeout = until_next_sample(context.started.get()).min(stop_deadline.poll_interval());
        match ended.recv_timeout(timeout) {
            // The other process was asked to stop too, and has given up its last epoch.
            Ok(RunEnd::Failed(RunError::ProcessLost(_))) if stop_deadline.is_nearly_expired() => {
                break RunEnd::StopTimeout;
            }
            Ok(ended) => break ended,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                break RunEnd::Failed(RunError::Worker("its thread is gone".to_owned()));
            }
        }
        if let Some(start) = context.started.get() {
            context.sample(*start);
            context.stats.end_second(start.at.elapsed().as_secs() as usize);
            if context.settings.timely.process == 0 {
                let new = || {
                    on_start.take().into_iter().for_each(|on_start| on_start());
                    Progress::new(context.stats.clone(), goal(&context.settings, start), start.at)
                };
                progress.get_or_insert_with(new).tick();
            }
        }
        if let Some(error) = context.refused_call() {
            break RunEnd::Failed(error);
        }
        // A call goes on: nobody else can do its records, and the last epoch needs them.
        if let Some(asked) = asked_to_stop(context, &context.stop)
            && stop_deadline.start(asked)
        {
            let grace = stop_deadline.grace();
            context.functions.iter().for_each(|function| function.bridge.close_after(grace));
        }
        if context.started.get().is_none() && stop_deadline.is_past_grace() {
            break RunEnd::NotStarted;
        }
        if stop_deadline.is_expired() {
            break RunEnd::StopTimeout;
        }
    };
    if let Some(progress) = progress {
        progress.finish();
    }
    end
}

/// Returns when the run was asked to stop: this process, or another one, which has told this one.
fn asked_to_stop(context: &RunContext, stop: &Stop) -> Option<Instant> {
    let was_told = || context.was_stopped.load(Relaxed).then(Instant::now);
    stop.requested_at().or_else(was_told)
}

/// Returns what is still to be done when the run starts.
fn goal(settings: &Settings, started: &RunStart) -> Goal {
    let pace = settings.pace();
    match (pace.end(), settings.duration) {
        (Some(events), _) => Goal::Events(events - pace.first(started.epoch)),
        (None, Some(duration)) => Goal::Time(duration),
        (None, None) => Goal::Open,
    }
}

/// Returns the figures of all processes as far as they are known here, and the result of the run. Removes what
/// was created for a run in which nothing was read.
pub(super) fn outcome(
    context: &RunContext,
    end: RunEnd,
    stop_deadline: &StopDeadline,
    created: &mut CleanupGuard,
) -> (Report, Result<(), RunError>) {
    let (report, result) = match end {
        RunEnd::Workers(Ok(reports)) => {
            let mut sum = Report::default();
            for report in reports.iter().filter_map(|json| serde_json::from_slice(json).ok()) {
                sum.add(&report);
            }
            (sum, context.sink.is_intact().map_err(RunError::Sink))
        }
        RunEnd::Workers(Err(error)) | RunEnd::Failed(error) => (context.report(), Err(error)),
        RunEnd::NotStarted => {
            context.was_stopped.store(true, Relaxed);
            tracing::warn!("stopped before all processes of the run were there: nothing was read");
            created.remove_all();
            (context.report(), Ok(()))
        }
        RunEnd::StopTimeout => {
            context.was_stopped.store(true, Relaxed);
            let published = context.sink.give_up(stop_deadline.commit_wait());
            warn_stop_timeout(context);
            let ended = published.and_then(|()| context.sink.is_intact());
            (context.report(), ended.map_err(RunError::Sink))
        }
    };
    // The processes agree before any of them reads.
    if matches!(result, Err(RunError::Settings(_))) {
        created.remove_all();
    }
    (report, result)
}

/// Warns that the last epochs are not committed.
fn warn_stop_timeout(context: &RunContext) {
    let within = show_duration(context.settings.options.stop_within);
    let rest = match context.settings.state {
        Some(_) => "the same command does the rest",
        None => "without --state nothing resumes from there",
    };
    tracing::warn!(
        "the last epochs were not whole within --stop-within {within}, and are not committed: {rest}"
    );
}
