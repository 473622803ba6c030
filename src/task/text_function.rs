//! A task on text that a function computes, in whatever language it is.

use std::ops::Range;

use super::text::{assemble_text, is_one_line_each, is_same_text};
use super::{Code, Task};
use crate::batch::{Batch, Strings};
use crate::wire::Slots;

/// A task that processes of a function compute: here, and on AWS Lambda.
#[derive(Clone, Debug)]
pub struct TextFunction {
    name: String,
}

impl TextFunction {
    /// Creates the task with this name on the wire.
    pub fn new(name: impl Into<String>) -> Self {
        TextFunction { name: name.into() }
    }
}

impl Task for TextFunction {
    type In = Batch;
    type Out = Batch;
    type Answers = Strings;

    fn name(&self) -> &str {
        &self.name
    }

    fn results(&self, input: &Batch, range: &Range<usize>) -> Batch {
        input.for_results(range, 1)
    }

    fn compute(&self, _: &Batch, range: Range<usize>, _: &mut Batch, bad: &mut Vec<(usize, Code)>) {
        refuse_all(range, bad);
    }

    fn answered(&self, answers: &Strings) -> usize {
        answers.len()
    }

    fn are_well_formed(&self, answers: &Strings) -> bool {
        is_one_line_each(answers)
    }

    fn is_same(&self, results: &Batch, index: usize, one: &Batch) -> bool {
        is_same_text(results, index, one)
    }

    fn show(&self, results: &Batch, index: usize) -> String {
        results.strings.text(index).to_owned()
    }

    fn assemble(
        &self,
        input: &Batch,
        range: Range<usize>,
        answers: &mut Strings,
        slots: &Slots<'_>,
        out: &mut Batch,
    ) {
        assemble_text(input, range, answers, slots, out);
    }
}

/// Refuses records. Nothing computes them on a worker's thread.
pub(super) fn refuse_all(range: Range<usize>, bad: &mut Vec<(usize, Code)>) {
    bad.extend(range.map(|position| (position, Code("not_computed_here".into()))));
}
