//! The text tasks that come with Floodway, by name.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Bpe, Modelled, Task, Words};
use crate::batch::{Batch, Strings};
use crate::wire::Slots;

/// A task on flat batches of text.
pub type TextTask = Arc<dyn Task<In = Batch, Out = Batch, Answers = Strings>>;

/// The names that [`text`] knows.
pub const NAMES: [&str; 2] = ["words", "bpe"];

/// The text task `name`, ready to run, with `work` of modelled extra cost a record.
pub fn text(name: &str, work: Duration) -> Option<TextTask> {
    let task: TextTask = match name {
        "words" => Arc::new(Words),
        "bpe" => Arc::new(Bpe::new()),
        _ => return None,
    };
    Some(if work.is_zero() { task } else { Arc::new(Modelled::new(task, work)) })
}

/// Gives the values of an answer to the records they are of: as one copy where they stand in
/// order, one by one otherwise.
pub(super) fn assemble(
    input: &Batch,
    range: Range<usize>,
    answers: &Strings,
    slots: &Slots<'_>,
    out: &mut Batch,
) {
    if let Some(run) = slots.run(range.len()) {
        out.numbers.extend_from(out.len(), &input.numbers, range);
        out.strings.extend_from(answers, run);
        return;
    }
    for (index, position) in range.enumerate() {
        if let Some(slot) = slots.get(index) {
            out.numbers.extend_from(out.len(), &input.numbers, position..position + 1);
            out.strings.extend_from(answers, slot..slot + 1);
        }
    }
}
