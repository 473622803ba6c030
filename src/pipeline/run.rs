//! Runs a process: prepares it, starts its workers, and says how it ended.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded, unbounded};
use timely::communication::WorkerGuards;

use super::mesh::Mesh;
use super::prepare::{prepare, start_spend_log};
use super::run_end::{self, RunEnd, SAMPLE_INTERVAL};
use super::start::start;
use super::stop::StopDeadline;
use super::worker::{RunContext, work};
use super::{Disagreement, Failures, RunError, Settings, Stop, live_view, summary, warnings};
use crate::cleanup_guard::CleanupGuard;
use crate::live::{End, Live};
use crate::observe::{FunctionFailure, Report, Summary};

/// What a run calls while it lasts. By default, each method does nothing.
pub trait RunListener {
    /// The run begins. The caller can report failures from outside, such as from a panic hook.
    fn begun(&mut self, failures: Failures) {
        let _ = failures;
    }

    /// The live view can be reached.
    fn live(&mut self, live: &Live) {
        let _ = live;
    }

    /// The workers have started. Only process 0 calls this.
    fn started(&mut self) {}
}

impl RunListener for () {}

/// What a run left behind.
pub struct Finished {
    /// The summary. Process 0 has one, unless the run did not start.
    pub summary: Option<Summary>,
    /// The figures of all processes that the summary is made of.
    pub report: Option<Report>,
    /// The first failure, if there was one. What was committed before it stays.
    pub result: Result<(), RunError>,
    /// The live view, which shows the end of the run until it is finished.
    pub live: Option<Live>,
}

impl Finished {
    /// The end of a run of which this process has no figures.
    fn without_report(result: Result<(), RunError>) -> Self {
        Finished { summary: None, report: None, result, live: None }
    }
}

/// Runs `settings` until the input ends, `stop` asks for it, or something fails. Process 0 writes the summary
/// where the settings say, whether the run failed or not.
pub fn run(settings: Settings, stop: &Stop, listener: &mut impl RunListener) -> Finished {
    let live = match live_view::start(&settings) {
        Ok(live) => live,
        Err(error) => return not_started(error),
    };
    live.iter().for_each(|live| listener.live(live));
    let finished = run_process(settings, live.clone(), stop, listener);
    if let (Some(live), Err(error @ RunError::NotStarted(_))) = (&live, &finished.result) {
        live.end(End { error: Some(super::error::cause_chain(error)), ..End::default() });
    }
    Finished { live, ..finished }
}

fn run_process(
    settings: Settings,
    live: Option<Live>,
    stop: &Stop,
    listener: &mut impl RunListener,
) -> Finished {
    let (ended_sender, ended) = unbounded();
    let failures = Failures(ended_sender.clone());
    listener.begun(failures.clone());
    let mesh = match Mesh::listen(&settings.timely) {
        Ok(mesh) => mesh,
        Err(error) => return not_started(error.into()),
    };
    let mut stop_deadline = StopDeadline::new(settings.options.stop_within);
    let prepared = prepare_on_thread(settings, live, stop, &failures, &mut stop_deadline);
    // Values are dropped in reverse order: what was created is removed before the state's lock is released.
    let (context, mut created) = match prepared {
        Ok(Some(prepared)) => prepared,
        Ok(None) => {
            tracing::warn!("stopped while the run was being prepared: nothing was read");
            return Finished::without_report(Ok(()));
        }
        Err(error) => return not_started(error),
    };
    live_view::show(&context);
    let spend_log = match start_spend_log(&context, &failures) {
        Ok(spend_log) => spend_log,
        Err(error) => return not_started(error),
    };
    if let Err(error) = start_workers(&context, mesh, ended_sender) {
        return not_started(error);
    }
    created.keep();
    let end = run_end::wait(&context, &ended, &mut stop_deadline, || listener.started());
    if let Some(spend_log) = spend_log {
        spend_log.finish();
    }
    let stop_timed_out = matches!(end, RunEnd::StopTimeout);
    let (report, result) = run_end::outcome(&context, end, &stop_deadline, &mut created);
    conclude(&context, report, result, stop_timed_out)
}

