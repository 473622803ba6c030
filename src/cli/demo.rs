//! `floodway run` without options: a demonstration that fits this machine.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use super::args::{Command, RunArgs};
use super::config::FromFile;
use super::simulate::Simulation;
use super::{Program, given, settings};
use crate::batch::Batch;
use crate::nexmark::{Config, Generator};
use crate::observe::Summary;
use crate::source::nominal;
use crate::task::{self, Task as _};
use crate::units::{show_duration, show_rate};

/// The lowest rate of the spike, in events per second: the mission's 100 per millisecond.
const SPIKE: f64 = 100e3;

/// The rate of the spike, as a multiple of what the workers can do. They fall behind by 0.4 s in each second of
/// it, so that the deadline of 200 ms cannot be kept without the remote side.
const ABOVE_CAPACITY: f64 = 1.4;

/// The rate before and after the spike, as a share of what the workers can do. They keep up with it while other
/// programs take half of their processors.
const BASE_LOAD: f64 = 0.4;

/// The modelled time of an event: what making its byte-pair tokens takes on most machines.
const WORK: Duration = Duration::from_micros(14);

/// Both sides really compute if all processors together do this many times [`SPIKE`] for each worker: one half for
/// the events, the other for the requests and for other programs.
const REAL_CLOUD: f64 = 2.0;

/// An estimate of the share of the spike's rate that all processors together must do for the requests to be in
/// time, where the time of records is modelled. `docs/adr/0010-the-demonstrations-spike.md` has the measurements.
const MODELLED_CLOUD: f64 = 0.3;

/// The load of a demonstration: less than the workers can do, and more than that in a spike of three seconds.
pub(super) struct Load {
    /// Events a second that the workers can do.
    capacity: f64,
    peak: f64,
    /// The options for the task.
    task: Vec<String>,
    /// The options for the schedule.
    rates: Vec<String>,
}

impl Load {
    /// Returns a load with modelled time: a worker is busy for it, and the local Lambda waits for as long.
    pub fn modelled(workers: usize) -> Self {
        Load::new("words", WORK, workers)
    }

    /// Returns a load that both sides really compute, with modelled time on top where a worker could do the spike.
    fn real(task: &str, workers: usize) -> Self {
        let needed = Duration::from_secs_f64(ABOVE_CAPACITY / SPIKE);
        let taken = Duration::from_secs_f64(1.0 / capacity(task, Duration::ZERO));
        let missing = needed.saturating_sub(taken).as_micros() as u64;
        Load::new(task, Duration::from_micros(missing), workers)
    }

    fn new(task: &str, work: Duration, workers: usize) -> Self {
        let capacity = capacity(task, work) * workers as f64;
        let thousands = |rate: f64| ((rate / 1e3).floor() * 1e3).max(1e3);
        let base = thousands(capacity * BASE_LOAD);
        let peak = thousands(capacity * ABOVE_CAPACITY).max(SPIKE);
        let mut typed = vec!["--task".to_owned(), task.to_owned()];
        if !work.is_zero() {
            typed.extend(["--work".to_owned(), format!("{}us", work.as_micros())]);
        }
        let (base, peak_rate) = (show_rate(base), show_rate(peak));
        let rates = ["--rate", &base, "--shape", "spike", "--peak-rate", &peak_rate];
        let times = ["--period", "30s", "--duration", "10s"];
        let rates = rates.into_iter().chain(times).map(str::to_owned).collect();
        Load { capacity, peak, task: typed, rates }
    }

    /// Returns the options of `run` for this load.
    pub fn options(&self) -> Vec<String> {
        [&self.task[..], &self.rates].concat()
    }
}

/// The demonstration, and the command that it runs.
pub(super) struct Demo {
    pub args: RunArgs,
    load: Load,
    workers: usize,
    typed: Vec<String>,
    /// The events per second of which all processors together make byte-pair tokens.
    together: f64,
}

impl Demo {
    /// Returns the events per second that all processors must do together for both sides to really compute.
    fn needed_for_real(workers: usize) -> f64 {
        SPIKE * workers as f64 * REAL_CLOUD
    }

    /// Returns the events per second that they must do for the requests to be in time.
    fn needed_for_requests(&self) -> f64 {
        self.load.peak * MODELLED_CLOUD
    }

    fn is_real(&self) -> bool {
        self.together >= Demo::needed_for_real(self.workers)
    }
}

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let thousands = |rate: f64| show_rate((rate / 1e3).round().max(1.0) * 1e3);
        let (workers, does, it) = match self.workers {
            1 => ("One worker".to_owned(), "does", "it"),
            workers => (format!("{workers} workers"), "do", "them"),
        };
        let (peak, capacity) = (show_rate(self.load.peak), thousands(self.load.capacity));
        writeln!(
            f,
            "{workers} of this machine {does} about {capacity} of these events per second. This demonstration offers \
             {it} less than that for ten seconds, and {peak} per second for three seconds in the middle. Records that a \
             worker cannot finish within 200 ms are sent to a local Lambda, which is built in."
        )?;
        let (needed, together) =
            (thousands(Demo::needed_for_real(self.workers)), thousands(self.together));
        if self.is_real() {
            writeln!(
                f,
                "Both sides really compute: the processors of this machine make byte-pair tokens of {together} events \
                 per second together, and {needed} are enough."
            )?;
        } else {
            writeln!(
                f,
                "The time that a record takes is modelled (--work): a worker is busy for it, and the local Lambda \
                 waits for as long. Where the processors make byte-pair tokens of {needed} events per second together, \
                 both sides really compute them; here it is {together}."
            )?;
        }
        if self.together < self.needed_for_requests() {
            writeln!(
                f,
                "This machine is too small or too busy for that: expect that the deadline is missed. The processors \
                 have to make byte-pair tokens of {} events per second. End other programs, or use a machine with \
                 more processors.",
                thousands(self.needed_for_requests())
            )?;
        }
        writeln!(f, "It stands for this command:\n\n    floodway {}", self.typed.join(" "))
    }
}

