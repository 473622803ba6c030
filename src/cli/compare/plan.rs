//! Turns the options into one command for each policy.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::capacity;
use crate::batch::Nanos;
use crate::cli::args::{Command, CompareArgs, RunArgs};
use crate::cli::config::FromFile;
use crate::cli::policy_options::{self, PolicyArg, listed, uses};
use crate::cli::{
    Program, UsageError, demo, given, refused, remote_options, settings, sink, stage_options,
};
use crate::compare::Threshold;
use crate::pipeline::Settings;
use crate::policy::{Deadline, POLICIES, Spec};
use crate::schedule::BurstWindow;
use crate::source::{path_of, text_of};
use crate::units::show_rate;

/// The options with a value that belong to the comparison, or that it sets for each run.
const OWN_OPTIONS: [&str; 6] =
    ["--policies", "--rounds", "--warm-up-run", "--report", "--threshold", "--config"];

/// The default length of a run, because a paced source never ends.
const DEFAULT_DURATION: &str = "10s";

/// The default threshold, as a share of what the workers can do. The rest is for their other work.
const THRESHOLD_SHARE: f64 = 0.9;

/// The run of a policy.
pub(super) struct PolicyRun {
    pub name: String,
    /// The command that repeats the run.
    pub command: String,
    /// All options of the run that the policy uses.
    options: Vec<String>,
}

/// Everything that a comparison will do.
pub(super) struct Plan {
    pub policies: Vec<PolicyRun>,
    pub rounds: usize,
    /// The command with every relevant default written out.
    pub command: String,
    pub deadline: Duration,
    pub threshold: Option<Threshold>,
    pub burst: Vec<(f64, f64)>,
    /// The highest rate of the schedule, if there is one.
    peak: Option<f64>,
    warm_up: Duration,
    timely: Vec<String>,
    is_demo: bool,
}

impl Plan {
    /// Plans a comparison. `typed` is the command line after `compare` and before timely's part.
    pub(super) fn new(args: &CompareArgs, typed: &[String]) -> anyhow::Result<Plan> {
        refused::COMPARE.check(&args.run.given)?;
        let workers = settings::timely(&args.run.timely)?;
        if workers.processes > 1 {
            let why = "each run of a comparison has one process: use -w for more workers";
            return Err(UsageError::new("-n", workers.processes.to_string(), why).into());
        }
        let policies = policies(args.policies.as_deref())?;
        // Stages with policies of their own have them in each run.
        let of_stages = stage_options::policies(&args.run.named);
        let all = [&policies[..], &of_stages[..]].concat();
        policy_options::refuse_unused(&args.run.given, &all, ", and --policies has none")?;

        let mut common = without_own(typed);
        let is_demo = common.is_empty() && !args.run.given.program.is_own();
        if is_demo {
            common = demo::Load::modelled(workers.workers).options();
        }
        let timely = timely_part(&args.run.timely);
        let (settings, common) = bounded(&args.run.given.program, common, &timely)?;
        let threshold = match args.run.sending.threshold {
            _ if !policies.iter().any(|policy| policy.needs_threshold()) => None,
            Some(eps) => Some(Threshold { eps, measured: false }),
            None => Some(measured(&args.run.given.program, &settings)),
        };

        let mut runs = Vec::new();
        for policy in &policies {
            let name = policy.name.to_owned();
            let used = [&[*policy], &of_stages[..]].concat();
            let mut options = without(&common, |option| !used.iter().any(|it| uses(it, option)));
            options.extend(["--policy".to_owned(), name.clone()]);
            if let (true, Some(threshold)) = (policy.needs_threshold(), threshold) {
                options.extend(["--threshold".to_owned(), show_rate(threshold.eps)]);
            }
            options.extend(["--sink", sink::NULL].map(str::to_owned));
            // What is wrong is said before anything runs.
            let line = [&options[..], &timely].concat();
            settings::run(&run_args(&args.run.given.program, &line)?)?;
            let command = format!("{} run {}", args.run.given.program.name(), shown(&line));
            runs.push(PolicyRun { name, command, options });
        }
        let mut own = vec!["--policies".to_owned(), policy_options::joined(&policies)];
        if let Some(threshold) = threshold {
            own.extend(["--threshold".to_owned(), show_rate(threshold.eps)]);
        }
        own.extend(["--rounds".to_owned(), args.rounds.to_string()]);
        let line = [&common[..], &own, &timely].concat();
        Ok(Plan {
            policies: runs,
            rounds: args.rounds,
            command: format!("{} compare {}", args.run.given.program.name(), shown(&line)),
            deadline: settings.options.model.deadline,
            threshold,
            burst: burst(&settings),
            peak: settings.schedule_in_real_time().map(|schedule| schedule.extremes().1),
            warm_up: args.warm_up_run,
            timely: args.run.timely.clone(),
            is_demo,
        })
    }

