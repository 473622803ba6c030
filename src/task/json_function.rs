//! A task on JSON values that a function computes, in whatever language it is.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{assemble_text, is_same_text};
use super::text_function::refuse_all;
use super::{Code, Task};
use crate::batch::{Batch, JsonBatch, Strings, push_json_string};
use crate::wire::Slots;

/// A task whose records and results are any JSON values. A result becomes a line of JSON, which is the same whatever
/// spaces the function puts into its answer.
#[derive(Clone, Debug)]
pub struct JsonFunction {
    name: String,
}

impl JsonFunction {
    /// Creates the task with this name on the wire.
    pub fn new(name: impl Into<String>) -> Self {
        JsonFunction { name: name.into() }
    }
}

/// The values of a response, each as JSON without spaces.
pub struct JsonTexts(Strings);

impl<'de> Deserialize<'de> for JsonTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;

        impl<'de> Visitor<'de> for Values {
            type Value = JsonTexts;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of results")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<JsonTexts, A::Error> {
                let mut texts = Strings::default();
                while let Some(value) = values.next_element::<Box<RawValue>>()? {
                    compact(value.get(), texts.buffer()).map_err(serde::de::Error::custom)?;
                    texts.end_string();
                }
                Ok(JsonTexts(texts))
            }
        }

        deserializer.deserialize_seq(Values)
    }
}

/// Appends a valid JSON value without spaces, and with one form of each string. Numbers and the order of keys stay as
/// they are: a number may have more digits than any type of ours.
fn compact(json: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut rest = json;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => string_length(rest),
            ' ' | '\t' | '\n' | '\r' => 1,
            _ => rest.find(['"', ' ', '\t', '\n', '\r']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        match next {
            '"' => push_json_string(out, serde_json::from_str::<String>(token)?.as_bytes()),
            ' ' | '\t' | '\n' | '\r' => {}
            _ => out.extend_from_slice(token.as_bytes()),
        }
        rest = after;
    }
    Ok(())
}

/// Returns the length of the JSON string with which `json` begins, quotes included.
fn string_length(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(json.len(), |end| end + 2)
}

impl Task for JsonFunction {
    type In = JsonBatch;
    type Out = Batch;
    type Answers = JsonTexts;

    fn name(&self) -> &str {
        &self.name
    }

    fn results(&self, input: &JsonBatch, range: &Range<usize>) -> Batch {
        input.0.for_results(range, 1)
    }

    fn compute(
        &self,
        _: &JsonBatch,
        range: Range<usize>,
        _: &mut Batch,
        bad: &mut Vec<(usize, Code)>,
    ) {
        refuse_all(range, bad);
    }

    fn answered(&self, answers: &JsonTexts) -> usize {
        answers.0.len()
    }

    fn is_same(&self, results: &Batch, index: usize, one: &Batch) -> bool {
        is_same_text(results, index, one)
    }

    fn show(&self, results: &Batch, index: usize) -> String {
        results.strings.text(index).to_owned()
    }

    fn assemble(
        &self,
        input: &JsonBatch,
        range: Range<usize>,
        answers: &mut JsonTexts,
        slots: &Slots<'_>,
        out: &mut Batch,
    ) {
        assemble_text(&input.0, range, &answers.0, slots, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Answer;

    #[test]
    fn a_result_is_one_line_of_json_whatever_the_answers_spaces_are() {
        let task = JsonFunction::new("prices");
        let json = r#"{"v":1,"task":"prices","results":[ {"b": 1,
            "a": ["x\n \u00fc\"", null]}, 12345678901234567890123, "te xt"],"ids":[0,2,1],"errors":[]}"#;
        let mut answer: Answer<'_, JsonTexts> = serde_json::from_str(json).unwrap();
        let slots = answer.check("prices", 3, task.answered(&answer.results)).unwrap();
        let input = JsonBatch(["1", "2", "3"].into_iter().collect());
        let mut out = task.results(&input, &(0..3));
        task.assemble(&input, 0..3, &mut answer.results, &slots, &mut out);
        let lines: Vec<&str> = (0..3).map(|index| out.strings.text(index)).collect();
        let first = r#"{"b":1,"a":["x\n ü\"",null]}"#;
        assert_eq!(lines, [first, r#""te xt""#, "12345678901234567890123"]);
    }
}
