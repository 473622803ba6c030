//! Prepares what a run needs before its workers start: the remote side, the input, the output.

#[cfg(feature = "kafka")]
use std::any::Any;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

#[cfg(feature = "kafka")]
use super::Target;
use super::resume::{Output, ResumePoint};
use super::spend_log::SpendLog;
use super::summary::figure_files;
use super::worker::RunContext;
use super::{Endpoint, Failures, RunError, Settings, Stop};
use crate::bridge::{self, Bridge, BridgeError, SettingsError};
use crate::descriptors;
use crate::emulator;
#[cfg(feature = "kafka")]
use crate::kafka::{KafkaError, Publisher};
use crate::observe::ProcessStats;
use crate::operators::Peers;
use crate::policy::Sends;
use crate::sink::{self, SinkError, SinkHandle};
#[cfg(feature = "kafka")]
use crate::source::KafkaInput;
use crate::source::{OpenContext, Pace};
use crate::state::StateError;
use crate::task;
use crate::units::show_duration;

/// How long a run waits for a remote side that does not answer, before it starts without it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits the requests in flight to those that have file descriptors.
fn limit_in_flight(wanted: usize, each: usize) -> usize {
    let most = descriptors::max_connections(each).max(1);
    if most < wanted {
        tracing::warn!(
            "of {} files that may be open, {most} requests may be in flight, not {wanted}: the rest is kept for \
             input and output; raise the limit with ulimit -n",
            descriptors::limit()
        );
    }
    wanted.min(most)
}

/// Starts everything that the workers of the process share.
pub(super) fn prepare(
    settings: Settings,
    stop: &Stop,
    failures: &Failures,
) -> Result<RunContext, RunError> {
    let timely = &settings.timely;
    let pace = Arc::new(settings.pace());
    let mut output = Output::inspect(&settings)?;
    let mut lambda = None;
    let mut started_bridge = None;
    let task = task::text(&settings.task, settings.work.clone())
        .ok_or_else(|| RunError::NoTask(settings.task.clone()))?;
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
        // Each process has its share of what may still be spent.
        let cost_limits = settings.bridge.cost_limits.after(output.spent()).share(timely.processes);
        // The embedded one has the other end of each connection in this process too.
        let each = if lambda.is_some() { 2 } else { 1 };
        let max_in_flight = limit_in_flight(settings.bridge.max_in_flight, each);
        let bridge_settings =
            bridge::Settings { max_in_flight, endpoint, cost_limits, ..settings.bridge.clone() };
        let started = Bridge::start(bridge_settings)?;
        // What the remote side is like is known before the first record comes: nothing is sent before.
        let lane = started.remote_task(Arc::new(Arc::clone(&task)));
        started.wait_for_probes(PROBE_TIMEOUT);
        if settings.policy.spec().sends == Sends::Late {
            check_deadline(settings.deadline, lane.median());
        }
        started_bridge = Some(started);
    }
    let resume_point = output.resume_point();
    // An input or a summary that cannot be leaves no output behind.
    let source = settings.source.open(open_context(&settings, &pace, &resume_point, failures))?;
    for (what, path) in figure_files(&settings) {
        if timely.process == 0
            && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && let Err(source) = std::fs::read_dir(folder)
        {
            return Err(RunError::Write { what, path: path.display().to_string(), source });
        }
    }
    let sink_failures = failures.clone();
    let on_failure = Arc::new(move |error: SinkError| sink_failures.fail(RunError::Sink(error)));
    #[cfg(feature = "kafka")]
    let publisher = publisher(&settings, &output)?;
    #[cfg(not(feature = "kafka"))]
    let publisher: Option<Box<dyn sink::Publish>> = None;
    if timely.process == 0 {
        output.prepare(&settings)?;
    }
    let mut sink_settings = sink_settings(&settings, &output);
    let positions = Arc::clone(&source);
    sink_settings.positions = Some(Arc::new(move |epoch, notes| positions.position(epoch, notes)));
    let sink = match publisher {
        Some(publisher) => SinkHandle::start_publishing(sink_settings, publisher, on_failure)?,
        None => SinkHandle::start(sink_settings, on_failure)?,
    };
    Ok(RunContext {
        stats: ProcessStats::watched(
            timely.workers,
            settings.has_series(),
            settings.live.is_some(),
            Some(settings.deadline),
        ),
        diagnosis: Mutex::default(),
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
        source,
        output,
        resume_point,
        settings,
    })
}

