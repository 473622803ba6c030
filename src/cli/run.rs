//! `floodway run`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use signal_hook::consts::SIGXFSZ;

use super::args::RunArgs;
use super::output::{print_error, print_message, print_or_error};
use super::program::text_of;
use super::{
    Exit, UsageError, demo, listen, logging, remote_options, settings, signals, sink, unusable_path,
};
use crate::destination::Destination;
use crate::live::Live;
use crate::pipeline::{self, Failures, Finished, MeshError, RunError, RunListener, Settings, Stop};
use crate::sink::{Sink, SinkError};
use crate::state::StateError;
use crate::task::{self, CodePanic};
use crate::units::show_duration;

/// Runs the command, and keeps the live view open for as long as the options say. Errors are printed before
/// that.
pub(super) fn run(args: &RunArgs) -> Exit {
    let (stop, ended) = (Stop::default(), Arc::default());
    let mut shown = None;
    let run = || run_shown(args, &stop, &ended, &mut shown);
    // Nobody would hear of a panic of this thread, which is the one that prints failures.
    let result = catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(anyhow!("a fault of the program: {}", text_of(&*panic))));
    let exit = match result {
        Ok(()) => Exit::Done,
        Err(error) => Exit::from(args.given.from_file.explain(error)),
    };
    let _ = ended.set(exit);
    if let Some((live, after)) = shown.filter(|_| exit != Exit::Usage) {
        live.finish(after, || stop.is_requested());
    }
    exit
}

/// What the command prints and does while the run lasts.
struct Announcements {
    /// How a run without an end can be ended.
    open_end: Option<String>,
}

impl RunListener for Announcements {
    fn begun(&mut self, failures: Failures) {
        report_panics(failures);
    }

    fn live(&mut self, live: &Live) {
        print_message(format_args!("live at http://{}/, metrics at /metrics", live.address()));
    }

    fn started(&mut self) {
        self.open_end.iter().for_each(print_message);
    }
}

/// Runs the command. `shown` gets the live view, if there is one, and how long it stays after the run.
fn run_shown(
    args: &RunArgs,
    stop: &Stop,
    ended: &Arc<OnceLock<Exit>>,
    shown: &mut Option<(Live, Duration)>,
) -> Result<()> {
    logging::init(args.log.as_deref())?;
    let demo = demo::command(args);
    let settings = match &demo {
        Some(demo) => {
            print_error(demo);
            settings::run(&demo.args)?
        }
        None => settings::run(args)?,
    };
    announce_proxy(&settings)?;
    stop_on_signals(stop, settings.options.stop_within, ended)
        .context("cannot listen for signals")?;
    // A file that grows past `ulimit -f` is an error of the write then, and not the process's end.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).context("cannot listen for signals")?;
    let mut announcements = Announcements { open_end: open_end(&settings) };
    let stays = settings.listen.as_ref().map(|listen| listen.after).unwrap_or_default();
    let sink = Arc::clone(&settings.sink);
    let files =
        [&settings.options.summary, &settings.options.series, &settings.options.dead_letter];
    let prints_figures = files
        .into_iter()
        .flatten()
        .any(|file| matches!(Destination::of(file), Destination::Stdout));
    let Finished { summary, result, live, .. } = pipeline::run(settings, stop, &mut announcements);
    *shown = live.map(|live| (live, stays));
    // Processes that were given different settings have done nothing.
    let has_begun = !matches!(result, Err(RunError::Settings(_)));
    if let Some(summary) = summary.filter(|_| has_begun) {
        let mut text = summary.words();
        // The workers have done what the remote side refused.
        if matches!(result, Ok(()) | Err(RunError::Refused { .. }))
            && summary.has_output()
            && let Some(name) = sink.name()
        {
            text += &format!("output    {name}\n");
        }
        let of_demo = demo.as_ref().and_then(|demo| demo.last_words(&summary));
        for words in summary.last_words().chain(of_demo.as_deref()) {
            text += &format!("{words}\n");
        }
        // Where figures or bad records go to standard output, they are alone there.
        match prints_figures {
            true => print_error(text.trim_end()),
            false => print_or_error(&text),
        }
    }
    result.map_err(|error| match error {
        RunError::NotStarted(error) => not_started(*error, args, &*sink),
        error => error.into(),
    })
}

