//! Prepares what a run needs before its workers start: the remote side, the input, the output.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};

use super::frontiers::Frontiers;
use super::remote_side::RemoteSide;
use super::resume::{Output, ResumePoint};
use super::spend_log::SpendLog;
use super::summary::figure_files;
use super::worker::RunContext;
use super::{Failures, RunError, Settings, Stop};
use crate::live::Live;
use crate::observe::ProcessStats;
use crate::operators::{Peers, Stages};
use crate::pool::ProcessPool;
use crate::sink::{self, SinkError, SinkHandle};
use crate::source::{OpenContext, Pace, ReadSettings};
use crate::state::StateError;
use crate::state_totals::States;

/// Starts everything that the workers of the process share, but the live view, which is there already.
///
/// # Errors
/// If the run cannot start. Then it leaves nothing behind.
pub(super) fn prepare(
    settings: Settings,
    live: Option<Live>,
    stop: &Stop,
    failures: &Failures,
) -> Result<RunContext, RunError> {
    let timely = &settings.timely;
    let pace = Arc::new(settings.pace());
    let mut output = Output::inspect(&settings)?;
    let pool = start_pool(&settings, failures)?;
    let remote = RemoteSide::start(&settings, output.spent())?;
    let resume_point = output.resume_point();
    // An input or a summary that cannot be leaves no output behind.
    let source = settings.source.open(open_context(&settings, &pace, &resume_point, failures))?;
    if timely.process == 0 {
        check_figure_folders(&settings)?;
    }
    let sink_failures = failures.clone();
    let on_failure = Arc::new(move |error: SinkError| sink_failures.fail(RunError::Sink(error)));
    let mut publisher = None;
    if timely.process == 0 {
        publisher = settings.sink.open(&output.id)?;
        output.prepare(&settings)?;
    }
    let mut sink_settings = sink_settings(&settings, &output);
    let positions = Arc::clone(&source);
    let position_failures = failures.clone();
    sink_settings.positions = Some(Arc::new(move |epoch, notes| {
        let failed = |error| position_failures.fail(RunError::Source(error));
        positions.position(epoch, notes).map_err(failed).ok()
    }));
    let sink = match publisher {
        Some(publisher) => SinkHandle::start_publishing(sink_settings, publisher, on_failure)?,
        None => SinkHandle::start(sink_settings, on_failure)?,
    };
    Ok(RunContext {
        stats: ProcessStats::watched(
            timely.workers,
            settings.has_series(),
            live.is_some(),
            Some(settings.options.model.deadline),
        ),
        due: AtomicU64::new(0),
        diagnosis: Mutex::default(),
        stop: stop.clone(),
        failures: failures.clone(),
        was_stopped: AtomicBool::new(false),
        started: OnceLock::new(),
        pace,
        stages: Stages::new(),
        states: States::default(),
        frontiers: Frontiers::new(settings.dataflow.stages.len(), timely.workers),
        functions: remote.functions,
        calls: remote.calls,
        peers: Peers::default(),
        pool,
        lambda: remote.lambda,
        sink,
        source,
        output,
        resume_point,
        settings,
        live,
    })
}

/// Starts the processes that compute in place of the workers, if the task is a function.
fn start_pool(settings: &Settings, failures: &Failures) -> Result<Option<ProcessPool>, RunError> {
    let Some(pool) = &settings.pool else { return Ok(None) };
    let Some(stage) = settings.dataflow.stages.first() else { return Ok(None) };
    let failures = failures.clone();
    let failed = Box::new(move |error| failures.fail(RunError::Function(error)));
    stage.start_pool(pool.clone(), failed).map(Some).map_err(RunError::Function)
}

/// Checks that the folders of the summary and the series can be read.
fn check_figure_folders(settings: &Settings) -> Result<(), RunError> {
    for (what, path) in figure_files(settings) {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::read_dir(folder).map_err(|source| RunError::Write {
                what,
                path: path.display().to_string(),
                source,
            })?;
        }
    }
    Ok(())
}

/// Returns what the source is opened with.
fn open_context(
    settings: &Settings,
    pace: &Arc<Pace>,
    resume_point: &ResumePoint,
    failures: &Failures,
) -> OpenContext {
    let failures = failures.clone();
    let read = ReadSettings {
        pace: Arc::clone(pace),
        max_record: settings.options.max_record,
        epoch: settings.options.model.epoch,
        commit_every: settings.options.commit_every,
        epochs_a_commit: settings.epochs_a_commit(),
        open_epochs: settings.open_epochs(),
        first_epoch: resume_point.epoch,
        workers: settings.timely.workers,
        processes: settings.timely.processes,
        process: settings.timely.process,
    };
    OpenContext {
        read,
        positions: resume_point.positions(),
        failed: Arc::new(move |error| failures.fail(RunError::Source(error))),
    }
}

/// Starts to log what is spent for the functions, if there is a state.
pub(super) fn start_spend_log(
    context: &Arc<RunContext>,
    failures: &Failures,
) -> Result<Option<SpendLog>, RunError> {
    let RunContext { settings, output, functions, .. } = &**context;
    let (Some(state), Some(spent)) = (&settings.state, &output.spent) else { return Ok(None) };
    if functions.is_empty() {
        return Ok(None);
    }
    let no_thread = |source| {
        state.failed(StateError::Io {
            what: "start a thread for",
            path: state.folder.clone(),
            source,
        })
    };
    let (asked, failures) = (state.clone(), failures.clone());
    let failed = move |source| failures.fail(asked.failed(source));
    SpendLog::start(spent.clone(), functions.clone(), failed).map(Some).map_err(no_thread)
}

fn sink_settings(settings: &Settings, output: &Output) -> sink::Settings {
    let timely = &settings.timely;
    sink::Settings {
        epochs_a_group: settings.epochs_a_commit(),
        dead_letter: settings.options.dead_letter.clone(),
        id: output.id.clone(),
        resumed: output.committed.clone(),
        ..sink::Settings::new(settings.sink.files().cloned(), timely.workers, timely.process)
    }
}
