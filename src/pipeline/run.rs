//! Runs a process's workers, and says how it went.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, unbounded};

use super::beginning::{Output, positions};
use super::control::Disagreement;
use super::shadow;
use super::worker::{Shared, Started, work};
use super::{Endpoint, PolicyChoice, Settings, Source, Stop, Target};
use crate::bridge::{self, Bridge, BridgeError, SettingsError};
use crate::emulator;
use crate::observe::{Goal, ProcessStats, Progress, Report, SLOT, Series, Summary, Totals};
use crate::operators::Peers;
use crate::sink::{self, SinkError, SinkHandle};
use crate::source::{Lines, LinesError, LinesSettings, Sharing};
use crate::state::StateError;
use crate::task;
use crate::units::{show_duration, show_many};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What the run is to be resumed from.
    #[error("the state in {folder}")]
    State {
        /// Its folder.
        folder: String,
        /// Why it cannot be used.
        #[source]
        source: StateError,
    },
    /// The last commit does not say how far its source was.
    #[error("the last commit of the output does not say how far its lines were read")]
    NoPosition,
    /// The output.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The input.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// The bridge.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The embedded Lambda.
    #[error("cannot start the embedded Lambda")]
    Lambda(#[source] std::io::Error),
    /// Timely.
    #[error("cannot start the workers: {0}")]
    Timely(String),
    /// A worker's thread, or a connection to another process.
    #[error("a worker ended before its work was done: {0}")]
    Worker(String),
    /// The remote side's results are not the workers'.
    #[error(
        "the remote side computes something else of {record} than a worker does (--verify): is the \
         function of the same version as this command? What was committed before may be wrong too"
    )]
    Differs {
        /// Which record.
        record: String,
    },
    /// The remote side is not to be had as it is set up.
    #[error(
        "{function} refused all that was sent to it: {why}. All work was done at home, and is committed"
    )]
    Refused {
        /// Its name.
        function: String,
        /// How, and what to do about it.
        why: String,
    },
    /// The other processes.
    #[error(transparent)]
    Settings(#[from] Disagreement),
    /// The summary or the series.
    #[error("cannot write the {what} to {path}")]
    Figures {
        /// Which of them.
        what: &'static str,
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What ends a run.
enum Ended {
    Workers(Result<Vec<Vec<u8>>, RunError>),
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

/// How long remote work may last after the run was asked to stop, before it comes home.
const GRACE: Duration = Duration::from_secs(2);

/// How long a run waits for a remote side that does not answer before it begins without it.
const PROBE: Duration = Duration::from_secs(2);

/// How often the figures are looked at: at the end of each slot of a series.
const LOOK: Duration = Duration::from_nanos(SLOT);

/// How long it is until they are looked at, so that looks do not drift away from slots.
fn until_look(started: Option<&Started>) -> Duration {
    let since = started.map_or(Duration::ZERO, |started| started.at.elapsed());
    LOOK - Duration::from_nanos(since.as_nanos() as u64 % SLOT)
}

/// Says that the other processes are waited for, as long as they are: timely tries to reach them
/// for ever.
struct Waiting {
    others: usize,
    say_at: Instant,
}

/// How long the processes of a run may take to find each other before it is said, and said again.
const PATIENCE: Duration = Duration::from_secs(5);

impl Waiting {
    fn new(processes: usize) -> Self {
        Waiting { others: processes - 1, say_at: Instant::now() + PATIENCE }
    }

    fn look(&mut self) {
        if self.others > 0 && Instant::now() >= self.say_at {
            self.say_at += PATIENCE;
            tracing::warn!(
                "still waiting for {} of this run: were all started, with the same -n and -h, and \
                 did none of them end with an error?",
                show_many(self.others as u64, "other process")
            );
        }
    }
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
    let shared = match prepare(settings, stop, &failures) {
        Ok(shared) => Arc::new(shared),
        Err(error) => return (None, Err(error)),
    };
    let settings = &shared.settings;

    let config = match timely::Config::from_args(settings.timely.args.iter().cloned()) {
        Ok(config) => config,
        Err(error) => return (None, Err(RunError::Timely(error))),
    };
    let for_workers = Arc::clone(&shared);
    let joiner = thread::Builder::new().name("floodway-join".to_owned()).spawn(move || {
        let result = timely::execute(config, move |worker| work(worker, &for_workers));
        let result = result.map_err(RunError::Worker).and_then(|guards| {
            let ends: Result<Vec<_>, _> = guards.join().into_iter().collect();
            let first = ends.map_err(RunError::Worker)?.into_iter().next();
            Ok(first.transpose()?.unwrap_or_default())
        });
        // The receiver is gone only when the run has failed.
        let _ = ended_sender.send(Ended::Workers(result));
    });
    if let Err(error) = joiner {
        return (None, Err(RunError::Timely(error.to_string())));
    }

    let mut progress: Option<Progress> = None;
    let mut waiting = Waiting::new(settings.timely.processes);
    let mut coming_home = false;
    let ended = loop {
        match ended.recv_timeout(until_look(shared.started.get())) {
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
        } else {
            waiting.look();
        }
        if stop.is_requested() && !coming_home {
            coming_home = true;
            if let Some(bridge) = &shared.bridge {
                bridge.come_home(GRACE);
            }
        }
    };
    if let Some(progress) = progress {
        progress.finish();
    }
    let wall = || match (settings.timely.process, shared.started.get()) {
        (_, Some(started)) => {
            let last = shared.stats.last_commit().saturating_sub(started.from);
            let last = Duration::from_nanos(last);
            if last.is_zero() { started.at.elapsed() } else { last }
        }
        _ => Duration::ZERO,
    };
    let (report, mut result) = match ended {
        Ended::Workers(Ok(reports)) => {
            let mut sum = Report::default();
            for report in reports.iter().filter_map(|json| serde_json::from_slice(json).ok()) {
                sum.add(&report);
            }
            (sum, Ok(()))
        }
        Ended::Workers(Err(error)) | Ended::Failed(error) => (shared.report(), Err(error)),
    };
    // The work is done: what was wrong with the way it was to be done is said at the end. Process 0 says it
    // for all of them, the others for themselves.
    let refused = match settings.timely.process {
        0 => report.refused.clone(),
        _ => shared.refused(),
    };
    let is_done = result.is_ok();
    if let (Some(why), true) = (refused, is_done) {
        result = Err(RunError::Refused { function: settings.endpoint.name(), why });
    }
    if settings.timely.process != 0 {
        return (None, result);
    }
    let mut summary = Summary::of(&report, wall(), &settings.bridge.cost);
    summary.policy = settings.policy.name().to_owned();
    summary.task = settings.task.clone();
    summary.work_us = settings.work.first().as_nanos() as f64 / 1e3;
    summary.stopped = match is_done {
        false => "failed",
        true if shared.was_stopped.load(Relaxed) => "signal",
        true => "done",
    }
    .to_owned();
    if !is_done && let Target::Files { .. } = settings.target {
        // What was computed and is not committed is no output.
        summary.results_out = shared.sink.committed_records();
    }
    let before = shared.output.committed.as_deref();
    let (records, bad) = before.map_or((0, 0), |before| (before.records(), before.bad()));
    let bad_now = match is_done {
        true => summary.records_bad,
        false => shared.sink.committed_bad(),
    };
    let begun = shared.started.get().map_or(0, |started| started.epoch);
    summary.epochs = summary.epochs.saturating_sub(begun);
    summary.total = Totals {
        events_in: records + bad + summary.results_out + bad_now,
        results_out: records + summary.results_out,
        runs: shared.output.runs,
    };
    summary.error = result.as_ref().err().map(|error| chain(error));
    if let Endpoint::Embedded(model) = &settings.endpoint
        && settings.is_bursting()
    {
        summary.lambda = Some(model.to_string());
    }
    let series = settings.has_series().then(|| Series::of(&report, &settings.bridge.cost));
    if let Some(series) = series.as_ref().filter(|_| settings.shadow) {
        let true_rate = summary.true_rate_eps.unwrap_or_default();
        summary.shadow = shadow::shadow(settings, series, summary.workers, true_rate);
    }
    let written = figures_to(settings).into_iter().try_for_each(|(what, path)| {
        let written = match what {
            SUMMARY => summary.write(path),
            _ => series.iter().try_for_each(|series| series.write(path)),
        };
        written.map_err(|source| RunError::Figures {
            what,
            path: path.display().to_string(),
            source,
        })
    });
    (Some(summary), result.and(written))
}

/// Starts what the workers share.
fn prepare(settings: Settings, stop: &Stop, failures: &Failures) -> Result<Shared, RunError> {
    let timely = &settings.timely;
    let pace = Arc::new(settings.pace());
    let mut lambda = None;
    let mut started_bridge = None;
    let task = task::text(&settings.task, settings.work.clone())
        .ok_or_else(|| RunError::Timely(format!("there is no task {}", settings.task)))?;
    if settings.is_bursting() {
        let endpoint = match &settings.endpoint {
            Endpoint::Remote(endpoint) => endpoint.clone(),
            Endpoint::Embedded(model) => {
                let listener =
                    std::net::TcpListener::bind("127.0.0.1:0").map_err(RunError::Lambda)?;
                let server =
                    emulator::Server::start(listener, model.clone()).map_err(RunError::Lambda)?;
                let url = server.url();
                lambda = Some(Arc::new(server));
                bridge::Endpoint::url(&url)
                    .map_err(|error| BridgeError::Settings(SettingsError::Endpoint(error)))?
            }
        };
        // Each process has its share of what may be spent.
        let allowance = settings.bridge.allowance.share(timely.processes);
        let bridge_settings = bridge::Settings { endpoint, allowance, ..settings.bridge.clone() };
        let started = Bridge::start(bridge_settings)?;
        // What the remote side is like is known before the first record comes: nothing is sent before.
        let lane = started.lane(Arc::new(Arc::clone(&task)));
        started.wait_for_probes(PROBE);
        if settings.policy == PolicyChoice::Deadline {
            check_deadline(settings.deadline, lane.typical());
        }
        started_bridge = Some(started);
    }
    let mut output = Output::look(&settings)?;
    let beginning = output.beginning();
    // An input or a summary that cannot be leaves no output behind.
    let lines = match &settings.source {
        Source::Lines(input) => {
            let lines_settings = LinesSettings {
                input: input.clone(),
                pace: Arc::clone(&pace),
                max_record: settings.max_record,
                epoch: settings.epoch,
                open_epochs: settings.open_epochs(),
                from: beginning.lines()?,
                sharing: Sharing::of(&pace),
                workers: timely.workers,
                processes: timely.processes,
                process: timely.process,
            };
            let failures = failures.clone();
            let failed = move |error| failures.fail(RunError::Lines(error));
            Some(Arc::new(Lines::start(lines_settings, failed)?))
        }
        Source::Nexmark { .. } => None,
    };
    for (what, path) in figures_to(&settings) {
        if timely.process == 0
            && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && let Err(source) = std::fs::read_dir(folder)
        {
            return Err(RunError::Figures { what, path: path.display().to_string(), source });
        }
    }
    let sink_failures = failures.clone();
    let on_failure = Arc::new(move |error: SinkError| sink_failures.fail(RunError::Sink(error)));
    if timely.process == 0 {
        output.prepare(&settings)?;
    }
    let mut sink_settings = sink_settings(&settings, &output);
    sink_settings.positions = Some(positions(&pace, lines.as_ref()));
    let sink = SinkHandle::start(sink_settings, on_failure)?;
    Ok(Shared {
        stats: ProcessStats::new(timely.workers, settings.has_series()),
        stop: stop.clone(),
        failures: failures.clone(),
        was_stopped: AtomicBool::new(false),
        started: OnceLock::new(),
        pace,
        task,
        bridge: started_bridge,
        peers: Peers::default(),
        lambda,
        sink,
        lines,
        output,
        beginning,
        settings,
    })
}

/// Says so if the remote side cannot keep the deadline even for nothing.
fn check_deadline(deadline: Duration, typical: Duration) {
    if typical >= deadline {
        tracing::warn!(
            "the remote side takes {} to answer an empty request: no result of it can be there within \
             the deadline of {}. Records go to it only where home would be later still",
            show_duration(typical),
            show_duration(deadline),
        );
    }
}

fn sink_settings(settings: &Settings, output: &Output) -> sink::Settings {
    let target = match &settings.target {
        Target::Files { files, .. } => sink::Target::Files(files.clone()),
        Target::Null => sink::Target::Null,
    };
    let timely = &settings.timely;
    sink::Settings {
        epochs_a_group: settings.epochs_a_commit(),
        dead_letter: settings.dead_letter.clone(),
        id: output.id.clone(),
        resumed: output.committed.clone(),
        ..sink::Settings::new(target, timely.workers, timely.process)
    }
}

const SUMMARY: &str = "summary";
const SERIES: &str = "series";

/// The files that the run's figures are written to.
fn figures_to(settings: &Settings) -> Vec<(&'static str, &PathBuf)> {
    let files = [(SUMMARY, &settings.summary), (SERIES, &settings.series)];
    files.into_iter().filter_map(|(what, path)| Some((what, path.as_ref()?))).collect()
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

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