/// Prints by which proxy requests go, if they go by one. Process 0 prints it for all.
pub(super) fn announce_proxy(settings: &Settings) -> Result<()> {
    for endpoint in settings.remote_endpoints() {
        if settings.timely.process == 0
            && let Some(proxy) = remote_options::proxy(endpoint)?
        {
            print_message(format_args!(
                "requests to {endpoint} go by the proxy {proxy}; NO_PROXY names hosts that need none"
            ));
        }
    }
    Ok(())
}

/// Returns how a run whose input has no end can be ended. Process 0 prints it for all.
fn open_end(settings: &Settings) -> Option<String> {
    let has_end = settings.duration.is_some() || settings.pace().end().is_some();
    if has_end || settings.timely.process > 0 {
        return None;
    }
    settings.source.how_to_end()
}

/// Returns the reason why a run did not start, as an error of the command line if an option caused it.
pub(super) fn not_started(error: RunError, args: &RunArgs, sink: &dyn Sink) -> anyhow::Error {
    match error {
        RunError::State { folder, source } if !matches!(source, StateError::Io { .. }) => {
            UsageError::new("--state", folder, source.to_string()).into()
        }
        RunError::Sink(SinkError::Occupied(dir)) => {
            let why =
                "holds another run's output: name another folder, or replace it with --overwrite";
            UsageError::new(sink::option(args), dir.display().to_string(), why).into()
        }
        RunError::Sink(SinkError::DeadLetters { path, why }) => {
            UsageError::new("--dead-letter", path.display().to_string(), why).into()
        }
        RunError::Sink(SinkError::Unsuitable(why)) => {
            let given = args.sink.clone().unwrap_or_default();
            UsageError::new("--sink", given, why.to_string()).into()
        }
        RunError::Listen { port, source } => listen::unusable(args, port, &source).into(),
        RunError::Mesh(error @ MeshError::Listen { .. }) => {
            let why = format!("{:#}", anyhow::Error::from(error));
            UsageError::new("--", args.timely.join(" "), why).into()
        }
        RunError::Sink(SinkError::InUse(dir)) => {
            let why = "another run writes to it: wait for its end, or name another folder";
            UsageError::new(sink::option(args), dir.display().to_string(), why).into()
        }
        RunError::Sink(SinkError::Foreign { dir, name }) => {
            let why = format!(
                "holds {name}, which is not Floodway's output: name another folder, or remove it"
            );
            UsageError::new(sink::option(args), dir.display().to_string(), why).into()
        }
        error => unusable_path::not_started(error, args, sink),
    }
}

/// Handles signals: the first stops the run in good order `within` this time, the second ends the process.
pub(super) fn stop_on_signals(
    stop: &Stop,
    within: Duration,
    ended: &Arc<OnceLock<Exit>>,
) -> std::io::Result<()> {
    let (stop, ended) = (stop.clone(), Arc::clone(ended));
    signals::on_signal(move |before| {
        if before > 0 {
            print_message("ended by a second signal; what was committed stays");
            std::process::exit(1);
        }
        print_message(match ended.get() {
            None => {
                "stopping; what was read is committed first. Send the signal again to end at once"
            }
            Some(_) => "closing the live page",
        });
        stop.request();
        let ended = Arc::clone(&ended);
        let end = move || {
            thread::sleep(within);
            // It may still show its end to whoever looks at the page.
            let exit = ended.get().copied().unwrap_or_else(|| {
                print_message(format_args!(
                    "not ended within --stop-within {}: ended now; what was committed stays",
                    show_duration(within)
                ));
                Exit::Failed
            });
            std::process::exit(exit.code().into());
        };
        // Without a thread there is the second signal.
        let _ = thread::Builder::new().name("floodway-end".to_owned()).spawn(end);
    })
}

/// Ends the run if any thread panics, timely's own among them. Nothing else would wake the other threads.
pub(super) fn report_panics(failures: Failures) {
    let failures = Mutex::new(failures);
    std::panic::set_hook(Box::new(move |info| {
        let error = match info.payload().downcast_ref::<CodePanic>() {
            Some(panic) => RunError::CodePanicked(panic.to_string()),
            None => {
                let what = text_of(info.payload());
                let place = info.location().map(|at| format!(" ({at})")).unwrap_or_default();
                let trace = std::backtrace::Backtrace::force_capture();
                tracing::debug!(backtrace = %trace, "{what}{place}");
                let text = format!("{what}{place}");
                if task::note_panic(&text) {
                    return;
                }
                match what.starts_with("timely communication error") {
                    true => RunError::ProcessLost(what.to_owned()),
                    false => RunError::Worker(text),
                }
            }
        };
        if let Ok(failures) = failures.lock() {
            failures.fail(error);
        }
    }));
}
