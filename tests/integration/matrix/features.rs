//! The features of a run that need no other program: rows of the matrix.

use floodway::policy::{POLICIES, Sends};
use floodway::task;

use crate::law_1::{Feature, Output, count, policy};

/// What all other features have of what the help lists.
pub const USUAL: [&str; 2] = ["source nexmark", "sink files:DIR"];

/// Lines of three files that take as long as the events, some of them no text.
const LINES: [&str; 8] =
    ["--source", "lines:logs/*", "--rate", "10k", "--epoch", "10ms", "--dead-letter", "dead.jsonl"];
const STDIN: [&str; 6] = ["--source", "lines:-", "--rate", "10k", "--epoch", "10ms"];

/// All features. A new one is a line here.
pub fn features() -> Vec<Feature> {
    let (remote, late) = (policy(Sends::Always), policy(Sends::Late));
    let policies = POLICIES
        .iter()
        .map(|policy| Feature::new(format!("policy {}", policy.name), policy, Output::words()));
    let tasks = task::NAMES.iter().filter(|task| **task != Output::WORDS).map(|task| {
        let output = Output::of_events(task, &["--task", task]);
        Feature::new(format!("task {task}"), remote, output)
    });
    let of_output = |name: &str, output| Feature::new(name, remote, output);
    let of_options = |name: &str, policy, options: &[&'static str]| {
        Feature::new(name, policy, Output::words()).with(options)
    };
    let dead = ["--max-record", "150", "--dead-letter", "dead.jsonl"];
    let others = [
        of_output("source lines:PATH", Output::new("lines", &LINES)),
        of_output("source lines:- (standard input)", Output::new("stdin", &STDIN)),
        of_output("format JSON lines", Output::words().format("jsonl", "?format=jsonl")),
        of_output("compressed", Output::words().format("zstd", "?compress=zstd&roll_size=20k")),
        of_output("dead letters", Output::of_events("dead", &dead)),
        of_options("budget", remote, &["--budget-total", "0.000008"])
            .seen(|summary| summary["over_budget_ms"].as_f64() > Some(0.0)),
        of_options("verify", remote, &["--verify", "100%"])
            .seen(|summary| count(summary, "verified") > 0),
        of_options("peers", late, &["--skew", "100%"])
            .seen(|summary| count(summary, "records_peer") > 0),
        of_options("shadow", late, &["--shadow"]).seen(|summary| count(summary, "attempts") == 0),
    ];
    policies.chain(tasks).chain(others).collect()
}
