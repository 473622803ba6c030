//! A task on JSON values that a function computes, in whatever language it is.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::text::assemble_text;
use super::text_function::refuse_all;
use super::{Code, Task};
use crate::batch::{Batch, JsonBatch, Strings};
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
                while let Some(value) = values.next_element::<Value>()? {
                    serde_json::to_writer(texts.buffer(), &value)
                        .map_err(serde::de::Error::custom)?;
                    texts.end_string();
                }
                Ok(JsonTexts(texts))
            }
        }

        deserializer.deserialize_seq(Values)
    }
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
        one.len() == 1 && results.strings.get(index) == one.strings.get(0)
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
            "a": ["x\n", null]}, 2.50, "text"],"ids":[0,2,1],"errors":[]}"#;
        let mut answer: Answer<'_, JsonTexts> = serde_json::from_str(json).unwrap();
        let slots = answer.check("prices", 3, task.answered(&answer.results)).unwrap();
        let input = JsonBatch(["1", "2", "3"].into_iter().collect());
        let mut out = task.results(&input, &(0..3));
        task.assemble(&input, 0..3, &mut answer.results, &slots, &mut out);
        let lines: Vec<&str> = (0..3).map(|index| out.strings.text(index)).collect();
        assert_eq!(lines, [r#"{"a":["x\n",null],"b":1}"#, r#""text""#, "2.5"]);
    }
}
