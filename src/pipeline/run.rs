//! Runs a process's workers, and says how it went.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded, unbounded};
use timely::communication::WorkerGuards;

use super::mesh::Mesh;
use super::prepare::{prepare, spending};
use super::start::start;
use super::stop::Ending;
use super::worker::{Shared, Started, work};
use super::{Disagreement, RunError, Settings, Stop, figures, look, verdict};
use crate::made::Made;
use crate::observe::{Goal, Progress, Report, SLOT, Summary};
use crate::units::show_duration;

/// What ends a run.
enum Ended {
    Workers(Result<Vec<Vec<u8>>, RunError>),
    /// It was asked to stop before all of its processes were there.
    NotBegun,
    /// It was asked to stop, and its last epoch was not whole in time.
    CutShort,
    Failed(RunError),
}

/// Hears of failures from any thread of the process.
#[derive(Clone)]
pub struct Failures(Sender<Ended>);

impl Failures {
    /// The process ends with this error.
    pub fn fail(&self, error: RunError) {
        // The receiver is gone only when the run has ended.
        let _ = self.0.send(Ended::Failed(error));
    }
}

/// How often the figures are looked at: at the end of each slot of a series.
const LOOK: Duration = Duration::from_nanos(SLOT);

/// How long it is until they are looked at, so that looks do not drift away from slots.
fn until_look(started: Option<&Started>) -> Duration {
    let since = started.map_or(Duration::ZERO, |started| started.at.elapsed());
    LOOK - Duration::from_nanos(since.as_nanos() as u64 % SLOT)
}

/// Runs `settings` until the input ends, `stop` asks for it, or something fails. In process 0 the
/// summary comes back, and is written where the settings say, whether the run failed or not.
///
/// `begun` is told, before the first record, how to report failures from outside: a panic hook
/// uses it.
///
/// # Errors
/// Whatever failed first. What was committed until then stays.
pub fn run(
    settings: Settings,
    stop: &Stop,
    begun: impl FnOnce(Failures),
) -> (Option<Summary>, Result<(), RunError>) {
    let (ended_sender, ended) = unbounded();
    let failures = Failures(ended_sender.clone());
    begun(failures.clone());
    let mesh = match Mesh::listen(&settings.timely) {
        Ok(mesh) => mesh,
        Err(error) => return not_begun(error.into()),
    };
    let mut ending = Ending::new(settings.stop_within);
    // What was made goes first, and then the lock on the state.
    let (shared, mut made) = match prepared(settings, stop, &failures, &mut ending) {
        Ok(Some(prepared)) => prepared,
        Ok(None) => {
            tracing::warn!("stopped while the run was being prepared: nothing was read");
            return (None, Ok(()));
        }
        Err(error) => return not_begun(error),
    };
    let settings = &shared.settings;
    look::show(&shared);
    let spending = match spending(&shared, &failures) {
        Ok(spending) => spending,
        Err(error) => return not_begun(error),
    };

    let for_workers = Arc::clone(&shared);
    let joiner = thread::Builder::new().name("floodway-join".to_owned()).spawn(move || {
        let (timely, stop) = (for_workers.settings.timely.clone(), for_workers.stop.clone());
        let started = start(&timely, mesh, &stop, move |worker| work(worker, &for_workers));
        let ended = match started {
            Ok(Some(guards)) => Ended::Workers(joined(guards)),
            Ok(None) => Ended::NotBegun,
            Err(error) => Ended::Failed(error),
        };
        // The receiver is gone only when the run has failed.
        let _ = ended_sender.send(ended);
    });
    if let Err(error) = joiner {
        return not_begun(RunError::Timely(error.to_string()));
    }

    made.keep();
    let mut progress: Option<Progress> = None;
    let ended = loop {
        match ended.recv_timeout(until_look(shared.started.get()).min(ending.look())) {
            // It was asked as this one was, and could not wait any longer.
            Ok(Ended::Failed(RunError::Gone(_))) if ending.is_nearly_over() => {
                break Ended::CutShort;
            }
            Ok(ended) => break ended,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                break Ended::Failed(RunError::Worker("its thread is gone".to_owned()));
            }
        }
        if let Some(started) = shared.started.get() {
            shared.sample(*started);
            shared.stats.end_second(started.at.elapsed().as_secs() as usize);
            if settings.timely.process == 0 {
                let goal = goal(settings, started);
                let new = || Progress::new(shared.stats.clone(), goal, started.at);
                progress.get_or_insert_with(new).tick();
            }
        }
        // Another process may have been asked, and not this one.
        let asked = stop.requested_at().or_else(|| {
            let was_told = shared.was_stopped.load(Relaxed);
            was_told.then(Instant::now)
        });
        if let Some(asked) = asked
            && ending.begin(asked)
            && let Some(bridge) = &shared.bridge
        {
            bridge.close_after(ending.grace());
        }
        if shared.started.get().is_none() && ending.is_past_grace() {
            break Ended::NotBegun;
        }
        if ending.is_over() {
            break Ended::CutShort;
        }
    };
    if let Some(progress) = progress {
        progress.finish();
    }
    if let Some(spending) = spending {
        spending.end();
    }
    let wall = || match (settings.timely.process, shared.started.get()) {
        (_, Some(started)) => {
            let last = shared.stats.last_commit().saturating_sub(started.from);
            let last = Duration::from_nanos(last);
            if last.is_zero() { started.at.elapsed() } else { last }
        }
        _ => Duration::ZERO,
    };
    let is_cut_short = matches!(ended, Ended::CutShort);
    let (report, mut result) = match ended {
        Ended::Workers(Ok(reports)) => {
            let mut sum = Report::default();
            for report in reports.iter().filter_map(|json| serde_json::from_slice(json).ok()) {
                sum.add(&report);
            }
            (sum, Ok(()))
        }
        Ended::Workers(Err(error)) | Ended::Failed(error) => (shared.report(), Err(error)),
        Ended::NotBegun => {
            shared.was_stopped.store(true, Relaxed);
            tracing::warn!("stopped before all processes of the run were there: nothing was read");
            made.undo();
            (shared.report(), Ok(()))
        }
        Ended::CutShort => {
            shared.was_stopped.store(true, Relaxed);
            let published = shared.sink.give_up(ending.patience());
            say_cut_short(&shared);
            (shared.report(), published.map_err(RunError::Sink))
        }
    };
    if matches!(result, Err(RunError::Settings(_))) {
        // No worker has begun, and none is there any more.
        made.undo();
    }
    // The work is done: what was wrong with the way it was to be done is said at the end. Process 0 says it
    // for all of them, the others for themselves.
    let refused = match settings.timely.process {
        0 => report.refused.clone(),
        _ => shared.refused(),
    };
    if let (Some(why), Ok(())) = (refused, &result) {
        result = Err(RunError::Refused { function: settings.endpoint.name(), why });
    }
    if settings.timely.process != 0 {
        look::end(&shared, None, &result);
        return (None, result);
    }
    if let (true, Ok(()), Some(why)) =
        (settings.require_remote, &result, verdict::nothing_remote(settings, &report))
    {
        result = Err(RunError::NothingRemote { why });
    }
    let (summary, written) = figures::write(&shared, &report, wall(), &result, is_cut_short);
    let result = result.and(written);
    look::end(&shared, Some(&summary), &result);
    (Some(summary), result)
}

