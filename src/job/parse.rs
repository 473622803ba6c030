//! Records from lines.

use serde::de::{DeserializeOwned, IgnoredAny};
use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::due_times::PARSERS;
use super::{Job, Lines};
use crate::batch::{Batch, JsonBatch, Records as _, TextRecord};
use crate::task::{Bad, Code, panics};
use crate::terminal::shorten;

/// Returns the code of a line that is not JSON of the expected form, with what is wrong in which column. There is one
/// line, so its number within the record says nothing.
pub(crate) fn invalid_json(error: &serde_json::Error) -> Code {
    let message = error.to_string().replace(" at line 1 column ", " at column ");
    Code::with_message("invalid_json", &message)
}

/// Makes a line of a batch a dead letter with a code.
pub(crate) type Refuse<'a> = dyn FnMut(&Batch, usize, Code) + 'a;

impl<'scope> Job<'scope> {
    /// Reads each line as a JSON value. A line that does not deserialize to `T` is a dead letter with the code
    /// `invalid_json`.
    pub fn json<T: DeserializeOwned + 'static>(
        &mut self,
        lines: Lines<'scope>,
    ) -> Stream<'scope, u64, Vec<T>> {
        let mut warn = warn_once(std::any::type_name::<T>());
        self.parse(lines, move |line| {
            serde_json::from_str(line).map_err(|error| warn(line, invalid_json(&error)))
        })
    }

    /// Computes a record from each line. A line for which `parse` returns a code is a dead letter.
    pub fn parse<T: 'static>(
        &mut self,
        lines: Lines<'scope>,
        mut parse: impl FnMut(&str) -> Result<T, Code> + 'static,
    ) -> Stream<'scope, u64, Vec<T>> {
        self.parse_lines(lines, move |lines, index| {
            let named = || ("the code that parses lines".to_owned(), lines.describe(index));
            panics::naming(named, || parse(lines.strings.text(index))).map(Some)
        })
    }

    /// Keeps the lines that are JSON values. Another one is a dead letter with the code `invalid_json`.
    pub(super) fn json_lines_only(
        &mut self,
        lines: Lines<'scope>,
    ) -> Stream<'scope, u64, JsonBatch> {
        let mut warn = warn_once("JSON value");
        let mut invalid = Vec::new();
        self.read(lines, move |_, lines, refuse| {
            for index in 0..lines.len() {
                let line = lines.strings.text(index);
                if let Err(error) = serde_json::from_str::<IgnoredAny>(line) {
                    refuse(lines, index, warn(line, invalid_json(&error)));
                    invalid.push(index);
                }
            }
            if invalid.is_empty() {
                return JsonBatch(std::mem::take(lines));
            }
            let mut kept = lines.for_results(&(0..lines.len()), 1);
            let mut from = 0;
            for end in invalid.drain(..).chain([lines.len()]) {
                kept.extend_from(lines, from..end);
                from = end + 1;
            }
            JsonBatch(kept)
        })
    }

    /// Computes a record from each line, which `parse` gets as a batch and an index. `parse` returns `None` for a line
    /// that has no record. A line for which it returns a code is a dead letter.
    pub(super) fn parse_lines<T: 'static>(
        &mut self,
        lines: Lines<'scope>,
        mut parse: impl FnMut(&Batch, usize) -> Result<Option<T>, Code> + 'static,
    ) -> Stream<'scope, u64, Vec<T>> {
        self.read_records(lines, move |lines, parsed, refuse| {
            parsed.reserve(lines.len());
            for index in 0..lines.len() {
                match parse(lines, index) {
                    Ok(record) => parsed.extend(record),
                    Err(code) => refuse(lines, index, code),
                }
            }
        })
    }

    /// Computes records from batches of lines. `read` appends those of a batch, and calls the function that it gets with
    /// each line that is bad.
    pub(crate) fn read_records<T: 'static>(
        &mut self,
        lines: Lines<'scope>,
        mut read: impl FnMut(&Batch, &mut Vec<T>, &mut Refuse<'_>) + 'static,
    ) -> Stream<'scope, u64, Vec<T>> {
        let due = self.due.clone();
        self.read(lines, move |epoch, lines, refuse| {
            let mut records = Vec::new();
            read(lines, &mut records, refuse);
            if !records.is_empty() {
                due.emitted(PARSERS, epoch, records.len(), lines.span);
            }
            records
        })
    }

    /// Computes a container from each batch of lines of an epoch. Its records have no schedule of their own, unless [`DueTimes`](super::due_times::DueTimes)
    /// has it. `read` calls the function that it gets with each line
    /// that is bad.
    pub(crate) fn read<C: Container>(
        &mut self,
        lines: Lines<'scope>,
        mut read: impl FnMut(u64, &mut Batch, &mut Refuse<'_>) -> C + 'static,
    ) -> Stream<'scope, u64, C> {
        let mut count_bad = self.host.parser();
        let mut builder = OperatorBuilder::new("Parse".to_owned(), self.scope);
        let mut input = builder.new_input(lines, Pipeline);
        let (records, records_stream) = builder.new_output::<C>();
        let (bad, bad_stream) = builder.new_output::<Vec<Bad<TextRecord>>>();
        let mut records = OutputBuilder::<_, NoopBuilder<C>>::from(records);
        let mut bad = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(bad);
        builder.build(move |capabilities| {
            drop(capabilities);
            move |_| {
                let (mut records, mut bad) = (records.activate(), bad.activate());
                input.for_each(|capability, lines| {
                    let Some(&epoch) = capability.least() else { return };
                    let mut refused = 0;
                    let mut made = read(epoch, lines, &mut |lines, index, code| {
                        let record = lines.record(index);
                        bad.session(&capability).give(Bad { record, code });
                        refused += 1;
                    });
                    if refused > 0 {
                        count_bad(refused);
                    }
                    if !made.is_empty() {
                        records.session_with_builder(&capability).give_container(&mut made);
                    }
                });
            }
        });
        self.bad.push(bad_stream);
        records_stream
    }
}

/// Returns a function that warns of the first line that is not of this kind, by the message of its code. It returns the
/// code.
pub(super) fn warn_once(kind: &'static str) -> impl FnMut(&str, Code) -> Code {
    const SHOWN: usize = 200;
    let mut is_first_bad = true;
    move |line, code| {
        if std::mem::take(&mut is_first_bad) {
            let (line, why) = (shorten(line, SHOWN), code.message().unwrap_or_default());
            tracing::warn!(
                "the line {line:?} is not a {kind}: {why}; it is a bad record, as are later ones"
            );
        }
        code
    }
}
