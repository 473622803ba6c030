//! The answer to a request, right or wrong in one way.

use std::time::Duration;

use floodway::batch::Batch;
use floodway::task::{self, Task as _};
use serde_json::{Value, json};

use super::{Fault, Task};

/// An answer as the wire describes it.
pub(super) struct Answer {
    version: u32,
    task: &'static str,
    results: Vec<Value>,
    ids: Vec<usize>,
    errors: Vec<Value>,
}

impl Answer {
    /// The right answer to these records.
    pub(super) fn to(task: Task, records: &[Value]) -> Answer {
        Answer {
            version: 1,
            task: task.name(),
            results: records.iter().map(|record| task.result(record)).collect(),
            ids: (0..records.len()).collect(),
            errors: Vec::new(),
        }
    }

    /// Makes the one thing wrong that the fault says.
    pub(super) fn spoil(&mut self, fault: Fault) {
        match fault {
            Fault::OtherOrder => {
                self.results.reverse();
                self.ids.reverse();
            }
            Fault::Errors => {
                let mut ids = Vec::new();
                // By what the record is, not by where in a request it stands.
                let is_refused = |result: &Value| {
                    let bytes = result.as_str().unwrap_or_default().bytes();
                    bytes.map(u32::from).sum::<u32>().is_multiple_of(5)
                };
                for (id, result) in self.ids.drain(..).zip(std::mem::take(&mut self.results)) {
                    if is_refused(&result) {
                        self.errors.push(json!({ "id": id, "code": "no" }));
                    } else {
                        self.results.push(result);
                        ids.push(id);
                    }
                }
                self.ids = ids;
            }
            Fault::FirstRefused if !self.ids.is_empty() => {
                self.results.remove(0);
                self.errors.push(json!({ "id": self.ids.remove(0), "code": "no" }));
            }
            Fault::OtherVersion => self.version = 2,
            Fault::OtherTask => self.task = "bpe",
            Fault::UnknownId => {
                self.ids.pop();
                self.ids.push(self.results.len());
            }
            Fault::Missing => {
                self.results.pop();
                self.ids.pop();
            }
            Fault::Doubled => {
                self.results.push(self.results.first().cloned().unwrap_or_default());
                self.ids.push(0);
            }
            Fault::LineBreak(end) => {
                if let Some(Value::String(first)) = self.results.first_mut() {
                    first.push_str(end);
                }
            }
            Fault::TooMany => self.results.push("one more".into()),
            Fault::WrongResults => match &mut self.results[..] {
                [] => {}
                // One alone has nobody to swap with.
                [only] => *only = "wrong".into(),
                several => several.rotate_left(1),
            },
            _ => {}
        }
    }

    /// How many records it answers.
    pub(super) fn answered(&self) -> usize {
        self.results.len()
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "v": self.version,
            "task": self.task,
            "results": self.results,
            "ids": self.ids,
            "errors": self.errors,
        })
    }
}

impl Task {
    pub(super) fn name(self) -> &'static str {
        match self {
            Task::Words => "words",
            Task::Square => "square",
            Task::Text(name) => name,
        }
    }

    /// Whether this is one of its records.
    pub(super) fn takes(self, record: &Value) -> bool {
        match self {
            Task::Words => record.as_str().is_some_and(str::is_ascii),
            Task::Square => record.is_u64(),
            Task::Text(_) => record.is_string(),
        }
    }

    fn result(self, record: &Value) -> Value {
        match self {
            Task::Words => words(record.as_str().unwrap_or_default()).into(),
            Task::Square => record.as_u64().map(|number| number * number).into(),
            Task::Text(name) => text(name, record.as_str().unwrap_or_default()).into(),
        }
    }
}

/// What a text task makes of a record.
fn text(name: &str, record: &str) -> String {
    let task = task::text(name, Duration::ZERO).expect("a text task");
    let input: Batch = [record].into_iter().collect();
    let mut out = Batch::default();
    task.compute(&input, 0..1, &mut out, &mut Vec::new());
    out.strings.text(0).to_owned()
}

/// A record's words, for text that is ASCII, with single spaces between them.
fn words(record: &str) -> String {
    let words = record.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