    /// Makes the runs read the trace in the file `given` from `file`.
    pub(super) fn read_trace_from(&mut self, given: &str, file: &Path) {
        let (given, own) = (format!("trace:{given}"), format!("trace:{}", text_of(file)));
        self.command = self.command.replace(&given, &own);
        for policy in &mut self.policies {
            policy.command = policy.command.replace(&given, &own);
            policy.options.iter_mut().for_each(|word| *word = word.replace(&given, &own));
        }
    }

    /// Returns the arguments of a policy's run.
    pub(super) fn run(&self, policy: &PolicyRun, summary: &Path, series: &Path) -> Vec<OsString> {
        let files = [("--summary", summary), ("--series", series)];
        self.arguments(
            policy,
            files.iter().map(|(name, path)| (*name, path.as_os_str().to_owned())),
        )
    }

    /// Returns the arguments of the warm-up run, if there is one. It loads the program into memory and wakes
    /// the processor, which would otherwise slow the first policy down.
    pub(super) fn warm_up(&self, summary: &Path) -> Option<Vec<OsString>> {
        let policy = self.policies.first().filter(|_| !self.warm_up.is_zero())?;
        let duration = format!("{}ns", self.warm_up.as_nanos());
        let options =
            [("--duration", duration.into()), ("--summary", summary.as_os_str().to_owned())];
        Some(self.arguments(policy, options.into_iter()))
    }

    fn arguments(
        &self,
        policy: &PolicyRun,
        more: impl Iterator<Item = (&'static str, OsString)>,
    ) -> Vec<OsString> {
        let words = ["run"].into_iter().chain(policy.options.iter().map(String::as_str));
        let mut all: Vec<OsString> = words.map(|word| path_of(word).into()).collect();
        all.extend(more.flat_map(|(name, value)| [OsString::from(name), value]));
        all.extend(timely_part(&self.timely).into_iter().map(OsString::from));
        all
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.is_demo {
            writeln!(
                f,
                "This demonstration offers the workers less than they can do, and for three \
                seconds more than that, under each policy. The time that a record takes is \
                modelled: a worker is busy for it, and the local Lambda sleeps, so that it does \
                not take this machine's processors. It stands for this command:\n\n    {}\n",
                self.command
            )?;
        }
        if let Some(Threshold { eps, measured: true }) = self.threshold {
            writeln!(
                f,
                "no --threshold was given: it is set to {} events per second, {:.0} % of what \
                the workers can do, as just measured",
                show_rate(eps),
                THRESHOLD_SHARE * 100.0
            )?;
            if let Some(peak) = self.peak.filter(|peak| *peak <= eps) {
                writeln!(
                    f,
                    "the rate is never above {}: the workers can do that, so {} will send next to \
                    nothing",
                    show_rate(peak),
                    listed(POLICIES, Spec::needs_threshold, "and")
                )?;
            }
        }
        Ok(())
    }
}

fn policies(names: Option<&str>) -> Result<Vec<PolicyArg>, UsageError> {
    let all = policy_options::compared();
    let Some(names) = names else { return Ok(all) };
    let mut policies = Vec::new();
    for name in names.split(',') {
        let wrong = |why: String| UsageError::new("--policies", name, why);
        let expected = || wrong(format!("expected some of {}", policy_options::joined(&all)));
        let policy = Spec::named(name.trim()).ok_or_else(expected)?;
        if policies.contains(&policy) {
            return Err(wrong("is named twice: --rounds N repeats all of them".to_owned()));
        }
        policies.push(policy);
    }
    Ok(policies)
}

/// Returns `typed` without the options that belong to the comparison.
fn without_own(typed: &[String]) -> Vec<String> {
    let typed = without(typed, |option| OWN_OPTIONS.contains(&option));
    typed.into_iter().filter(|word| word != "--overwrite").collect()
}

/// Returns `typed` without the options with a value that `left_out` selects.
fn without(typed: &[String], left_out: impl Fn(&str) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        let option = word.split_once('=').map_or(word.as_str(), |(option, _)| option);
        if left_out(option) {
            if !word.contains('=') {
                words.next();
            }
        } else {
            kept.push(word.clone());
        }
    }
    kept
}

