//! Runs the workers of a process, and says how the run ended.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded, unbounded};
use timely::communication::WorkerGuards;

use super::mesh::Mesh;
use super::prepare::{prepare, start_spend_log};
use super::start::start;
use super::stop::StopDeadline;
use super::worker::{RunContext, RunStart, work};
use super::{Disagreement, RunError, Settings, Stop, live_view, summary, warnings};
use crate::cleanup_guard::CleanupGuard;
use crate::observe::{Goal, Progress, Report, SLOT, Summary};
use crate::units::show_duration;

/// The reasons why a run ends.
enum RunEnd {
    Workers(Result<Vec<Vec<u8>>, RunError>),
    /// The run was asked to stop before all of its processes were there.
    NotStarted,
    /// The run was asked to stop, and its last epoch was not complete within `--stop-within`.
    StopTimeout,
    Failed(RunError),
}

/// Reports failures from any thread of the process.
#[derive(Clone)]
pub struct Failures(Sender<RunEnd>);

impl Failures {
    /// Ends the process with this error.
    pub fn fail(&self, error: RunError) {
        // The receiver is gone only when the run has ended.
        let _ = self.0.send(RunEnd::Failed(error));
    }
}

/// The interval at which counters are sampled: at the end of each slot of the series.
const SAMPLE_INTERVAL: Duration = Duration::from_nanos(SLOT);

/// Returns the time until the next sample, so that samples stay aligned with slots.
fn until_next_sample(started: Option<&RunStart>) -> Duration {
    let since = started.map_or(Duration::ZERO, |started| started.at.elapsed());
    SAMPLE_INTERVAL - Duration::from_nanos(since.as_nanos() as u64 % SLOT)
}

/// Runs `settings` until the input ends, `stop` asks for it, or something fails. Process 0 returns the
/// summary, and writes it where the settings say, whether the run failed or not.
///
/// `begun` gets, before the first record, the means to report failures from outside, such as from a panic
/// hook. `started` is called in process 0 once the workers have started.
///
/// # Errors
/// The first failure. What was committed before stays.
pub fn run(
    settings: Settings,
    stop: &Stop,
    begun: impl FnOnce(Failures),
    started: impl FnOnce(),
) -> (Option<Summary>, Result<(), RunError>) {
    let (ended_sender, ended) = unbounded();
    let failures = Failures(ended_sender.clone());
    begun(failures.clone());
    let mesh = match Mesh::listen(&settings.timely) {
        Ok(mesh) => mesh,
        Err(error) => return not_started(error.into()),
    };
    let mut stop_deadline = StopDeadline::new(settings.stop_within);
    // What was made goes first, and then the lock on the state.
    let (context, mut created) =
        match prepare_on_thread(settings, stop, &failures, &mut stop_deadline) {
            Ok(Some(prepare_on_thread)) => prepare_on_thread,
            Ok(None) => {
                tracing::warn!("stopped while the run was being prepared: nothing was read");
                return (None, Ok(()));
            }
            Err(error) => return not_started(error),
        };
    let settings = &context.settings;
    live_view::show(&context);
    let spend_log = match start_spend_log(&context, &failures) {
        Ok(spend_log) => spend_log,
        Err(error) => return not_started(error),
    };

    let for_workers = Arc::clone(&context);
    let joiner = thread::Builder::new().name("floodway-join".to_owned()).spawn(move || {
        let (timely, stop) = (for_workers.settings.timely.clone(), for_workers.stop.clone());
        let started = start(&timely, mesh, &stop, move |worker| work(worker, &for_workers));
        let ended = match started {
            Ok(Some(guards)) => RunEnd::Workers(join_workers(guards)),
            Ok(None) => RunEnd::NotStarted,
            Err(error) => RunEnd::Failed(error),
        };
        // The receiver is gone only when the run has failed.
        let _ = ended_sender.send(ended);
    });
    if let Err(error) = joiner {
        return not_started(RunError::Timely(error.to_string()));
    }

    created.keep();
    let (mut progress, mut started) = (None::<Progress>, Some(started));
    let ended = loop {
        match ended.recv_timeout(
            until_next_sample(context.started.get()).min(stop_deadline.poll_interval()),
        ) {
            // It was asked as this one was, and could not wait any longer.
            Ok(RunEnd::Failed(RunError::ProcessLost(_))) if stop_deadline.is_nearly_expired() => {
                break RunEnd::StopTimeout;
            }
            Ok(ended) => break ended,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                break RunEnd::Failed(RunError::Worker("its thread is gone".to_owned()));
            }
        }
        if let Some(run_start) = context.started.get() {
            context.sample(*run_start);
            context.stats.end_second(run_start.at.elapsed().as_secs() as usize);
            if settings.timely.process == 0 {
                let goal = goal(settings, run_start);
                let new = || {
                    started.take().into_iter().for_each(|started| started());
                    Progress::new(context.stats.clone(), goal, run_start.at)
                };
                progress.get_or_insert_with(new).tick();
            }
        }
        // Another process may have been asked, and not this one.
        let asked = stop.requested_at().or_else(|| {
            let was_told = context.was_stopped.load(Relaxed);
            was_told.then(Instant::now)
        });
        if let Some(asked) = asked
            && stop_deadline.start(asked)
            && let Some(bridge) = &context.bridge
        {
            bridge.close_after(stop_deadline.grace());
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
    if let Some(spend_log) = spend_log {
        spend_log.finish();
    }
    let wall = || match (settings.timely.process, context.started.get()) {
        (_, Some(started)) => {
            let last = context.stats.last_commit().saturating_sub(started.from);
            let last = Duration::from_nanos(last);
            if last.is_zero() { started.at.elapsed() } else { last }
        }
        _ => Duration::ZERO,
    };
    let stop_timed_out = matches!(ended, RunEnd::StopTimeout);
    let (report, mut result) = match ended {
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
            warn_stop_timeout(&context);
            let ended = published.and_then(|()| context.sink.is_intact());
            (context.report(), ended.map_err(RunError::Sink))
        }
    };
    if matches!(result, Err(RunError::Settings(_))) {
        // No worker has begun, and none is there any more.
        created.remove_all();
    }
    // The work is done: what was wrong with the way it was to be done is said at the end. Process 0 says it
    // for all of them, the others for themselves.
    let refused = match settings.timely.process {
        0 => report.refused.clone(),
        _ => context.refused(),
    };
    if let (Some(why), Ok(())) = (refused, &result) {
        result = Err(RunError::Refused { function: settings.endpoint.name(), why });
    }
    if settings.timely.process != 0 {
        live_view::end(&context, None, &result);
        return (None, result);
    }
    if let (true, Ok(()), Some(why)) =
        (settings.require_remote, &result, warnings::nothing_remote(settings, &report))
    {
        result = Err(RunError::NothingRemote { why });
    }
    let (summary, written) = summary::write(&context, &report, wall(), &result, stop_timed_out);
    let result = result.and(written);
    live_view::end(&context, Some(&summary), &result);
    (Some(summary), result)
}