/// Starts the workers, and a thread that waits for them and reports their end.
fn start_workers(
    context: &Arc<RunContext>,
    mesh: Option<Mesh>,
    ended: Sender<RunEnd>,
) -> Result<(), RunError> {
    let context = Arc::clone(context);
    let joining = move || {
        let (timely, stop) = (context.settings.timely.clone(), context.stop.clone());
        let started = start(&timely, mesh, &stop, move |worker| work(worker, &context));
        let end = match started {
            Ok(Some(guards)) => RunEnd::Workers(join_workers(guards)),
            Ok(None) => RunEnd::NotStarted,
            Err(error) => RunEnd::Failed(error),
        };
        // The receiver is gone only when the run has ended.
        let _ = ended.send(end);
    };
    let thread = thread::Builder::new().name("floodway-join".to_owned()).spawn(joining);
    thread.map(drop).map_err(|error| RunError::Timely(error.to_string()))
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
fn not_started(error: RunError) -> Finished {
    Finished::without_report(Err(RunError::NotStarted(Box::new(error))))
}

/// Prepares the run on a thread of its own, because some files do not open until somebody writes to them.
/// Returns none if the run was asked to stop and the time for that is over.
fn prepare_on_thread(
    settings: Settings,
    live: Option<Live>,
    stop: &Stop,
    failures: &Failures,
    stop_deadline: &mut StopDeadline,
) -> Result<Option<(Arc<RunContext>, CleanupGuard)>, RunError> {
    let (sender, prepared) = bounded(1);
    let (own_stop, failures) = (stop.clone(), failures.clone());
    let preparing = move || {
        let context = prepare(settings, live, &own_stop, &failures).map(|mut context| {
            let created = context.output.created();
            (Arc::new(context), created)
        });
        // If the receiver is gone, this drops the guard, which removes what was created.
        let _ = sender.send(context);
    };
    let thread = thread::Builder::new().name("floodway-prepare".to_owned()).spawn(preparing);
    thread.map_err(|error| RunError::Timely(error.to_string()))?;
    loop {
        match prepared.recv_timeout(SAMPLE_INTERVAL.min(stop_deadline.poll_interval())) {
            Ok(prepared) => return prepared.map(Some),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(RunError::Worker("it could not be prepared".to_owned()));
            }
        }
        if let Some(asked) = stop.requested_at() {
            stop_deadline.start(asked);
        }
        if stop_deadline.is_expired() {
            return Ok(None);
        }
    }
}

/// Writes and shows how the run ended. A run that has done all its work fails if the remote side refused
/// everything, or did nothing although something had to be done remotely.
fn conclude(
    context: &RunContext,
    report: Report,
    mut result: Result<(), RunError>,
    stop_timed_out: bool,
) -> Finished {
    let settings = &context.settings;
    let is_first = settings.timely.process == 0;
    // Process 0 reports it for all processes, the others for themselves.
    let refused = if is_first { report.refused.clone() } else { context.refused() };
    if let (Some(FunctionFailure { function, why }), Ok(())) = (refused, &result) {
        result = Err(RunError::Refused { function, why });
    }
    if !is_first {
        live_view::end(context, None, &result);
        return Finished::without_report(result);
    }
    if let (true, Ok(()), Some(why)) =
        (settings.options.require_remote, &result, warnings::nothing_remote(settings, &report))
    {
        result = Err(RunError::NothingRemote { why });
    }
    let (summary, written) =
        summary::write(context, &report, wall(context), &result, stop_timed_out);
    let result = result.and(written);
    live_view::end(context, Some(&summary), &result);
    Finished { summary: Some(summary), report: Some(report), result, live: None }
}

/// Returns the time from the start of the run until its last commit, or until now if nothing was committed.
fn wall(context: &RunContext) -> Duration {
    let Some(started) = context.started.get() else { return Duration::ZERO };
    match context.stats.last_commit().saturating_sub(started.from) {
        0 => started.at.elapsed(),
        nanos => Duration::from_nanos(nanos),
    }
}
