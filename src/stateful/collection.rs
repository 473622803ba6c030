//! Collections of differential dataflow that are restored.
//!
//! A collection is stored as it comes into the dataflow, and not as operators arrange it. A run that resumes puts what is
//! stored into the collection at the epoch before its first one. The operators then compute what they had computed, and
//! their changes at that epoch are those that are committed already, which the sink leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Receiver;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use super::keyed_state::StateContext;
use super::merge_rows::merge_rows;
use super::restore::Restored;
use super::row_size::RowSize;
use super::stream::{Key, StateStage};
use crate::sink::CommitGroups;
use crate::state_file::{BlockWriter, MergeRows, StateBlock, StateFileError};
use crate::window::{Difference, Differences, EventFrontier, Lateness, Row};

/// Changes of a collection.
type Changes<D> = Vec<(D, u64, isize)>;
type Output<C> = OutputBuilder<u64, CapacityContainerBuilder<C>>;

/// Adds each record to a collection at its epoch. Returns the changes of the collection, and what is written of it.
pub(crate) fn collection_of<'scope, D: Key, F>(
    records: Stream<'scope, u64, Vec<D>>,
    stage: &mut StateStage<'_, F>,
) -> (Stream<'scope, u64, Changes<D>>, Stream<'scope, u64, Vec<StateBlock>>)
where
    F: FnMut(Arc<dyn MergeRows>) -> StateContext,
{
    let context = (stage.context)(merge_rows(stage.name, Differences::<D>::default));
    let scope = records.scope();
    let mut builder = OperatorBuilder::new(format!("Collection: {}", stage.name), scope);
    let wake = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let mut records = builder.new_input(records, Pipeline);
    let (changes, changes_stream) = builder.new_output();
    let mut changes = Output::<Changes<D>>::from(changes);
    let (blocks, blocks_stream) = builder.new_output();
    let mut blocks = Output::<Vec<StateBlock>>::from(blocks);
    let restoring = context.stored.clone().map(|stored| {
        stored.read(stage.name, move || {
            // A worker that has ended needs no waking.
            let _ = wake.activate();
        })
    });
    let name = stage.name.to_owned();
    builder.build(move |mut capabilities| {
        let mut to_blocks = capabilities.pop();
        let mut restoring = Restoring::new(capabilities.pop(), restoring, context.first_epoch);
        let mut log = Log {
            name,
            commit_groups: context.groups,
            groups: BTreeMap::new(),
            block: BlockWriter::new(),
        };
        let (mut held, mut row_size) = (0, RowSize::default());
        move |frontiers| {
            let mut changes = changes.activate();
            restoring.read(&context, |at, rows| {
                let epoch = *at.time();
                held += rows.len() as u64;
                let rows = rows
                    .into_iter()
                    .map(|Row { key, value: Difference(difference), .. }| (key, epoch, difference));
                changes.session(at).give_iterator(rows);
            });
            records.for_each(|capability, records| {
                let Some(&epoch) = capability.least() else { return };
                log.add(epoch, records);
                held += records.len() as u64;
                records.first().into_iter().for_each(|record| row_size.sample(record));
                let added = records.drain(..).map(|record| (record, epoch, 1));
                changes.session(&capability).give_iterator(added);
            });
            context.holds(held, row_size);
            let Some(to) = &mut to_blocks else { return };
            let reached = frontiers[0].frontier().first().copied();
            let mut blocks = blocks.activate();
            for (epoch, block) in log.take_before(reached) {
                match block {
                    Ok(block) => {
                        context.counters.written_bytes.fetch_add(block.bytes.len() as u64, Relaxed);
                        context.counters.merged_rows.fetch_add(block.rows, Relaxed);
                        let at = to.delayed(&epoch.max(*to.time()));
                        blocks.session(&at).give(block);
                    }
                    Err(error) => (context.fail)(error),
                }
            }
            match reached {
                Some(epoch) => to.downgrade(&epoch.max(*to.time())),
                None => to_blocks = None,
            }
        }
    });
    (changes_stream, blocks_stream)
}

/// What is still to be put into the collection of earlier runs.
struct Restoring<D> {
    /// At the epoch before the first one of the run.
    at: Option<Capability<u64>>,
    rows: Option<Receiver<Restored<D, Difference>>>,
}

impl<D> Restoring<D> {
    fn new(
        at: Option<Capability<u64>>,
        rows: Option<Receiver<Restored<D, Difference>>>,
        first_epoch: u64,
    ) -> Self {
        let at =
            at.zip(first_epoch.checked_sub(1)).zip(rows.as_ref()).map(|((mut at, before), _)| {
                at.downgrade(&before);
                at
            });
        Restoring { at, rows }
    }

    fn read(
        &mut self,
        context: &StateContext,
        mut emit: impl FnMut(&Capability<u64>, Vec<Row<D, Difference>>),
    ) {
        let (Some(at), Some(rows)) = (&self.at, &self.rows) else { return };
        for message in rows.try_iter() {
            match message {
                Restored::Frontier(_) => {}
                Restored::Rows(rows) => emit(at, rows),
                Restored::End(Ok(())) => {
                    (self.at, self.rows) = (None, None);
                    return;
                }
                Restored::End(Err(error)) => (context.fail)(error),
            }
        }
    }
}

/// The changes of open commit groups, by group.
struct Log<D> {
    name: String,
    /// None if nothing is written.
    commit_groups: Option<CommitGroups>,
    groups: BTreeMap<u64, Differences<D>>,
    block: BlockWriter,
}

impl<D: Key> Log<D> {
    fn add(&mut self, epoch: u64, records: &[D]) {
        let Some(of) = self.commit_groups else { return };
        let group = self.groups.entry(of.group(epoch)).or_default();
        records.iter().for_each(|record| group.add(record.clone(), 1));
    }

    /// Takes the blocks of the groups that end before `epoch`, each with an epoch of the group. None is the end of the
    /// stream.
    fn take_before(
        &mut self,
        epoch: Option<u64>,
    ) -> Vec<(u64, Result<StateBlock, StateFileError>)> {
        let Some(of) = self.commit_groups else { return Vec::new() };
        let mut taken = Vec::new();
        while let Some(group) = self.groups.first_entry() {
            let (first, last) = (of.first_epoch(*group.key()), of.last_epoch(*group.key()));
            if epoch.is_some_and(|epoch| last >= epoch) {
                break;
            }
            let changed = group.remove();
            // The group in which a stream ends may not be complete.
            taken.push((if epoch.is_none() { first } else { last }, self.write(changed)));
        }
        taken
    }

    fn write(&mut self, mut changed: Differences<D>) -> Result<StateBlock, StateFileError> {
        let failed = |source| StateFileError::Row { stage: self.name.clone(), source };
        for (key, value) in changed.drain() {
            let row = Row { key: &key, first: 0, last: 0, value };
            self.block.add(&key, &row).map_err(failed)?;
        }
        let (rows, mut bytes) = (self.block.rows(), Vec::new());
        let frontier = EventFrontier::new(Lateness::default());
        self.block.finish(&self.name, frontier, &mut bytes).map_err(failed)?;
        Ok(StateBlock { bytes, rows })
    }
}