/// Waits for all workers, and returns what the first of them returned.
fn join_workers(
    guards: WorkerGuards<Result<Vec<Vec<u8>>, Disagreement>>,
) -> Result<Vec<Vec<u8>>, RunError> {
    let ends: Result<Vec<_>, _> = guards.join().into_iter().collect();
    let first = ends.map_err(RunError::Worker)?.into_iter().next();
    Ok(first.transpose()?.unwrap_or_default())
}

/// Returns the result of a run that did not start: there is no summary.
fn not_started(error: RunError) -> (Option<Summary>, Result<(), RunError>) {
    (None, Err(RunError::NotStarted(Box::new(error))))
}

/// Prepares the run on a thread of its own, because some files do not open until somebody writes to them.
/// Returns none if the run was asked to stop and the time for that is over.
fn prepare_on_thread(
    settings: Settings,
    stop: &Stop,
    failures: &Failures,
    stop_deadline: &mut StopDeadline,
) -> Result<Option<(Arc<RunContext>, CleanupGuard)>, RunError> {
    let (sender, prepare_on_thread) = bounded(1);
    let (stop, failures) = (stop.clone(), failures.clone());
    let stopping = stop.clone();
    let preparing = move || {
        let context = prepare(settings, &stop, &failures).map(|mut context| {
            let created = context.output.created();
            (Arc::new(context), created)
        });
        // If nobody waits any more, what was made goes.
        let _ = sender.send(context);
    };
    let thread = thread::Builder::new().name("floodway-prepare".to_owned()).spawn(preparing);
    thread.map_err(|error| RunError::Timely(error.to_string()))?;
    loop {
        match prepare_on_thread.recv_timeout(SAMPLE_INTERVAL.min(stop_deadline.poll_interval())) {
            Ok(prepare_on_thread) => return prepare_on_thread.map(Some),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(RunError::Worker("it could not be prepared".to_owned()));
            }
        }
        if let Some(asked) = stopping.requested_at() {
            stop_deadline.start(asked);
        }
        if stop_deadline.is_expired() {
            return Ok(None);
        }
    }
}

/// Warns that the last epochs are not committed.
fn warn_stop_timeout(context: &RunContext) {
    let within = show_duration(context.settings.stop_within);
    let rest = match context.settings.state {
        Some(_) => "the same command does the rest",
        None => "without --state nothing resumes from there",
    };
    tracing::warn!(
        "the last epochs were not whole within --stop-within {within}, and are not committed: {rest}"
    );
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
