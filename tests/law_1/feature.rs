//! A feature of a run: a row of the matrix.

use floodway::policy::{POLICIES, Sends, Spec};
use serde_json::Value;

use super::sink::{Files, MakeSink, Sink};

/// What a run makes: the options that its output depends on.
#[derive(Clone)]
pub struct Output {
    /// The name of its state in `tests/golden/state`.
    pub name: &'static str,
    pub options: Vec<&'static str>,
    /// What follows `files:DIR`.
    pub format: &'static str,
}

/// A row of the matrix.
pub struct Feature {
    pub name: String,
    pub output: Output,
    pub policy: &'static Spec,
    /// The options that change nothing in the output.
    pub options: Vec<&'static str>,
    /// What makes the destination of each run, if the output is not written to files.
    pub sink: Option<MakeSink>,
    /// Whether the summary of a run shows the feature at work.
    pub shows: fn(&Value) -> bool,
}

/// Nexmark events for 0.3 s.
const EVENTS: [&str; 8] =
    ["--rate", "10k", "--duration", "300ms", "--epoch", "10ms", "--seed", "7"];

impl Output {
    pub fn new(name: &'static str, options: &[&'static str]) -> Output {
        Output { name, options: options.to_vec(), format: "" }
    }

    /// Events, with more options.
    pub fn of_events(name: &'static str, more: &[&'static str]) -> Output {
        Output::new(name, &[&EVENTS[..], more].concat())
    }

    /// The words of events.
    pub fn words() -> Output {
        Output::of_events(Output::WORDS, &[])
    }

    /// The task of all outputs that name none.
    pub const WORDS: &'static str = "words";

    /// The same in another format: what follows `files:DIR`.
    pub fn format(self, name: &'static str, format: &'static str) -> Output {
        Output { name, format, ..self }
    }

    /// The name of its task.
    pub fn task(&self) -> &'static str {
        let after = self.options.iter().skip_while(|option| **option != "--task").nth(1);
        after.copied().unwrap_or(Output::WORDS)
    }

    /// Whether its input has this prefix.
    fn reads(&self, prefix: &str) -> bool {
        self.options.iter().any(|option| option.starts_with(prefix))
    }

    pub fn reads_lines(&self) -> bool {
        self.reads("lines:")
    }

    pub fn reads_stdin(&self) -> bool {
        self.reads("lines:-")
    }

    pub fn has_dead_letters(&self) -> bool {
        self.options.contains(&"--dead-letter")
    }

    /// Files with the output, in this folder.
    pub fn files(&self, folder: &'static str) -> Files {
        Files { folder, options: self.format }
    }
}

/// The first policy that sends in this way.
pub fn policy(sends: Sends) -> &'static Spec {
    POLICIES.iter().find(|policy| policy.sends == sends).expect("there is one")
}

/// A count in a summary.
pub fn count(summary: &Value, field: &str) -> u64 {
    summary[field].as_u64().unwrap_or(0)
}

impl Feature {
    /// The policy with options with which it sends some of the input, or all.
    pub fn new(name: impl Into<String>, policy: &'static Spec, output: Output) -> Feature {
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
        Feature { name: name.into(), output, policy, options, sink: None, shows }
    }

    /// The same with more options, which change nothing in the output.
    pub fn with(self, options: &[&'static str]) -> Feature {
        Feature { options: [&self.options[..], options].concat(), ..self }
    }

    /// The same if the summary shows the feature otherwise.
    pub fn seen(self, shows: fn(&Value) -> bool) -> Feature {
        Feature { shows, ..self }
    }

    /// The same with another destination.
    pub fn to(self, sink: impl Fn() -> Box<dyn Sink> + Send + Sync + 'static) -> Feature {
        Feature { sink: Some(std::sync::Arc::new(sink)), ..self }
    }

    /// Makes the destination of a run.
    pub fn make_sink(&self) -> Box<dyn Sink> {
        match &self.sink {
            Some(make) => make(),
            None => Box::new(self.output.files("out")),
        }
    }

    pub fn sends(&self) -> bool {
        self.policy.needs_remote() && !self.is_shadow()
    }

    /// Whether a run can be resumed.
    pub fn resumes(&self) -> bool {
        !self.output.reads_stdin() && !self.is_shadow()
    }

    /// Whether a topic is its input or its destination.
    pub fn has_topic(&self) -> bool {
        self.output.reads("kafka:") || self.sink.is_some()
    }

    fn is_shadow(&self) -> bool {
        self.options.contains(&"--shadow")
    }
}
