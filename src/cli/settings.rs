//! Turns the options into the settings of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::{EventArgs, RunArgs, SendingArgs};
use super::given::Given;
use super::stage_options::{self, StageArgs};
use super::{
    UsageError, folder_conflicts, function_task, listen, path_conflicts, policy_options, rates,
    remote_options, sink, source, state,
};
use crate::bridge;
use crate::job::DataflowDescription;
use crate::nexmark::Generator;
use crate::pipeline::{
    EVENTS_AN_EPOCH, Sending, Settings, TimelySettings, local_hosts, read_hosts,
};
use crate::query::EventInput;
use crate::schedule::Schedule;
use crate::source::{Pace, Rate, Source, nominal};
use crate::state::State;

/// Returns the settings of a run.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Settings> {
    let source = source::source(args)?;
    let rates = &args.events.rates;
    let schedule = rates::schedule_of_source(rates, &args.given, source.is_generated())?;
    if schedule.is_none() && args.given.value("--speed").is_some() {
        let why = "there is no schedule to play: give a --rate that is not max";
        return Err(args.given.error("--speed", why).into());
    }
    let timely = timely(&args.timely)?;
    if timely.process == 0 {
        let is_resumed = args.state.as_deref().is_some_and(|dir| State::output_in(dir).is_some());
        source.check(is_resumed).map_err(|why| args.given.error("--source", why))?;
    }
    let listen = listen::settings(args, &timely)?;
    let sink = sink::sink(args, &*source, &timely)?;
    folder_conflicts::refuse_own_files(args, &*source, &*sink)?;
    path_conflicts::refuse_taken(args, &*source, &*sink)?;
    let mut sending = sending(&args.sending, &args.given, args)?;
    remote_options::check_shadow(args, sending.policy.needs_remote())?;
    let function = function_task::open(args)?;
    let events = events(args, &*source, schedule.clone());
    if args.options.query.is_some_and(|query| query.needs_due_times)
        && schedule.is_none()
        && (source.waits() || source.has_timed_epochs())
    {
        let why = "needs to know when each event is due: give --source nexmark, a --rate, or lines:PATH without --follow";
        return Err(args.given.error("--query", why).into());
    }
    let dataflow = args.given.program.dataflow(args, function.as_ref(), events)?;
    let pool = function.map(|function| {
        function_task::limit_requests(&mut sending, args.options.model.deadline, &args.given);
        function_task::pool(args, function, &sending)
    });
    let stages = stages(args, &dataflow)?;
    let all = || stages.iter().map(|(_, sending)| sending).chain([&sending]);
    remote_options::refuse_unused_model(args, all().map(|sending| &sending.endpoint))?;
    let sends = all().any(|sending| sending.policy.needs_remote());
    remote_options::check_require_remote(args, sends)?;
    let calls = remote_options::calls(&args.named, &args.given, &dataflow)?;
    remote_options::refuse_shares(&calls, &timely, &args.timely)?;
    sink::refuse_format(args, &dataflow, &*sink)?;
    let package = pool.as_ref().map(|pool| &pool.package);
    let state = state::state(args, &dataflow, &*source, &*sink, schedule.is_some(), package)?;
    let shared = state::shared(args, &dataflow, &*source, &*sink, (&sending, &stages))?;
    let policies: Vec<_> = all().map(|sending| sending.policy.spec()).collect();
    policy_options::refuse_unused(&args.given, &policies, "")?;
    let settings = Settings {
        options: args.options.clone(),
        shared,
        dataflow: Arc::new(dataflow),
        source,
        schedule,
        events: rates.events,
        duration: rates.duration,
        sending,
        stages,
        pool,
        calls,
        max_backlog_bytes: 256 << 20,
        sink,
        state,
        listen,
        timely,
    };
    if args.skew.is_some() && settings.timely.workers * settings.timely.processes == 1 {
        let why = "is the share of the first of several workers: add workers with -- -w 2";
        return Err(args.given.error("--skew", why).into());
    }
    settings.remote_endpoints().iter().try_for_each(|it| remote_options::proxy(it).map(drop))?;
    Ok(settings)
}

