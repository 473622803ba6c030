//! The built-in text tasks, by name.

use std::ops::Range;
use std::sync::Arc;

#[cfg(feature = "bpe")]
use super::Bpe;
use super::{Code, Modelled, Task, Words, Work};
use crate::batch::{Batch, Strings};
use crate::wire::Slots;

/// A task on flat batches of text.
pub type TextTask = Arc<dyn Task<In = Batch, Out = Batch, Answers = Strings>>;

/// What is specific to a text task.
pub(super) trait Tokenize: Send + Sync + 'static {
    /// Estimated bytes of tokens per byte of text.
    const FACTOR: usize;

    /// Returns its name on the wire.
    fn wire_name(&self) -> &'static str;

    /// Appends a line of tokens for each string of `range`.
    fn tokenize(&self, input: &Strings, range: Range<usize>, out: &mut Strings);
}

impl<K: Tokenize> Task for K {
    type In = Batch;
    type Out = Batch;
    type Answers = Strings;

    fn name(&self) -> &str {
        self.wire_name()
    }

    fn results(&self, input: &Batch, range: &Range<usize>) -> Batch {
        input.for_results(range, K::FACTOR)
    }

    fn compute(
        &self,
        input: &Batch,
        range: Range<usize>,
        out: &mut Batch,
        _: &mut Vec<(usize, Code)>,
    ) {
        out.numbers.extend_from(out.len(), &input.numbers, range.clone());
        self.tokenize(&input.strings, range, &mut out.strings);
    }

    fn answered(&self, answers: &Strings) -> usize {
        answers.len()
    }

    /// A line of tokens must be one line for every reader, including readers that end lines at `\r`.
    fn are_well_formed(&self, answers: &Strings) -> bool {
        is_one_line_each(answers)
    }

    fn is_same(&self, results: &Batch, index: usize, one: &Batch) -> bool {
        is_same_text(results, index, one)
    }

    fn show(&self, results: &Batch, index: usize) -> String {
        results.strings.text(index).to_owned()
    }

    /// The functions of a release have its version.
    fn needs_version(&self) -> Option<&str> {
        Some(env!("CARGO_PKG_VERSION"))
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

/// A task that writes a row of each line of text, or nothing.
#[derive(Clone, Debug)]
pub(crate) struct LineRows {
    /// The name on the wire.
    pub name: &'static str,
    /// Appends the row of a line.
    pub write: fn(&[u8], &mut Vec<u8>),
}

impl Tokenize for LineRows {
    const FACTOR: usize = 1;

    fn wire_name(&self) -> &'static str {
        self.name
    }

    fn tokenize(&self, input: &Strings, range: Range<usize>, out: &mut Strings) {
        for index in range {
            (self.write)(input.get(index), out.buffer());
            out.end_string();
        }
    }
}

/// Whether no value has a line break, so that each is one line for every reader.
pub(super) fn is_one_line_each(answers: &Strings) -> bool {
    memchr::memchr2(b'\n', b'\r', answers.bytes()).is_none()
}

/// Returns whether text `index` of `results` equals the only one in `one`.
pub(super) fn is_same_text(results: &Batch, index: usize, one: &Batch) -> bool {
    one.len() == 1 && results.strings.get(index) == one.strings.get(0)
}

/// Appends the values of a response to `out`: at once if they are in order, otherwise one by one.
pub(super) fn assemble_text(
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

/// The names of the text tasks, for [`text`].
pub const NAMES: &[&str] = &[
    DEFAULT,
    #[cfg(feature = "bpe")]
    "bpe",
];

/// The name of the task that is done if none is named.
pub const DEFAULT: &str = "words";

/// Returns the text task `name`, with the modelled extra time `work` per record.
pub fn text(name: &str, work: impl Into<Work>) -> Option<TextTask> {
    let work = work.into();
    let task: TextTask = match name {
        DEFAULT => Arc::new(Words),
        #[cfg(feature = "bpe")]
        "bpe" => Arc::new(Bpe::new()),
        _ => return None,
    };
    Some(if work.is_zero() { task } else { Arc::new(Modelled::new(task, work)) })
}
