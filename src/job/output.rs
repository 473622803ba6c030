//! What a dataflow commits.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;
use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::{Concat as _, Operator as _};
use timely::progress::Source;

use super::due_times::{DueTimes, PARSERS};
use super::{Job, Lines, csv};
use crate::batch::{Note, Span, TextRecord};
use crate::sink::{Beside, SinkError, SinkHandle, WriteLines, commit_lines, text_lines};
use crate::task::Bad;

/// What a dataflow commits: a stream of results, and the format of their lines. A [`Job`] makes it.
pub struct Output<'scope> {
    format: Option<&'static str>,
    is_last_stage: bool,
    /// What emits the results.
    results: Source,
    commit: Box<dyn FnOnce(Committing<'scope>) -> Stream<'scope, u64, Vec<()>> + 'scope>,
}

/// What an output is committed with.
pub(crate) struct Committing<'scope> {
    pub sink: SinkHandle,
    /// The lines that the source found to be bad.
    pub bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
    /// How far the source was read.
    pub notes: Option<Stream<'scope, u64, Vec<Note>>>,
    /// Called with the results of a dataflow without stages.
    pub observer: OutputObserver,
}

/// Called with results of an epoch, when they were scheduled, and their number.
type OutputObserver = Box<dyn FnMut(u64, Span, usize)>;

impl<'scope> Output<'scope> {
    /// Returns the format of the lines. None if the sink chooses it.
    pub(crate) fn format(&self) -> Option<&'static str> {
        self.format
    }

    /// Whether each result of the last stage is a line.
    pub(crate) fn is_last_stage(&self) -> bool {
        self.is_last_stage
    }

    /// Returns what emits the results.
    pub(super) fn results(&self) -> Source {
        self.results
    }

    /// Commits the output. The returned stream's frontier passes an epoch when it is committed.
    pub(crate) fn commit(self, with: Committing<'scope>) -> Stream<'scope, u64, Vec<()>> {
        (self.commit)(with)
    }
}

