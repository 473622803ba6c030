//! `floodway run` without options: a demonstration that fits this machine.

use std::fmt;
use std::time::{Duration, Instant};

use clap::Parser as _;

use super::args::{Cli, Command, RunArgs};
use crate::batch::Batch;
use crate::nexmark::{Config, Generator};
use crate::source::nominal;
use crate::task::{self, Task as _};
use crate::units::show_rate;

/// The demonstration, and the command that it runs.
pub(super) struct Demo {
    pub args: RunArgs,
    typed: Vec<String>,
    capacity: f64,
    peak: f64,
}

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "One worker of this machine makes byte-pair tokens of about {} events per second. \
            This demonstration offers it less than that for ten seconds, and {} per second for \
            three seconds in the middle. Records that the worker cannot finish within 200 ms are \
            sent to a local Lambda, which is built in. It stands for this command:\n",
            show_rate(self.capacity),
            show_rate(self.peak),
        )?;
        writeln!(f, "    floodway {}", self.typed.join(" "))
    }
}

/// Returns the demonstration, if `args` are nothing but timely's arguments.
pub(super) fn command(args: &RunArgs) -> Option<Demo> {
    // Whoever types an option means it: an empty command line is the only one without any.
    let typed = std::env::args_os().skip(2).take_while(|arg| arg != "--").count();
    if typed > 0 {
        return None;
    }
    let capacity = capacity("bpe", Duration::ZERO);
    let thousands = |rate: f64| ((rate / 1e3).floor() * 1e3).max(1e3);
    let base = thousands(capacity * 0.4);
    // The mission's 100 events a millisecond, or more where one core does as many by itself: the other
    // one plays the cloud, and cannot play a larger one.
    let peak = thousands(capacity * 1.4).max(100e3);
    let mut typed: Vec<String> = [
        "run",
        "--task",
        "bpe",
        "--rate",
        &show_rate(base),
        "--shape",
        "spike",
        "--peak-rate",
        &show_rate(peak),
        "--period",
        "30s",
        "--duration",
        "10s",
        "--policy",
        "deadline",
    ]
    .map(str::to_owned)
    .to_vec();
    if !args.timely.is_empty() {
        typed.push("--".to_owned());
        typed.extend(args.timely.iter().cloned());
    }
    let all = std::iter::once("floodway".to_owned()).chain(typed.iter().cloned());
    match Cli::try_parse_from(all).map(|cli| cli.command) {
        Ok(Command::Run(args)) => Some(Demo { args: *args, typed, capacity, peak }),
        _ => None,
    }
}

/// Returns the default trace of a comparison: a base rate that the workers can carry, and three seconds of a
/// rate that they cannot, the mission's or half as much again as their own.
pub(super) fn trace(workers: usize) -> Vec<String> {
    const WORK: &str = "14us";
    let capacity = capacity("words", Duration::from_micros(14)) * workers as f64;
    let step = 1_000.0;
    let base = ((capacity * 0.4 / step).floor() * step).max(step);
    let peak = ((capacity * 1.5 / step).ceil() * step).max(100_000.0);
    let (base, peak) = (show_rate(base), show_rate(peak));
    let options = ["--work", WORK, "--rate", &base, "--shape", "spike", "--peak-rate", &peak];
    let times = ["--period", "30s", "--duration", "10s"];
    options.into_iter().chain(times).map(str::to_owned).collect()
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