/// Returns the options with their parsed settings, and with an end if there would be none.
fn bounded(
    program: &Program,
    mut common: Vec<String>,
    timely: &[String],
) -> anyhow::Result<(Settings, Vec<String>)> {
    let settings = |common: &[String]| {
        let mut run = run_args(program, &[common, timely].concat())?;
        // The policy `deadline` uses all options but the threshold, which is not among them.
        run.sending.policy = Some(&Deadline::SPEC);
        settings::run(&RunArgs { sink: Some(sink::NULL.to_owned()), ..run })
    };
    let mut checked = settings(&common)?;
    if let Some(why) = checked.source.why_not_repeatable(checked.duration.is_some()) {
        return Err(run_args(program, &common)?.given.error("--source", why).into());
    }
    if checked.source.is_generated() && checked.duration.is_none() && checked.pace().end().is_none()
    {
        common.extend(["--duration", DEFAULT_DURATION].map(str::to_owned));
        checked = settings(&common)?;
    }
    Ok((checked, common))
}

fn run_args(program: &Program, options: &[String]) -> Result<RunArgs, UsageError> {
    let line = [program.name(), "run"].into_iter().chain(options.iter().map(String::as_str));
    match given::parse(program, line, FromFile::default()).map(|cli| cli.command) {
        Ok(Command::Run(run)) => Ok(*run),
        // It was parsed once already, with more options than these.
        Ok(_) | Err(_) => Err(UsageError::new("--", shown(options), "are no options of a run")),
    }
}

/// Measures the workers, and returns a threshold a little below their rate.
fn measured(program: &Program, settings: &Settings) -> Threshold {
    let eps = capacity::measure(program, settings) * THRESHOLD_SHARE;
    let step = if eps >= 10_000.0 { 1_000.0 } else { 1.0 };
    Threshold { eps: ((eps / step).floor() * step).max(1.0), measured: true }
}

/// Returns when the burst of the schedule is, in seconds, rounded to hundredths, within the length of a run.
fn burst(settings: &Settings) -> Vec<(f64, f64)> {
    const STEP: Nanos = 10_000_000;
    const MAX_STEPS: u64 = 360_000;
    let Some(schedule) = settings.schedule_in_real_time() else { return Vec::new() };
    let Some(window) = BurstWindow::of(schedule) else { return Vec::new() };
    let pace = settings.pace();
    let last = pace.end().and_then(|events| schedule.time(events.saturating_sub(1)));
    let steps = last.map_or(MAX_STEPS, |last| last / STEP + 1).min(MAX_STEPS);
    let mut bursts: Vec<(f64, f64)> = Vec::new();
    let mut inside = false;
    for step in 0..steps {
        let now = window.contains(step * STEP);
        let at = |step: u64| (step * STEP) as f64 / 1e9;
        match bursts.last_mut() {
            Some(burst) if now && inside => burst.1 = at(step + 1),
            _ if now => bursts.push((at(step), at(step + 1))),
            _ => {}
        }
        inside = now;
    }
    bursts
}

fn timely_part(timely: &[String]) -> Vec<String> {
    if timely.is_empty() {
        return Vec::new();
    }
    std::iter::once("--".to_owned()).chain(timely.iter().cloned()).collect()
}

/// Quotes arguments for a shell.
fn shown(words: &[String]) -> String {
    let quoted = |word: &String| {
        // An endpoint's key may stand in its URL, and reports are passed on.
        let word = if word.contains("://") { remote_options::redact(word) } else { word.clone() };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.,:/%+@".contains(&byte);
        if !word.is_empty() && word.bytes().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_comparison_are_left_out_of_a_run() {
        let typed =
            ["--rate", "5k", "--policies=local", "--rounds", "3", "--overwrite", "--report", "x"];
        let typed = typed.map(str::to_owned);
        assert_eq!(without_own(&typed), ["--rate", "5k"]);
        assert_eq!(shown(&["--nexmark".to_owned(), "it's 5".to_owned()]), r"--nexmark 'it'\''s 5'");
    }
}
