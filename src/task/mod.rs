//! Tasks: what is computed for each record, with the same result on a worker and in a function.
//!
//! A [`Task`] computes one result for each record of a range of a batch, or a code that says why the record
//! is bad. It is pure: the operator may compute it on a worker, remotely, or both. This module uses neither
//! timely nor tokio.

mod aggregate;
#[cfg(feature = "bpe")]
mod bpe;
mod function;
mod json_function;
mod modelled;
pub(crate) mod panics;
mod text;
mod text_function;
mod words;
mod work;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::batch::Records;
use crate::terminal::shorten;
use crate::wire::Slots;

pub use aggregate::{Aggregate, PartialAnswers, Partials, Rows, aggregate, aggregate_text};
#[cfg(feature = "bpe")]
pub use bpe::Bpe;
pub use function::{Function, Values, function};
pub use json_function::{JsonFunction, JsonTexts};
pub use modelled::Modelled;
#[cfg(feature = "cli")]
pub(crate) use panics::{CodePanic, note_panic};
pub(crate) use text::LineRows;
pub use text::{DEFAULT, NAMES, TextTask, text};
pub use text_function::TextFunction;
pub use words::{RANGES, Words, all_words_portable, ranges};
pub use work::{Work, WorkError};

/// Why a record is bad: a stable code in lower case with underscores. A message for people may follow it, after a colon
/// and a space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub Cow<'static, str>);

impl Code {
    /// The record is not valid UTF-8.
    pub const INVALID_UTF8: Code = Code(Cow::Borrowed("invalid_utf8"));
    /// The record is longer than `--max-record`.
    pub const TOO_LONG: Code = Code(Cow::Borrowed("too_long"));

    /// Creates a code with a message, which becomes one line. It is cut off after 300 characters.
    ///
    /// # Examples
    /// ```
    /// use floodway::task::Code;
    ///
    /// let code = Code::with_message("no_price", "neither bid\nnor ask");
    /// assert_eq!((code.name(), code.message()), ("no_price", Some("neither bid nor ask")));
    /// assert_eq!((Code::TOO_LONG.name(), Code::TOO_LONG.message()), ("too_long", None));
    /// ```
    pub fn with_message(code: &str, message: &str) -> Code {
        /// The length of a longer message is not of use in a dead letter.
        const MESSAGE: usize = 300;
        let message = message.replace(['\n', '\r'], " ");
        Code(format!("{code}: {}", shorten(&message, MESSAGE)).into())
    }

    /// Returns the code without its message.
    pub fn name(&self) -> &str {
        self.0.split_once(": ").map_or(&*self.0, |(name, _)| name)
    }

    /// Returns the message, if there is one.
    pub fn message(&self) -> Option<&str> {
        self.0.split_once(": ").map(|(_, message)| message)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bad record and its code. It goes to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad<R> {
    /// The record.
    pub record: R,
    /// Why it is bad.
    pub code: Code,
}

/// The computation for each record.
pub trait Task: Send + Sync + 'static {
    /// Batches of input.
    type In: Records;
    /// Batches of results.
    type Out: Default + Clone + Send + 'static;
    /// The parsed `results` array of a function's response, before each value is assigned to its record: flat
    /// for text, a `Vec` for typed results.
    type Answers: DeserializeOwned + Send;

    /// Returns the task's name on the wire.
    fn name(&self) -> &str;

    /// Returns an empty batch for the results of the records of `range`.
    fn results(&self, input: &Self::In, range: &Range<usize>) -> Self::Out;

    /// Appends the results of the records of `range` to `out`, in order. A bad record has no result; its
    /// position in `input` and its code are added to `bad`.
    fn compute(
        &self,
        input: &Self::In,
        range: Range<usize>,
        out: &mut Self::Out,
        bad: &mut Vec<(usize, Code)>,
    );

    /// Returns the number of values in `answers`.
    fn answered(&self, answers: &Self::Answers) -> usize;

    /// Appends the values of `answers` for the records of `range` to `out`, in order. `slots` maps records to
    /// values. Records without a slot are left out, and each slot is taken once.
    fn assemble(
        &self,
        input: &Self::In,
        range: Range<usize>,
        answers: &mut Self::Answers,
        slots: &Slots<'_>,
        out: &mut Self::Out,
    );

    /// Returns whether the values have the form of results, whatever they are. Otherwise the response is
    /// invalid.
    fn are_well_formed(&self, answers: &Self::Answers) -> bool {
        let _ = answers;
        true
    }

    /// Returns whether result `index` of `results` equals the only result in `one`, which was computed
    /// elsewhere for the same record. It is used for `--verify`.
    fn is_same(&self, results: &Self::Out, index: usize, one: &Self::Out) -> bool;

    /// Completes results before they are emitted, on the worker that has received their records. `out` holds results of
    /// any side. The records that are bad are added to `bad`, by their positions among all records of `input`
    /// ([`Records::record`]). The default does nothing: it is for tasks whose records are
    /// [chunks](crate::batch::Chunks), of which some records may be bad and others not.
    fn finish(&self, input: &Self::In, out: &mut Self::Out, bad: &mut Vec<(usize, Code)>) {
        let _ = (input, out, bad);
    }

    /// Returns result `index` of `results` as text for an error. The default says that it cannot be shown.
    fn show(&self, results: &Self::Out, index: usize) -> String {
        let _ = (results, index);
        "a result that cannot be shown".to_owned()
    }

    /// Returns the version of the function that computes the same, such as `0.1.0`. A response is invalid if
    /// its version differs in the first number that is not 0, or before it. A response without a version is
    /// valid. None, which is the default, accepts any version.
    fn needs_version(&self) -> Option<&str> {
        None
    }

    /// Returns the modelled extra time of a record (`--work`). The local Lambda sleeps for it, and a worker
    /// spends it as CPU time in [`Task::compute`].
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

    fn finish(&self, input: &K::In, out: &mut K::Out, bad: &mut Vec<(usize, Code)>) {
        (**self).finish(input, out, bad);
    }

    fn show(&self, results: &K::Out, index: usize) -> String {
        (**self).show(results, index)
    }

    fn needs_version(&self) -> Option<&str> {
        (**self).needs_version()
    }

    fn work(&self) -> Duration {
        (**self).work()
    }
}