/// Returns the demonstration, if `args` are nothing but timely's arguments.
pub(super) fn command(args: &RunArgs) -> Option<Demo> {
    // Whoever types an option means it: an empty command line is the only one without any.
    let typed = std::env::args_os().skip(2).take_while(|arg| arg != "--").count();
    if typed > 0 || args.given.program.is_own() {
        return None;
    }
    let timely = settings::timely(&args.timely).ok()?;
    let workers = timely.workers * timely.processes;
    let together = together("bpe");
    let load = match together >= Demo::needed_for_real(workers) {
        true => Load::real("bpe", workers),
        false => Load::modelled(workers),
    };
    let mut typed = vec!["run".to_owned()];
    typed.extend(load.options());
    typed.extend(["--policy", "deadline"].map(str::to_owned));
    if !args.timely.is_empty() {
        typed.push("--".to_owned());
        typed.extend(args.timely.iter().cloned());
    }
    match parsed(&typed)? {
        Command::Run(args) => Some(Demo { args: *args, load, workers, typed, together }),
        _ => None,
    }
}

impl Demo {
    /// Returns what bursting did for the run, if it sent anything.
    pub(super) fn last_words(&self, summary: &Summary) -> Option<String> {
        if summary.records_remote == 0 || summary.stopped != "done" {
            return None;
        }
        let kept = if summary.missed.is_none() { "The deadline was kept: " } else { "" };
        let remote = summary.offloaded_fraction * 100.0;
        let local = self.without_bursting(summary.true_rate_eps?)?;
        Some(format!("{kept}{remote:.0} % of the records were done remotely. {local}"))
    }

    /// Returns what the run would have been under the policy `local`, with workers that do `true_rate` records a
    /// second together.
    fn without_bursting(&self, true_rate: f64) -> Option<String> {
        let service = Duration::try_from_secs_f64(self.workers as f64 / true_rate).ok()?;
        let service = format!("{}ns", service.as_nanos());
        let local = ["simulate", "--service", &service, "--policy", "local"].map(str::to_owned);
        let mut typed = [&local[..], &self.load.rates].concat();
        if self.workers > 1 {
            typed.extend(["--".to_owned(), "-w".to_owned(), self.workers.to_string()]);
        }
        let Command::Simulate(args) = parsed(&typed)? else { return None };
        let simulation = Simulation::new(&args).ok()?;
        let (_, outcome) = simulation.outcomes().into_iter().next()?;
        Some(format!(
            "Without bursting (--policy local) the p99 of the latency would have been {}, and {:.0} % of the \
             results would have been late (simulated with {} records per second, which the workers could do).",
            show_duration(Duration::from_secs_f64(outcome.latency.quantile_ms(0.99) / 1e3)),
            outcome.late_share() * 100.0,
            show_rate((true_rate / 1e3).round().max(1.0) * 1e3),
        ))
    }
}

fn parsed(typed: &[String]) -> Option<Command> {
    let all = std::iter::once("floodway").chain(typed.iter().map(String::as_str));
    given::parse(&Program::default(), all, FromFile::default()).map(|cli| cli.command).ok()
}

/// Measures how many events a second all processors do of `task`, each with a thread, at the same time.
fn together(task: &str) -> f64 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    // The vocabulary is loaded once, before the trial.
    drop(task::text(task, Duration::ZERO));
    thread::scope(|scope| {
        let each = || capacity(task, Duration::ZERO);
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(each)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
    })
}

/// Measures how many events a second this thread does of `task`, with modelled `work` for each.
pub(super) fn capacity(task: &str, work: Duration) -> f64 {
    const TRIAL: Duration = Duration::from_millis(200);
    let Some(task) = task::text(task, work) else { return 50_000.0 };
    let generator = Generator::new(Config::default(), 1, nominal());
    let mut batch = Batch::default();
    generator.fill(0..2_000, &mut batch);
    let (mut out, mut bad) = (task.results(&batch, &(0..batch.len())), Vec::new());
    // Expensive records are few at a time, or the trial would last as long as they do.
    let few = (TRIAL.as_nanos() / work.as_nanos().max(1) / 20).clamp(1, 100) as usize;
    task.compute(&batch, 0..few, &mut out, &mut bad);
    let began = Instant::now();
    let mut done = 0;
    while began.elapsed() < TRIAL {
        let from = done % (batch.len() - few);
        let mut out = Batch::default();
        task.compute(&batch, from..from + few, &mut out, &mut bad);
        done += few;
    }
    done as f64 / began.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(workers: usize, together: f64) -> String {
        let load = Load { capacity: 71e3, peak: SPIKE, task: Vec::new(), rates: Vec::new() };
        let Some(Command::Run(args)) = parsed(&["run".to_owned()]) else { panic!("run parses") };
        Demo { args: *args, load, workers, typed: Vec::new(), together }.to_string()
    }

    #[test]
    fn the_introduction_names_the_measured_rate_and_the_limit_that_decides() {
        for (workers, limit) in [(1, 200), (2, 400)] {
            let below = introduction(workers, limit as f64 * 1e3 - 1e3);
            assert!(below.contains(&format!("tokens of {limit}k events")), "{below}");
            assert!(below.contains(&format!("here it is {}k", limit - 1)), "{below}");
            let above = introduction(workers, limit as f64 * 1e3);
            assert!(above.contains("Both sides really compute"), "{above}");
            assert!(above.contains(&format!("{limit}k are enough")), "{above}");
        }
        assert!(introduction(1, 20e3).contains("too small or too busy"));
    }
}
