//! The operators of the sink. They send lines to the writer thread and reports to the committer thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::{Receiver, bounded, unbounded};
use serde::{Deserialize, Serialize};
use timely::Container;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::operators::{Capability, Concat as _, InputCapability, Operator as _};

use super::committer::CommitRequest;
use super::outbox::PublishRequest;
use super::syncer::synced_channel;
use super::writer::{FinishedFile, Kind, WriterMessage};
use super::{Note, SinkError, SinkHandle, format};
use crate::batch::{Batch, TextRecord};
use crate::state_file::StateBlock;
use crate::task::Bad;

/// What a worker reports of a commit group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    files: Vec<FinishedFile>,
    /// The number of bad records, with a dead letter or without.
    bad: u64,
    /// The notes that sources attach to the commit.
    notes: Vec<Note>,
}

/// Adds [`CommitExt::commit_to`] to streams of results.
///
/// # Examples
/// This program writes the words of a text to a folder:
/// ```
/// use std::sync::Arc;
///
/// use floodway::batch::Batch;
/// use floodway::operators::{Burst, BurstExt};
/// use floodway::sink::{self, CommitExt, Files, Manifest, Settings, SinkHandle};
/// use floodway::task::Words;
/// use timely::container::NoopBuilder;
/// use timely::dataflow::InputHandle;
/// use timely::dataflow::operators::{Input, Probe};
///
/// # let folder = tempfile::tempdir()?;
/// let dir = folder.path().join("out");
/// sink::prepare(&dir, false)?;
/// let settings = Settings::new(Files::new(&dir), 1, 0);
/// let sink = SinkHandle::start(settings, Arc::new(|error| panic!("{error}")))?;
/// timely::execute_directly(move |worker| {
///     let mut input = InputHandle::<u64, NoopBuilder<Batch>>::new_with_builder();
///     let committed = worker.dataflow::<u64, _, _>(|scope| {
///         let (words, bad) = scope.input_from(&mut input).burst(Words, Burst::local());
///         words.commit_to(bad, &sink).probe().0
///     });
///     let mut batch = Batch::default();
///     batch.strings.push("To be, or not to be");
///     input.send_batch(&mut batch);
///     input.close();
///     worker.step_while(|| !committed.done());
/// });
/// let manifest = Manifest::read(&dir)?;
/// assert_eq!(manifest.records(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CommitExt<'scope> {
    /// Writes the results and the bad records, each once, and commits them group by group. The returned stream carries
    /// no data. Its frontier passes an epoch, on every worker, when the epoch is committed.
    fn commit_to(
        self,
        bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
        sink: &SinkHandle,
    ) -> Stream<'scope, u64, Vec<()>>;

    /// Does the same for a source that attaches notes to its epochs: the commit of an epoch passes its notes
    /// to [`Settings::positions`](super::Settings::positions).
    fn commit_with_notes(
        self,
        bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
        notes: Stream<'scope, u64, Vec<Note>>,
        sink: &SinkHandle,
    ) -> Stream<'scope, u64, Vec<()>>;
}

impl<'scope> CommitExt<'scope> for Stream<'scope, u64, Batch> {
    fn commit_to(
        self,
        bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
        sink: &SinkHandle,
    ) -> Stream<'scope, u64, Vec<()>> {
        let state = empty(self.scope());
        commit_lines(self, Beside { bad, state, notes: None }, sink, text_lines(sink))
    }

    fn commit_with_notes(
        self,
        bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
        notes: Stream<'scope, u64, Vec<Note>>,
        sink: &SinkHandle,
    ) -> Stream<'scope, u64, Vec<()>> {
        let state = empty(self.scope());
        commit_lines(self, Beside { bad, state, notes: Some(notes) }, sink, text_lines(sink))
    }
}

/// Appends the lines of a container of results to a buffer.
///
/// # Errors
/// If a result cannot be written.
pub(crate) trait WriteLines<C>:
    FnMut(&mut C, &mut Vec<u8>) -> Result<(), SinkError> + 'static
{
}

impl<C, F> WriteLines<C> for F where
    F: FnMut(&mut C, &mut Vec<u8>) -> Result<(), SinkError> + 'static
{
}

/// Returns the function that writes lines of text in the format of the sink's files.
pub(crate) fn text_lines(sink: &SinkHandle) -> impl WriteLines<Batch> + use<> {
    let format = sink.shared.settings.files.as_ref().map(|files| files.format);
    move |batch: &mut Batch, out: &mut Vec<u8>| {
        format::write(format.unwrap_or_default(), batch, out);
        Ok(())
    }
}

/// What is committed beside results.
pub(crate) struct Beside<'scope> {
    pub bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
    /// What stateful operators have merged.
    pub state: Stream<'scope, u64, Vec<StateBlock>>,
    /// What the source attaches to its epochs.
    pub notes: Option<Stream<'scope, u64, Vec<Note>>>,
}