/// Returns the events that a query reads.
fn events(args: &RunArgs, source: &dyn Source, schedule: Option<Arc<Schedule>>) -> EventInput {
    let EventArgs { seed, nexmark, rates } = &args.events;
    let config = nexmark.clone().unwrap_or_default();
    let at = schedule.clone().unwrap_or_else(nominal);
    let rate = match schedule {
        Some(schedule) => Rate::Scheduled(schedule, args.options.model.epoch),
        None => Rate::Max(EVENTS_AN_EPOCH),
    };
    EventInput {
        is_generated: source.is_generated(),
        generator: Arc::new(Generator::new(config, *seed, at)),
        pace: Arc::new(Pace::new(rate, rates.events, rates.duration)),
    }
}

/// Returns which records are sent, where and how, by the options of the run or of a stage.
fn sending(args: &SendingArgs, given: &Given, run: &RunArgs) -> anyhow::Result<Sending> {
    let endpoint = remote_options::endpoint(&args.function, given, run.local_lambda.as_ref())?;
    let memory_mb = remote_options::memory(args.memory, given, &endpoint)?;
    let bridge = bridge::Settings {
        verify: args.verify,
        cost_limits: run.budget.limits(),
        ..remote_options::bridge(&args.requests, given, memory_mb)?
    };
    let policy = policy_options::policy(args, given)?;
    Ok(Sending { policy, endpoint, bridge })
}

/// Returns the same of each stage that has options of its own.
fn stages(
    args: &RunArgs,
    dataflow: &DataflowDescription,
) -> anyhow::Result<Vec<(String, Sending)>> {
    let sending = |stage: StageArgs| -> anyhow::Result<_> {
        let sending = sending(&stage.args, &stage.given, args);
        Ok((stage.name.clone(), sending.map_err(|error| stage.explain(error))?))
    };
    let stages = stage_options::stages(&args.named, &args.given, dataflow)?;
    stages.into_iter().map(sending).collect()
}

/// Returns a new folder in `out/`, for a `kind` of command that was given none.
pub(super) fn new_folder(kind: &str) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (0..)
        .map(|n| if n == 0 { format!("{kind}-{seconds}") } else { format!("{kind}-{seconds}-{n}") })
        .map(|name| Path::new("out").join(name))
        .find(|path| !path.exists())
        .expect("some number is free")
}

/// The highest number of workers and of processes. A larger one is a mistake.
const MAX_WORKERS: usize = 4_096;

pub(super) fn timely(args: &[String]) -> Result<TimelySettings, UsageError> {
    let mut options = getopts::Options::new();
    timely::Config::install_options(&mut options);
    let typed = args.join(" ");
    let wrong = |why: String| UsageError::new("--", typed.clone(), why);
    let matches = options.parse(args).map_err(|error| {
        wrong(format!("{error}; timely takes -w WORKERS -n PROCESSES -p PROCESS -h HOSTFILE"))
    })?;
    if let Some(free) = matches.free.first() {
        return Err(wrong(format!("{free} is no argument of timely's")));
    }
    let number = |name: &str, default: usize| match matches.opt_str(name) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| wrong(format!("-{name} {value} is no number"))),
    };
    let workers = number("w", 1)?;
    let processes = number("n", 1)?;
    if !matches.opt_present("n")
        && let Some(option) = ["p", "h"].into_iter().find(|option| matches.opt_present(option))
    {
        return Err(wrong(format!(
            "-{option} is for several processes: give their number with -n, the same for all"
        )));
    }
    let process = number("p", 0)?;
    if workers == 0 || processes == 0 || process >= processes {
        return Err(wrong("expected at least 1 worker and process, and -p below -n".to_owned()));
    }
    // Timely makes an address for each process, and the run queues for each worker, as many as are asked for.
    if workers > MAX_WORKERS || processes > MAX_WORKERS {
        return Err(wrong(format!("expected at most {MAX_WORKERS} workers and processes")));
    }
    let hosts = match matches.opt_str("h") {
        _ if processes == 1 => Vec::new(),
        None => local_hosts(processes),
        Some(file) => read_hosts(Path::new(&file), processes)
            .map_err(|error| wrong(format!("{:#}", anyhow::Error::from(error))))?,
    };
    let worker = timely::WorkerConfig::from_matches(&matches).map_err(wrong)?;
    let is_zerocopy = matches.opt_present("zerocopy");
    Ok(TimelySettings { workers, processes, process, hosts, is_zerocopy, worker })
}
