//! `floodway compare`: the same trace under several policies, one after the other.
//!
//! Each run is a process of its own, so that one policy's memory, threads and connections do not
//! touch the next one's, and each can be repeated by itself.

mod capacity;
mod child;
mod folder;
mod machine;
mod plan;

use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow};

use self::child::{Children, Ended};
use self::folder::{Folder, TRACE};
use self::plan::Plan;
use super::args::CompareArgs;
use super::output::{print, print_error, print_message};
use super::{logging, trace_file};
use crate::compare::{Compared, Comparison, Round, page, picture, table};

/// Runs the command. `typed` is the command line after `compare`, without timely's part.
pub(super) fn compare(args: &CompareArgs, typed: &[String]) -> Result<()> {
    logging::init(args.run.log.as_deref())?;
    let mut plan = Plan::new(args, typed)?;
    let children = Children::new().context("cannot listen for signals")?;
    let folder = Folder::prepare(args.report.clone(), args.run.overwrite)?;
    if let Some(file) = args.run.events.rates.shape.trace()
        && let Some(text) = trace_file::text_of_pipe(file)
    {
        folder.write(TRACE, text.as_bytes())?;
        plan.read_trace_from(file, &folder.path(TRACE));
    }
    print_error(&plan);
    let mut comparison = plan.comparison();
    let failed = run_all(&plan, &folder, &children, &mut comparison);
    let failed = match failed {
        Ok(()) => None,
        Err(error) => {
            comparison.incomplete = Some(format!("{error:#}"));
            Some(error)
        }
    };
    comparison.policies.retain(|compared| !compared.rounds.is_empty());
    if children.stopped() {
        comparison.incomplete = Some("it was stopped by a signal".to_owned());
        print_message("stopped; what was finished is reported");
    }
    let mut printed = Ok(());
    if !comparison.policies.is_empty() {
        comparison.compare_with_optimum();
        let html = page(&comparison).map_err(|error| anyhow!("cannot draw the report: {error}"))?;
        folder.write("report.html", html.as_bytes())?;
        let picture = picture(&comparison);
        if let Some(svg) = picture.map_err(|error| anyhow!("cannot draw the picture: {error}"))? {
            folder.write("burst.svg", svg.as_bytes())?;
        }
        let json = serde_json::to_vec_pretty(&comparison.json())?;
        folder.write("compare.json", &json)?;
        printed = print(&render(&comparison, &folder));
    } else {
        folder.remove_unused();
    }
    if children.aborted() {
        return Err(anyhow!("ended by a second signal"));
    }
    failed.map_or(printed, Err)
}

/// Runs every policy in each round, so that all of them meet whatever else the machine does meanwhile.
fn run_all(
    plan: &Plan,
    folder: &Folder,
    children: &Children,
    comparison: &mut Comparison,
) -> Result<()> {
    let summary_of_last = folder.run_file("warm-up", "summary.json");
    if let Some(args) = plan.warm_up(&summary_of_last) {
        print_error("a run to warm up, which does not count");
        let ended = children.run(&args)?;
        if ended == Ended::Stopped {
            return Ok(());
        }
        if let Some(why) = ended.failed(&summary_of_last) {
            return Err(anyhow!("the run to warm up failed: {why}"));
        }
        folder.remove(&summary_of_last);
    }
    let all = plan.rounds * plan.policies.len();
    for round in 1..=plan.rounds {
        for (index, policy) in plan.policies.iter().enumerate() {
            let number = (round - 1) * plan.policies.len() + index + 1;
            print_error(format_args!("{} ({number} of {all})", policy.name));
            let name = format!("{}-{round}", policy.name);
            let summary = folder.run_file(&name, "summary.json");
            let series = folder.run_file(&name, "series.jsonl");
            let ended = children.run(&plan.run(policy, &summary, &series))?;
            if ended == Ended::Stopped {
                return Ok(());
            }
            let run = format!(
                "the run under the policy {} (round {round} of {})",
                policy.name, plan.rounds
            );
            if let Some(why) = ended.failed(&summary) {
                return Err(anyhow!("{run} failed: {why}"));
            }
            let read = Round::read(&summary, &series).with_context(|| run)?;
            comparison.policies[index].rounds.push(read);
        }
    }
    Ok(())
}

impl Plan {
    /// Returns the comparison before there are runs.
    fn comparison(&self) -> Comparison {
        let compared = |policy: &plan::PolicyRun| Compared {
            policy: policy.name.clone(),
            command: policy.command.clone(),
            rounds: Vec::new(),
        };
        Comparison {
            command: self.command.clone(),
            policies: self.policies.iter().map(compared).collect(),
            rounds: self.rounds,
            deadline_ms: self.deadline.as_secs_f64() * 1e3,
            threshold: self.threshold,
            burst: self.burst.clone(),
            incomplete: None,
            provenance: machine::describe(),
        }
    }
}

/// Returns the table, and where the other results are, for standard output.
fn render(comparison: &Comparison, folder: &Folder) -> String {
    let mut out = table(comparison);
    let of = if comparison.burst.is_empty() { "the whole run" } else { "the burst" };
    let _ = writeln!(out, "latency   of the records of {of}; cost in US dollars");
    if let Some(about) = comparison.about_optimum() {
        let _ = writeln!(out, "optimum   {about}");
    }
    let _ = writeln!(out, "made      {}", comparison.provenance);
    if let Some(why) = &comparison.incomplete {
        let _ = writeln!(out, "incomplete: {why}; policies that were not run are not compared");
    }
    if let Some(choice) = comparison.choice() {
        let _ = writeln!(out, "choose    {}: {}", choice.policy, choice.why);
    }
    let _ = writeln!(out, "report    {}", folder.path("report.html").display());
    out
}
