//! Turns the options into the settings of a run.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::args::{RateArgs, RunArgs};
use super::{
    UsageError, folder_conflicts, listen, path_conflicts, policy_options, remote_options, sink,
    source, state, trace_file,
};
use crate::batch::Nanos;
use crate::cost::Cost;
use crate::pipeline::{Settings, TimelySettings, local_hosts, read_hosts};
use crate::schedule::{Schedule, Shape, Trace};
use crate::state::State;
use crate::units::{parse_above_zero, parse_at_least_one, parse_duration, parse_rate, parse_share};

/// Parses an option, or returns its default.
pub(super) fn parse<T, E: std::fmt::Display>(
    option: &str,
    given: Option<&String>,
    default: T,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, UsageError> {
    match given {
        None => Ok(default),
        Some(value) => {
            parse(value).map_err(|error| UsageError::new(option, value, error.to_string()))
        }
    }
}

/// Parses an option without a default.
pub(super) fn parse_some<T, E: std::fmt::Display>(
    option: &str,
    given: Option<&String>,
    parse_one: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, UsageError> {
    parse(option, given, None, |value| parse_one(value).map(Some))
}

/// Parses a number that is at least 1.
pub(super) fn number(
    option: &str,
    given: &Option<String>,
    default: usize,
) -> Result<usize, UsageError> {
    parse(option, given.as_ref(), default, |text| parse_at_least_one(text).map(|n| n as usize))
}

/// The events: their number and their rate.
pub(super) struct Events {
    pub schedule: Option<Arc<Schedule>>,
    pub events: Option<u64>,
    pub duration: Option<Duration>,
}

/// The default rate: that of the reference generator.
pub(super) const DEFAULT_RATE: f64 = 10_000.0;

/// The default seed of all that is random.
pub(super) const DEFAULT_SEED: u64 = 1;

impl Events {
    /// Parses the options of events. If `paced`, there is a default rate.
    pub(super) fn new(rates: &RateArgs, paced: bool) -> Result<Self, UsageError> {
        refuse_rate_of_trace(rates)?;
        let is_max = rates.rate.as_deref() == Some("max") || (rates.rate.is_none() && !paced);
        let schedule = if is_max {
            for (option, given) in [
                ("--shape", &rates.shape),
                ("--peak-rate", &rates.peak_rate),
                ("--period", &rates.period),
            ] {
                // A trace has its own rates.
                let trace = given.as_ref().is_some_and(|value| value.starts_with("trace:"));
                if let Some(value) = given.as_ref().filter(|_| !trace) {
                    return Err(UsageError::new(option, value, "needs a --rate that is not max"));
                }
            }
            match &rates.shape {
                Some(_) => Some(schedule(rates)?),
                None => None,
            }
        } else {
            Some(schedule(rates)?)
        };
        let (events, duration) = bounds(rates)?;
        Ok(Events { schedule: schedule.map(Arc::new), events, duration })
    }
}

/// Refuses a rate for a trace, which has its own.
pub(super) fn refuse_rate_of_trace(rates: &RateArgs) -> Result<(), UsageError> {
    match (&rates.rate, &rates.shape) {
        (Some(rate), Some(shape)) if shape.starts_with("trace:") => {
            let why = format!("is not for --shape {shape}: a trace has its own rates");
            Err(UsageError::new("--rate", rate, why))
        }
        _ => Ok(()),
    }
}

/// Returns after how many events, and after what time, the input ends.
pub(super) fn bounds(args: &RateArgs) -> Result<(Option<u64>, Option<Duration>), UsageError> {
    let duration = parse_some("--duration", args.duration.as_ref(), parse_above_zero)?;
    let events = parse_some("--events", args.events.as_ref(), parse_at_least_one)?;
    Ok((events, duration))
}

/// The shape of the rate if none is named.
pub(super) const DEFAULT_SHAPE: &str = "constant";

/// The shapes that have a name.
const SHAPES: [(&str, Shape); 5] = [
    (DEFAULT_SHAPE, Shape::Constant),
    ("square", Shape::Square),
    ("sine", Shape::Sine),
    ("step", Shape::Step),
    ("spike", Shape::Spike),
];

fn shape_values() -> String {
    let names = SHAPES.map(|(name, _)| name).join(", ");
    format!("{names} or trace:FILE")
}

pub(super) fn shape_help() -> String {
    format!("How the rate changes over time: {} [default: {DEFAULT_SHAPE}]", shape_values())
}

pub(super) fn shape_long_help() -> String {
    format!(
        "{}.\n\nsquare: --rate in the first half of each period and --peak-rate in the second. sine: a wave \
         between the two. step: --peak-rate from --period on. spike: --peak-rate in the second tenth of each \
         period. trace:FILE: rows `seconds,rate`, the seconds from 0 and increasing; a rate holds until the \
         next row, and the last row ends the input.",
        shape_help()
    )
}

pub(super) fn schedule(args: &RateArgs) -> Result<Schedule, UsageError> {
    let shape_name = args.shape.as_deref().unwrap_or(DEFAULT_SHAPE);
    let wrong = |why: String| UsageError::new("--shape", shape_name, why);
    let shape = match (shape_name.strip_prefix("trace:"), shape_name) {
        (Some(path), _) => {
            let text = trace_file::text(path).map_err(|error| wrong(error.to_string()))?;
            Shape::Trace(Trace::from_str(&text).map_err(|error| wrong(error.to_string()))?)
        }
        (None, name) => {
            let found = SHAPES.into_iter().find(|(known, _)| *known == name);
            let (_, shape) = found.ok_or_else(|| wrong(format!("expected {}", shape_values())))?;
            shape
        }
    };
    let has_peak = !matches!(shape, Shape::Constant | Shape::Trace(_));
    let rate = parse("--rate", args.rate.as_ref(), DEFAULT_RATE, parse_rate)?;
    let peak = parse_some("--peak-rate", args.peak_rate.as_ref(), parse_rate)?;
    let period = parse_some("--period", args.period.as_ref(), parse_duration)?;
    for (option, given, there) in [
        ("--peak-rate", &args.peak_rate, peak.is_some()),
        ("--period", &args.period, period.is_some()),
    ] {
        if there && !has_peak {
            let value = given.as_deref().unwrap_or_default();
            let why = format!("--shape {shape_name} has no peak: use square, sine, step or spike");
            return Err(UsageError::new(option, value, why));
        }
        if !there && has_peak {
            return Err(wrong(format!("needs {option}")));
        }
    }
    let peak = peak.unwrap_or(rate);
    let period = period.unwrap_or(Duration::from_secs(1)).as_nanos() as Nanos;
    let is_trace = matches!(shape, Shape::Trace(_));
    Schedule::new(shape, rate, peak, period).map_err(|error| match is_trace {
        true => wrong(error.to_string()),
        false => UsageError::new("--rate", rate.to_string(), error.to_string()),
    })
}

/// Returns the settings of a run.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Settings> {
    let source = source::source(args)?;
    let events = Events::new(&args.events.rates, source.is_generated())?;
    let timely = timely(&args.timely)?;
    if timely.process == 0 {
        let given = args.source.clone().unwrap_or_default();
        let is_resumed = args.state.as_deref().is_some_and(|dir| State::output_in(dir).is_some());
        source.check(is_resumed).map_err(|why| UsageError::new("--source", given, why))?;
    }
    let listen = listen::settings(args, &timely)?;
    let sink = sink::sink(args, &*source, &timely)?;
    folder_conflicts::refuse_own_files(args, &*source, &*sink)?;
    path_conflicts::refuse_taken(args, &*source, &*sink)?;
    let endpoint = remote_options::endpoint(args)?;
    let memory_mb = remote_options::memory(args.memory.as_ref(), &endpoint)?;
    let cost = Cost { prices: remote_options::prices(&args.bridge)?, memory_mb };
    let mut bridge = remote_options::bridge(&args.bridge, cost)?;
    bridge.verify = parse("--verify", args.verify.as_ref(), bridge.verify, parse_share)?;
    remote_options::check_shadow(args)?;
    remote_options::check_require_remote(args)?;
    let policy = policy_options::of_run(args)?;
    let state = state::state(args, &*source, &*sink, events.schedule.is_some())?;
    let shared = state::shared(args, &*source, &*sink, policy)?;
    let settings = Settings {
        options: args.options.clone(),
        shared,
        source,
        schedule: events.schedule,
        events: events.events,
        duration: events.duration,
        policy,
        endpoint,
        bridge,
        max_backlog_bytes: 256 << 20,
        sink,
        state,
        listen,
        timely,
    };
    if let (Some(skew), 1) = (&args.skew, settings.timely.workers * settings.timely.processes) {
        let why = "is the share of the first of several workers: add workers with -- -w 2";
        return Err(UsageError::new("--skew", skew, why).into());
    }
    policy_options::refuse_unused_by_run(args)?;
    settings.remote_endpoint().map(remote_options::proxy).transpose()?;
    Ok(settings)
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
