//! The features of a run: the rows of the matrix.

use floodway::policy::{POLICIES, Sends, Spec};
use floodway::task;
use serde_json::Value;

/// What a run makes: the options that its output depends on.
#[derive(Clone)]
pub struct Output {
    /// The name of its state in `tests/golden/state`.
    pub name: &'static str,
    pub options: Vec<&'static str>,
    /// What follows `files:DIR`.
    pub sink: &'static str,
}

/// A row of the matrix.
pub struct Feature {
    pub name: String,
    pub output: Output,
    pub policy: &'static Spec,
    /// The options that change nothing in the output.
    pub options: Vec<&'static str>,
    /// Whether the summary of a run shows the feature at work.
    pub shows: fn(&Value) -> bool,
}

/// The task of all features but those of tasks.
const WORDS: &str = "words";

/// What all other features have of what the help lists.
pub const USUAL: [&str; 2] = ["source nexmark", "sink files:DIR"];

/// Nexmark events for 0.3 s.
const EVENTS: [&str; 8] =
    ["--rate", "10k", "--duration", "300ms", "--epoch", "10ms", "--seed", "7"];
/// Lines of three files that take as long, some of them no text.
const LINES: [&str; 8] =
    ["--source", "lines:logs/*", "--rate", "10k", "--epoch", "10ms", "--dead-letter", "dead.jsonl"];
const STDIN: [&str; 6] = ["--source", "lines:-", "--rate", "10k", "--epoch", "10ms"];

impl Output {
    fn new(name: &'static str, options: &[&'static str]) -> Output {
        Output { name, options: options.to_vec(), sink: "" }
    }

    /// Events, with more options.
    fn of_events(name: &'static str, more: &[&'static str]) -> Output {
        Output::new(name, &[&EVENTS[..], more].concat())
    }

    /// The words of events.
    fn words() -> Output {
        Output::of_events(WORDS, &[])
    }

    fn sink(mut self, sink: &'static str) -> Output {
        self.sink = sink;
        self
    }

    /// The name of its task.
    pub fn task(&self) -> &'static str {
        let after = self.options.iter().skip_while(|option| **option != "--task").nth(1);
        after.copied().unwrap_or(WORDS)
    }

    pub fn reads_stdin(&self) -> bool {
        self.options.contains(&"lines:-")
    }

    pub fn has_dead_letters(&self) -> bool {
        self.options.contains(&"--dead-letter")
    }
}

/// All features. A new one is a line here.
pub fn features() -> Vec<Feature> {
    let (remote, late) = (policy(Sends::Always), policy(Sends::Late));
    let policies = POLICIES
        .iter()
        .map(|policy| Feature::new(format!("policy {}", policy.name), policy, Output::words()));
    let tasks = task::NAMES.iter().filter(|task| **task != WORDS).map(|task| {
        let output = Output::of_events(task, &["--task", task]);
        Feature::new(format!("task {task}"), remote, output)
    });
    let of_output = |name: &str, output| Feature::new(name.to_owned(), remote, output);
    let of_options = |name: &str, policy, options: &[&'static str], shows| {
        let feature = Feature::new(name.to_owned(), policy, Output::words());
        Feature { options: [&feature.options[..], options].concat(), shows, ..feature }
    };
    let dead = ["--max-record", "150", "--dead-letter", "dead.jsonl"];
    let others = [
        of_output("source lines:PATH", Output::new("lines", &LINES)),
        of_output("source lines:- (standard input)", Output::new("stdin", &STDIN)),
        of_output("format JSON lines", Output::words().named("jsonl").sink("?format=jsonl")),
        of_output("compressed", Output::words().named("zstd").sink("?compress=zstd&roll_size=20k")),
        of_output("dead letters", Output::of_events("dead", &dead)),
        of_options("budget", remote, &["--budget-total", "0.000008"], |summary| {
            summary["over_budget_ms"].as_f64() > Some(0.0)
        }),
        of_options("verify", remote, &["--verify", "100%"], |summary| {
            count(summary, "verified") > 0
        }),
        of_options("peers", late, &["--skew", "100%"], |summary| {
            count(summary, "records_peer") > 0
        }),
        of_options("shadow", late, &["--shadow"], |summary| count(summary, "attempts") == 0),
    ];
    policies.chain(tasks).chain(others).collect()
}

/// The first policy that sends in this way.
fn policy(sends: Sends) -> &'static Spec {
    POLICIES.iter().find(|policy| policy.sends == sends).expect("there is one")
}

fn count(summary: &Value, field: &str) -> u64 {
    summary[field].as_u64().unwrap_or(0)
}

impl Output {
    fn named(mut self, name: &'static str) -> Output {
        self.name = name;
        self
    }
}

impl Feature {
    /// The policy with options with which it sends some of the input, or all.
    fn new(name: String, policy: &'static Spec, output: Output) -> Feature {
        let options: &[&str] = match policy.sends {
            Sends::Nothing | Sends::Always => &[],
            Sends::AboveThreshold => &["--threshold", "3k"],
            // A worker does 5,000 of these a second.
            Sends::Late => &["--deadline", "30ms", "--work", "200us", "--batch", "50"],
        };
        let shows: fn(&Value) -> bool = match policy.sends {
            Sends::Nothing => |summary| count(summary, "attempts") == 0,
            _ => |summary| count(summary, "records_remote") > 0,
        };
        let options = [&["--policy", policy.name], options].concat();
        Feature { name, output, policy, options, shows }
    }

    pub fn sends(&self) -> bool {
        self.policy.needs_remote() && !self.is_shadow()
    }

    /// Whether a run can be resumed.
    pub fn resumes(&self) -> bool {
        !self.output.reads_stdin() && !self.is_shadow()
    }

    fn is_shadow(&self) -> bool {
        self.options.contains(&"--shadow")
    }
}