/// What the first of the workers answers, once all have ended.
fn joined(
    guards: WorkerGuards<Result<Vec<Vec<u8>>, Disagreement>>,
) -> Result<Vec<Vec<u8>>, RunError> {
    let ends: Result<Vec<_>, _> = guards.join().into_iter().collect();
    let first = ends.map_err(RunError::Worker)?.into_iter().next();
    Ok(first.transpose()?.unwrap_or_default())
}

/// It did not begin, and there is nothing to sum up.
fn not_begun(error: RunError) -> (Option<Summary>, Result<(), RunError>) {
    (None, Err(RunError::NotBegun(Box::new(error))))
}

/// Prepares the run on a thread of its own: there are files that do not open for as long as nobody writes to
/// them. None if the run was asked to stop and that took too long.
fn prepared(
    settings: Settings,
    stop: &Stop,
    failures: &Failures,
    ending: &mut Ending,
) -> Result<Option<(Arc<Shared>, Made)>, RunError> {
    let (sender, prepared) = bounded(1);
    let (stop, failures) = (stop.clone(), failures.clone());
    let stopping = stop.clone();
    let preparing = move || {
        let shared = prepare(settings, &stop, &failures).map(|mut shared| {
            let made = shared.output.made();
            (Arc::new(shared), made)
        });
        // If nobody waits any more, what was made goes.
        let _ = sender.send(shared);
    };
    let thread = thread::Builder::new().name("floodway-prepare".to_owned()).spawn(preparing);
    thread.map_err(|error| RunError::Timely(error.to_string()))?;
    loop {
        match prepared.recv_timeout(LOOK.min(ending.look())) {
            Ok(prepared) => return prepared.map(Some),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(RunError::Worker("it could not be prepared".to_owned()));
            }
        }
        if let Some(asked) = stopping.requested_at() {
            ending.begin(asked);
        }
        if ending.is_over() {
            return Ok(None);
        }
    }
}

/// Says what becomes of the epoch that was not whole in time.
fn say_cut_short(shared: &Shared) {
    let within = show_duration(shared.settings.stop_within);
    let rest = match shared.settings.state {
        Some(_) => "the same command does the rest",
        None => "without --state nothing resumes from there",
    };
    tracing::warn!(
        "the last epochs were not whole within --stop-within {within}, and are not committed: {rest}"
    );
}

/// What is still to be done when a run has `started`.
fn goal(settings: &Settings, started: &Started) -> Goal {
    let pace = settings.pace();
    match (pace.end(), settings.duration) {
        (Some(events), _) => Goal::Events(events - pace.first(started.epoch)),
        (None, Some(duration)) => Goal::Time(duration),
        (None, None) => Goal::Open,
    }
}
