//! Tasks: what is computed, with the same answer on a worker and in a function.
//!
//! A [`Task`] turns the records of a range of a batch into results, one each, or into a verdict
//! that the record is bad. It is pure: the operator may run it at home, send it away, or both.
//! Nothing here knows timely or tokio.

#[cfg(feature = "bpe")]
mod bpe;
mod function;
mod modelled;
mod text;
mod words;
mod work;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::batch::Records;
use crate::wire::Slots;

#[cfg(feature = "bpe")]
pub use bpe::Bpe;
pub use function::{Function, Values, function};
pub use modelled::Modelled;
pub use text::{NAMES, TextTask, text};
pub use words::{RANGES, Words, all_words_portable, ranges};
pub use work::{Work, WorkError};

/// Why a record is bad: a stable code, lower case with underscores.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub Cow<'static, str>);

impl Code {
    /// The record is not valid UTF-8.
    pub const INVALID_UTF8: Code = Code(Cow::Borrowed("invalid_utf8"));
    /// The record is longer than `--max-record`.
    pub const TOO_LONG: Code = Code(Cow::Borrowed("too_long"));
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record that only the dead letters are for, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad<R> {
    /// The record.
    pub record: R,
    /// Why it is bad.
    pub code: Code,
}

/// What is computed of each record.
pub trait Task: Send + Sync + 'static {
    /// Batches of input.
    type In: Records;
    /// Batches of results.
    type Out: Default + Clone + Send + 'static;
    /// The `results` array of a function's answer as it is parsed, before each value is given to
    /// its record: flat for text, a `Vec` for typed results.
    type Answers: DeserializeOwned + Send;

    /// The task's name on the wire.
    fn name(&self) -> &str;

    /// An empty batch of results for the records of `range`.
    fn results(&self, input: &Self::In, range: &Range<usize>) -> Self::Out;

    /// Appends the results of the records of `range` to `out` in order; a bad record has none and
    /// stands in `bad` by its position in `input`.
    fn compute(
        &self,
        input: &Self::In,
        range: Range<usize>,
        out: &mut Self::Out,
        bad: &mut Vec<(usize, Code)>,
    );

    /// How many values `answers` holds.
    fn answered(&self, answers: &Self::Answers) -> usize;

    /// Appends to `out` the values of `answers` that `slots` gives to the records of `range`,
    /// in order. A record without a slot is passed over; a slot is taken once.
    fn assemble(
        &self,
        input: &Self::In,
        range: Range<usize>,
        answers: &mut Self::Answers,
        slots: &Slots<'_>,
        out: &mut Self::Out,
    );

    /// Whether values have the form that results must have, whatever they are: an answer in which they
    /// have not is not believed.
    fn are_well_formed(&self, answers: &Self::Answers) -> bool {
        let _ = answers;
        true
    }

    /// Whether result `index` of `results` is the one result in `one`: the same record, computed by
    /// another. For `--verify`.
    fn is_same(&self, results: &Self::Out, index: usize, one: &Self::Out) -> bool;

    /// The version of the function that computes the same, such as `0.1.0`: an answer of one that differs in
    /// its first number that is not 0, or before it, is not believed. An answer that names no version is. Any
    /// will do without one, which is the default.
    fn needs_version(&self) -> Option<&str> {
        None
    }

    /// Modelled extra cost of a record (`--work`), which the local Lambda sleeps and a worker
    /// burns by itself inside [`Task::compute`].
    fn work(&self) -> Duration {
        Duration::ZERO
    }
}

impl<K: Task + ?Sized> Task for Arc<K> {
    type In = K::In;
    type Out = K::Out;
    type Answers = K::Answers;

    fn name(&self) -> &str {
        (**self).name()
    }

    fn results(&self, input: &K::In, range: &Range<usize>) -> K::Out {
        (**self).results(input, range)
    }

    fn compute(
        &self,
        input: &K::In,
        range: Range<usize>,
        out: &mut K::Out,
        bad: &mut Vec<(usize, Code)>,
    ) {
        (**self).compute(input, range, out, bad);
    }

    fn answered(&self, answers: &K::Answers) -> usize {
        (**self).answered(answers)
    }

    fn assemble(
        &self,
        input: &K::In,
        range: Range<usize>,
        answers: &mut K::Answers,
        slots: &Slots<'_>,
        out: &mut K::Out,
    ) {
        (**self).assemble(input, range, answers, slots, out);
    }

    fn are_well_formed(&self, answers: &K::Answers) -> bool {
        (**self).are_well_formed(answers)
    }

    fn is_same(&self, results: &K::Out, index: usize, one: &K::Out) -> bool {
        (**self).is_same(results, index, one)
    }

    fn needs_version(&self) -> Option<&str> {
        (**self).needs_version()
    }

    fn work(&self) -> Duration {
        (**self).work()
    }
}