/// Does what [`CommitExt`] says for results of any type, of which `lines` makes lines. A sink that keeps no results
/// does not call it.
pub(crate) fn commit_lines<'scope, C: Container>(
    results: Stream<'scope, u64, C>,
    beside: Beside<'scope>,
    sink: &SinkHandle,
    lines: impl WriteLines<C>,
) -> Stream<'scope, u64, Vec<()>> {
    let Beside { bad, state, notes } = beside;
    let mut reports = write(results, bad, state, sink.clone(), lines);
    if let Some(notes) = notes {
        reports = reports.concat(report(notes, sink.clone()));
    }
    commit(reports, sink.clone())
}

/// The number of bytes that are sent to the writer at once.
const BUFFER_BYTES: usize = 64 << 10;

/// The number of empty buffers that are kept for reuse.
const MAX_SPARE_BUFFERS: usize = 8;

/// A commit group with records from this worker.
struct Group {
    capability: Capability<u64>,
    /// By kind: the bytes that were not sent to the writer yet, and the records in them.
    buffers: [(Vec<u8>, u64); 2],
}

/// The handle through which a worker reaches the writer.
struct WriterHandle {
    sink: SinkHandle,
    from: usize,
    /// Buffers that the writer has emptied, for reuse.
    spare: Receiver<Vec<u8>>,
}

impl WriterHandle {
    fn buffer(&self) -> Vec<u8> {
        self.spare
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 4))
    }

    /// Sends the content of a group's buffer to the writer.
    fn flush(&self, group: u64, kind: Kind, (buffer, records): &mut (Vec<u8>, u64)) {
        if buffer.is_empty() {
            return;
        }
        let (bytes, from) = (std::mem::take(buffer), self.from);
        self.sink.shared.waiting.fetch_add(bytes.len() as u64, Relaxed);
        let records = std::mem::take(records);
        // The writer lives as long as its handles.
        let _ = self.sink.writer.send(WriterMessage::Append { group, kind, bytes, records, from });
    }
}

fn write<'scope, C: Container>(
    results: Stream<'scope, u64, C>,
    bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
    state: Stream<'scope, u64, Vec<StateBlock>>,
    sink: SinkHandle,
    mut lines: impl WriteLines<C>,
) -> Stream<'scope, u64, Vec<Report>> {
    let scope = results.scope();
    let mut builder = OperatorBuilder::new("Write".to_owned(), scope);
    let address = builder.operator_info().address;
    let mut results = builder.new_input(results, Pipeline);
    let mut bad = builder.new_input(bad, Pipeline);
    let mut state = builder.new_input(state, Pipeline);
    let (output, stream) = builder.new_output::<Vec<Report>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Report>>>::from(output);

    let settings = sink.shared.settings.clone();
    let local_index = scope.index() % settings.workers;
    let wake = scope.worker().sync_activator_for(address.to_vec());
    let (port, synced) = synced_channel(local_index, wake);
    let (emptied, spare) = bounded(MAX_SPARE_BUFFERS);
    let _ = sink.writer.send(WriterMessage::Port { from: local_index, port, emptied });
    let (keeps_results, commit_groups) = (settings.files.is_some(), settings.groups());
    let keeps_dead = settings.dead_letter.is_some();
    let writer_handle = WriterHandle { sink, from: local_index, spare };

    builder.build(move |capabilities| {
        drop(capabilities);
        let mut groups: BTreeMap<u64, Group> = BTreeMap::new();
        let mut bad_records: BTreeMap<u64, (Capability<u64>, u64)> = BTreeMap::new();
        // Groups before this one are closed.
        let mut open_from = 0;
        move |frontiers| {
            let of = |capability: &InputCapability<u64>| {
                let epoch = capability.least().copied()?;
                let number = commit_groups.group(epoch);
                Some((number, commit_groups.last_epoch(number)))
            };
            let new = |capability: &InputCapability<u64>, last| Group {
                capability: capability.delayed(&last, 0),
                buffers: Default::default(),
            };
            results.for_each(|capability, batch| {
                let records = batch.record_count().max(0) as u64;
                if !keeps_results || records == 0 {
                    return;
                }
                let Some((number, last)) = of(&capability) else { return };
                let group = groups.entry(number).or_insert_with(|| new(&capability, last));
                let waiting = &mut group.buffers[Kind::Part as usize];
                if waiting.0.capacity() == 0 {
                    waiting.0 = writer_handle.buffer();
                }
                if let Err(error) = lines(batch, &mut waiting.0) {
                    writer_handle.sink.shared.fail(error);
                }
                waiting.1 += records;
                if waiting.0.len() >= BUFFER_BYTES {
                    writer_handle.flush(number, Kind::Part, waiting);
                }
            });
            bad.for_each(|capability, letters| {
                if letters.is_empty() {
                    return;
                }
                let Some((number, last)) = of(&capability) else { return };
                let (_, count) =
                    bad_records.entry(number).or_insert_with(|| (capability.delayed(&last, 0), 0));
                *count += letters.len() as u64;
                if !keeps_dead {
                    return;
                }
                let group = groups.entry(number).or_insert_with(|| new(&capability, last));
                let waiting = &mut group.buffers[Kind::Dead as usize];
                letters.iter().for_each(|letter| format::dead_letter(letter, &mut waiting.0));
                waiting.1 += letters.len() as u64;
                if waiting.0.len() >= BUFFER_BYTES {
                    writer_handle.flush(number, Kind::Dead, waiting);
                }
            });

            state.for_each(|capability, blocks| {
                let Some((number, last)) = of(&capability) else { return };
                if !keeps_results {
                    return;
                }
                groups.entry(number).or_insert_with(|| new(&capability, last));
                for StateBlock { bytes, rows } in blocks.drain(..) {
                    writer_handle.flush(number, Kind::State, &mut (bytes, rows));
                }
            });

            // Groups whose last epoch all inputs have passed are closed.
            let reached =
                frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied());
            let closed = reached.min().map_or(u64::MAX, |epoch| commit_groups.group(epoch));
            let mut output = output.activate();
            if closed > open_from {
                for (number, group) in groups.range_mut(open_from..closed) {
                    let [parts, dead] = &mut group.buffers;
                    writer_handle.flush(*number, Kind::Part, parts);
                    writer_handle.flush(*number, Kind::Dead, dead);
                }
                open_from = closed;
                let later = bad_records.split_off(&closed);
                for (capability, bad) in std::mem::replace(&mut bad_records, later).into_values() {
                    output.session(&capability).give(Report { bad, ..Report::default() });
                }
                let _ = writer_handle
                    .sink
                    .writer
                    .send(WriterMessage::Closed { through: closed - 1, from: local_index });
            }

            for (number, files) in synced.drain() {
                if let Some(group) = groups.remove(&number)
                    && !files.is_empty()
                {
                    output.session(&group.capability).give(Report { files, ..Report::default() });
                }
            }
        }
    });
    stream
}

