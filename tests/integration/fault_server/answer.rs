//! The answer to a request, right or wrong in one way.

use serde_json::{Value, json};

use super::Weather;

/// An answer as the wire describes it.
pub(super) struct Answer {
    version: u32,
    task: &'static str,
    results: Vec<String>,
    ids: Vec<usize>,
    errors: Vec<Value>,
}

impl Answer {
    /// The right answer to `words`.
    pub(super) fn to(records: &[String]) -> Answer {
        Answer {
            version: 1,
            task: "words",
            results: records.iter().map(|record| words(record)).collect(),
            ids: (0..records.len()).collect(),
            errors: Vec::new(),
        }
    }

    /// Makes the one thing wrong that the weather says.
    pub(super) fn spoil(&mut self, weather: Weather) {
        match weather {
            Weather::OtherOrder => {
                self.results.reverse();
                self.ids.reverse();
            }
            Weather::Errors => {
                let mut ids = Vec::new();
                // By what the record is, not by where in a request it stands.
                let is_refused =
                    |result: &str| result.bytes().map(u32::from).sum::<u32>().is_multiple_of(5);
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
            Weather::OtherVersion => self.version = 2,
            Weather::OtherTask => self.task = "bpe",
            Weather::UnknownId => {
                self.ids.pop();
                self.ids.push(self.results.len());
            }
            Weather::Missing => {
                self.results.pop();
                self.ids.pop();
            }
            Weather::Doubled => {
                self.results.push(self.results.first().cloned().unwrap_or_default());
                self.ids.push(0);
            }
            Weather::LineBreak(end) => {
                if let Some(first) = self.results.first_mut() {
                    first.push_str(end);
                }
            }
            Weather::TooMany => self.results.push("one more".to_owned()),
            Weather::WrongResults => match &mut self.results[..] {
                [] => {}
                // One alone has nobody to swap with.
                [only] => only.push_str(" wrong"),
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

/// A record's words, for text that is ASCII, with single spaces between them.
fn words(record: &str) -> String {
    let words = record.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