impl<'scope> Job<'scope> {
    /// Commits each text after the number of its line, in the format that the sink has: `NUMBER<TAB>TEXT`, or JSON
    /// lines.
    pub fn text(&mut self, results: Lines<'scope>) -> Output<'scope> {
        self.output(results, None, text_lines)
    }

    /// Commits each result as a line of JSON.
    pub fn json_lines<T: Serialize + Clone + 'static>(
        &mut self,
        results: Stream<'scope, u64, Vec<T>>,
    ) -> Output<'scope> {
        self.json_lines_by_key(results, |_, _| {})
    }

    /// Does the same as [`Job::json_lines`], and gives each line a key if the sink is a topic of Kafka: the text that
    /// `key` appends. Files have no keys.
    pub fn json_lines_by_key<T: Serialize + Clone + 'static>(
        &mut self,
        results: Stream<'scope, u64, Vec<T>>,
        key: impl FnMut(&T, &mut String) + 'static,
    ) -> Output<'scope> {
        self.output(results, Some("JSON lines"), |sink| {
            let mut key = Key::new(sink, key);
            move |results: &mut Vec<T>, out: &mut Vec<u8>| {
                results.drain(..).try_for_each(|result| {
                    key.write(&result, out)?;
                    serde_json::to_writer(&mut *out, &result).map_err(unwritable("JSON"))?;
                    out.push(b'\n');
                    Ok(())
                })
            }
        })
    }

    /// Commits each result as a line of CSV. If the result is a struct, each file begins with a header, which has the
    /// names of the fields. Tuples and single values have no header. A line break in a field ends the run with an
    /// error, because the output consists of lines.
    pub fn csv_lines<T: Serialize + Clone + 'static>(
        &mut self,
        results: Stream<'scope, u64, Vec<T>>,
    ) -> Output<'scope> {
        self.csv_lines_by_key(results, |_, _| {})
    }

    /// Does the same as [`Job::csv_lines`], and gives each line a key if the sink is a topic of Kafka: the text that
    /// `key` appends. Files have no keys, and messages have no header.
    pub fn csv_lines_by_key<T: Serialize + Clone + 'static>(
        &mut self,
        results: Stream<'scope, u64, Vec<T>>,
        key: impl FnMut(&T, &mut String) + 'static,
    ) -> Output<'scope> {
        self.output(results, Some("CSV"), |sink| {
            let (mut key, sink) = (Key::new(sink, key), sink.clone());
            let (mut lines, mut has_header) = (Vec::new(), false);
            move |results: &mut Vec<T>, out: &mut Vec<u8>| {
                if !std::mem::replace(&mut has_header, true) {
                    sink.set_header(csv::header(&results[0]).map_err(unwritable("CSV"))?);
                }
                lines.clear();
                csv::write(results, false, &mut lines).map_err(unwritable("CSV"))?;
                let mut rest = &lines[..];
                for result in results.drain(..) {
                    key.write(&result, out)?;
                    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                    out.extend_from_slice(&rest[..end]);
                    rest = &rest[end..];
                }
                let whole = rest.is_empty().then_some(());
                whole.ok_or("a field has a line break").map_err(unwritable("CSV"))
            }
        })
    }

    /// Commits changes of a collection as lines `EPOCH<TAB>DIFF<TAB>ROW`. Within an epoch, the changes of a row are
    /// those that the stream has: consolidate the collection, so that they do not depend on the number of workers.
    pub fn changes<D: Display + Clone + 'static, R: Display + Clone + 'static>(
        &mut self,
        changes: Stream<'scope, u64, Vec<(D, u64, R)>>,
    ) -> Output<'scope> {
        let changes = by_epoch(changes, self.host.first_epoch());
        self.output(changes, Some("changes"), |sink| {
            let mut key = Key::new(sink, |_, _| {});
            move |changes: &mut Vec<(D, u64, R)>, out: &mut Vec<u8>| {
                changes.drain(..).try_for_each(|change| {
                    key.write(&change, out)?;
                    let ((row, epoch, diff), begin) = (change, out.len());
                    writeln!(out, "{epoch}\t{diff}\t{row}").map_err(unwritable("a line"))?;
                    let line = &out[begin..out.len() - 1];
                    match memchr::memchr2(b'\n', b'\r', line) {
                        None => Ok(()),
                        Some(_) => Err(unwritable("a line")("the row has a line break")),
                    }
                })
            }
        })
    }

    /// Commits rows that are added or taken back, as [`Job::changes`] does. `rows` calls the function that it gets with the
    /// epoch, the difference and the text of each row of a container.
    pub(crate) fn row_changes<C: Container>(
        &mut self,
        results: Stream<'scope, u64, C>,
        rows: impl Fn(&mut C, &mut dyn FnMut(u64, isize, &[u8])) + 'static,
    ) -> Output<'scope> {
        self.output(results, Some("changes"), |sink| {
            let is_keyed = sink.is_keyed();
            // How the line begins of a row of this epoch with this difference, as most do.
            let (mut last, mut begin) = (None, Vec::new());
            move |results: &mut C, out: &mut Vec<u8>| {
                let mut is_whole = true;
                rows(results, &mut |epoch, difference, row| {
                    if last != Some((epoch, difference)) {
                        last = Some((epoch, difference));
                        // A message of a topic has no key.
                        let key = if is_keyed { "\t" } else { "" };
                        begin = format!("{key}{epoch}\t{difference}\t").into();
                    }
                    out.extend_from_slice(&begin);
                    out.extend_from_slice(row);
                    out.push(b'\n');
                    is_whole &= memchr::memchr2(b'\n', b'\r', row).is_none();
                });
                let whole = is_whole.then_some(());
                whole.ok_or("the row has a line break").map_err(unwritable("a line"))
            }
        })
    }

    fn output<C, L>(
        &mut self,
        results: Stream<'scope, u64, C>,
        format: Option<&'static str>,
        lines: impl FnOnce(&SinkHandle) -> L + 'scope,
    ) -> Output<'scope>
    where
        C: Container,
        L: WriteLines<C>,
    {
        let emitter = *results.name();
        let is_last_stage = self.are_last_results(emitter);
        let is_counted = self.has_stages();
        let due = self.due.clone();
        let (scope, bad) = (self.scope, std::mem::take(&mut self.bad));
        let state = std::mem::take(&mut self.state);
        let commit = move |with: Committing<'scope>| {
            let results = match is_counted {
                true => results,
                false => {
                    let consumer = due.add_consumer(vec![PARSERS]);
                    observed(results, due.clone(), consumer, with.observer)
                }
            };
            let lines = lines(&with.sink);
            let bad = bad.into_iter().fold(with.bad, |all, bad| all.concat(bad));
            let state = state.into_iter().fold(empty(scope), |all, state| all.concat(state));
            let beside = Beside { bad, state, notes: with.notes };
            let committed = commit_lines(results, beside, &with.sink, lines);
            forgetting(committed, due)
        };
        Output { format, is_last_stage, results: emitter, commit: Box::new(commit) }
    }
}

/// Writes the keys of lines if the sink has keys: a publisher takes the text before the first tab of a line as its key.
/// If this is empty, the message has no key.
struct Key<F> {
    is_keyed: bool,
    of: F,
    text: String,
}