/// Reports notes, which are committed with their epoch's group.
fn report<'scope>(
    notes: Stream<'scope, u64, Vec<Note>>,
    sink: SinkHandle,
) -> Stream<'scope, u64, Vec<Report>> {
    let groups = sink.shared.settings.groups();
    notes.unary::<CapacityContainerBuilder<Vec<Report>>, _, _, _>(Pipeline, "Note", move |_, _| {
        move |input, output| {
            input.for_each(|capability, notes| {
                let Some(&epoch) = capability.least() else { return };
                let last = groups.last_epoch(groups.group(epoch));
                let capability = capability.delayed(&last, 0);
                let notes = std::mem::take(notes);
                output.session(&capability).give(Report { notes, ..Report::default() });
            });
        }
    })
}

/// Collects the reports of all processes on worker 0, and releases epochs when they are committed.
fn commit<'scope>(
    reports: Stream<'scope, u64, Vec<Report>>,
    sink: SinkHandle,
) -> Stream<'scope, u64, Vec<()>> {
    let scope = reports.scope();
    reports.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
        Exchange::new(|_: &Report| 0),
        "Commit",
        move |capability, info| {
            let wake = Arc::new(scope.worker().sync_activator_for(info.address.to_vec()));
            let (done, committed) = unbounded();
            let mut waiting: BTreeMap<u64, (Capability<u64>, Report)> = BTreeMap::new();
            let mut committing: BTreeMap<u64, Capability<u64>> = BTreeMap::new();
            if let Some(outbox) = sink.leftover.as_ref().filter(|_| scope.index() == 0) {
                // The run does not end before these lines are published, even if it has nothing else to do. The
                // first epoch was committed by an earlier run, so holding it delays no other epoch.
                let (done, wake) = (done.clone(), Arc::clone(&wake));
                let up_to_epoch = *capability.time();
                let files = Vec::new();
                // A publisher that has failed has reported it.
                let _ = outbox.send(PublishRequest { files, up_to_epoch, done, wake });
                committing.insert(up_to_epoch, capability);
            }
            move |(input, frontier), _output| {
                input.for_each(|capability, reports| {
                    let Some(&epoch) = capability.least() else { return };
                    let (_, sum) = waiting
                        .entry(epoch)
                        .or_insert_with(|| (capability.delayed(&epoch, 0), Report::default()));
                    for report in reports.drain(..) {
                        sum.files.extend(report.files);
                        sum.bad += report.bad;
                        sum.notes.extend(report.notes);
                    }
                });
                while let Some(entry) = waiting.first_entry() {
                    if frontier.less_equal(entry.key()) {
                        break;
                    }
                    let (epoch, (capability, Report { mut files, bad, notes })) =
                        entry.remove_entry();
                    // The order of the files does not depend on the order of the reports.
                    files.sort_by(|a, b| (a.process, &a.name).cmp(&(b.process, &b.name)));
                    committing.insert(epoch, capability);
                    let (done, wake) = (done.clone(), Arc::clone(&wake));
                    let message =
                        CommitRequest { up_to_epoch: epoch, files, bad, notes, done, wake };
                    // The committer lives as long as the handles.
                    let _ = sink.committer.send(message);
                }
                for epoch in committed.try_iter() {
                    committing = committing.split_off(&(epoch + 1));
                }
            }
        },
    )
}