/// Returns what the source is opened with.
fn open_context(
    settings: &Settings,
    pace: &Arc<Pace>,
    resume_point: &ResumePoint,
    failures: &Failures,
) -> OpenContext {
    let failures = failures.clone();
    OpenContext {
        pace: Arc::clone(pace),
        max_record: settings.max_record,
        epoch: settings.epoch,
        commit_every: settings.commit_every,
        epochs_a_commit: settings.epochs_a_commit(),
        open_epochs: settings.open_epochs(),
        first_epoch: resume_point.epoch,
        positions: resume_point.positions(),
        workers: settings.timely.workers,
        processes: settings.timely.processes,
        process: settings.timely.process,
        failed: Arc::new(move |error| failures.fail(RunError::Source(error))),
    }
}

/// Connects the publisher of process 0, if the sink is a topic.
#[cfg(feature = "kafka")]
fn publisher(
    settings: &Settings,
    output: &Output,
) -> Result<Option<Box<dyn sink::Publish>>, RunError> {
    let (Target::Kafka { topic, .. }, Some(state)) = (&settings.target, &settings.state) else {
        return Ok(None);
    };
    if settings.timely.process != 0 {
        return Ok(None);
    }
    if let Some(input) = (&*settings.source as &dyn Any).downcast_ref::<KafkaInput>()
        && topic.is(&input.topic)?
    {
        let (topic, brokers) = (topic.name.clone(), topic.brokers.clone());
        return Err(RunError::Kafka(KafkaError::Own { topic, brokers }));
    }
    Ok(Some(Box::new(Publisher::connect(topic.clone(), &output.id, &state.folder)?)))
}

/// Starts to log what the bridge spends, if there is a state.
pub(super) fn start_spend_log(
    context: &Arc<RunContext>,
    failures: &Failures,
) -> Result<Option<SpendLog>, RunError> {
    let RunContext { settings, output, bridge, .. } = &**context;
    let (Some(state), Some(spent), Some(bridge)) = (&settings.state, &output.spent, bridge) else {
        return Ok(None);
    };
    let no_thread = |source| {
        state.failed(StateError::Io {
            what: "start a thread for",
            path: state.folder.clone(),
            source,
        })
    };
    let (asked, failures) = (state.clone(), failures.clone());
    let failed = move |source| failures.fail(asked.failed(source));
    SpendLog::start(spent.clone(), bridge.clone(), settings.bridge.clone(), failed)
        .map(Some)
        .map_err(no_thread)
}

/// Warns if even an empty request takes the remote side longer than the deadline.
fn check_deadline(deadline: Duration, typical: Duration) {
    if typical >= deadline {
        tracing::warn!(
            "the remote side takes {} to answer an empty request, so no remote result can keep \
            the deadline of {}. Records are sent only where a worker would be later still",
            show_duration(typical),
            show_duration(deadline),
        );
    }
}

fn sink_settings(settings: &Settings, output: &Output) -> sink::Settings {
    let files = settings.target.files();
    let target = files.map_or(sink::Target::Null, |files| sink::Target::Files(files.clone()));
    let timely = &settings.timely;
    sink::Settings {
        epochs_a_group: settings.epochs_a_commit(),
        dead_letter: settings.dead_letter.clone(),
        id: output.id.clone(),
        resumed: output.committed.clone(),
        ..sink::Settings::new(target, timely.workers, timely.process)
    }
}