impl<F> Key<F> {
    fn new<T>(sink: &SinkHandle, of: F) -> Self
    where
        F: FnMut(&T, &mut String),
    {
        Key { is_keyed: sink.is_keyed(), of, text: String::new() }
    }

    /// Writes the key of `result` and a tab, before its line.
    fn write<T>(&mut self, result: &T, out: &mut Vec<u8>) -> Result<(), SinkError>
    where
        F: FnMut(&T, &mut String),
    {
        if !self.is_keyed {
            return Ok(());
        }
        self.text.clear();
        (self.of)(result, &mut self.text);
        if memchr::memchr2(b'\t', b'\n', self.text.as_bytes()).is_some() {
            return Err(unwritable("a line")("its key has a tab or a line break"));
        }
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'\t');
        Ok(())
    }
}

fn unwritable<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    format: &'static str,
) -> impl Fn(E) -> SinkError {
    move |error| SinkError::Result { format, source: error.into() }
}

/// Emits each change at its own epoch, so that it is committed with it: differential dataflow emits the changes of several
/// epochs together, at the earliest of them. Leaves out those before the epoch `first`, which are those of restored
/// collections and committed already.
fn by_epoch<'scope, D: Clone + 'static, R: Clone + 'static>(
    changes: Stream<'scope, u64, Vec<(D, u64, R)>>,
    first: u64,
) -> Stream<'scope, u64, Vec<(D, u64, R)>> {
    changes.unary::<CapacityContainerBuilder<_>, _, _, _>(Pipeline, "ByEpoch", move |_, _| {
        let mut epochs: BTreeMap<u64, Vec<(D, u64, R)>> = BTreeMap::new();
        move |input, output| {
            input.for_each(|capability, changes| {
                let Some(&earliest) = capability.least() else { return };
                if earliest >= first && changes.iter().all(|(_, epoch, _)| *epoch == earliest) {
                    return output.session(&capability).give_container(changes);
                }
                for change in changes.drain(..).filter(|(_, epoch, _)| *epoch >= first) {
                    epochs.entry(change.1.max(earliest)).or_default().push(change);
                }
                while let Some((epoch, changes)) = epochs.pop_first() {
                    let capability = capability.delayed(&epoch, 0);
                    output.session(&capability).give_iterator(changes.into_iter());
                }
            });
        }
    })
}

/// Passes results on, and calls `observer` with them.
fn observed<'scope, C: Container>(
    results: Stream<'scope, u64, C>,
    due: DueTimes,
    consumer: usize,
    mut observer: OutputObserver,
) -> Stream<'scope, u64, C> {
    results.unary::<NoopBuilder<C>, _, _, _>(Pipeline, "Results", move |_, _| {
        move |input, output| {
            input.for_each(|capability, results| {
                if let Some(&epoch) = capability.least() {
                    let records = results.record_count().max(0) as usize;
                    due.of(consumer, epoch, records, &mut |records, span| {
                        observer(epoch, span, records)
                    });
                }
                output.session_with_builder(&capability).give_container(results);
            });
        }
    })
}

/// Forgets the schedules of committed epochs.
fn forgetting<'scope>(
    committed: Stream<'scope, u64, Vec<()>>,
    due: DueTimes,
) -> Stream<'scope, u64, Vec<()>> {
    committed.unary_frontier::<NoopBuilder<Vec<()>>, _, _, _>(Pipeline, "Forget", move |_, _| {
        move |(input, frontier), _| {
            input.for_each(|_, _| {});
            due.forget_before(frontier.frontier().first().copied().unwrap_or(u64::MAX));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sink::{Files, Settings};

    #[test]
    fn lines_have_keys_where_the_sink_has_keys_and_a_key_with_a_tab_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for is_keyed in [true, false] {
            let files = Files { keyed: is_keyed, ..Files::new(folder.path().join("out")) };
            crate::sink::prepare(&files.dir, true).unwrap();
            let failed = Arc::new(|error| panic!("{error}"));
            let sink = SinkHandle::start(Settings::new(files, 1, 0), failed).unwrap();
            let mut key = Key::new(&sink, |key: &&str, text: &mut String| text.push_str(key));
            let mut out = Vec::new();
            key.write(&"a", &mut out).unwrap();
            key.write(&"", &mut out).unwrap();
            assert_eq!(out, if is_keyed { &b"a\t\t"[..] } else { b"" });
            for wrong in ["a\tb", "a\nb"] {
                assert_eq!(key.write(&wrong, &mut out).is_err(), is_keyed);
            }
        }
    }
}
