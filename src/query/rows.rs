//! The rows of a query, as what is committed of a job.

use timely::Accountable;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator as _;

use crate::batch::Batch;
use crate::job::{Job, Lines, Output};
use crate::nexmark::Auction;
use crate::window::Update;

/// The text of a row.
pub(super) type Row = Vec<u8>;

/// A row, its epoch, and whether it is added (1) or taken back (-1).
pub(super) type RowChange = (Row, u64, isize);

/// Returns the text of a row that `format!` would make.
macro_rules! row {
    ($($argument:tt)*) => {
        format!($($argument)*).into_bytes()
    };
}
pub(super) use row;

/// Returns texts with commas between them.
pub(super) fn joined(texts: &[&[u8]]) -> Row {
    texts.join(&b","[..])
}

/// Returns the columns of an auction after its id.
pub(super) fn auction_columns(auction: &Auction) -> Row {
    let Auction { item_name, description, initial_bid, reserve, .. } = auction;
    let Auction { date_time, expires, seller, category, extra, .. } = auction;
    row!(
        "{item_name},{description},{initial_bid},{reserve},{date_time},{expires},{seller},{category},{extra}"
    )
}

/// Rows that an epoch adds. An empty text is none.
#[derive(Clone, Debug, Default)]
struct AddedRows {
    epoch: u64,
    rows: Batch,
    count: usize,
}

impl Accountable for AddedRows {
    fn record_count(&self) -> i64 {
        self.count as i64
    }
}

/// Commits each text that is not empty as a row that is added.
pub(super) fn added_texts<'scope>(job: &mut Job<'scope>, texts: Lines<'scope>) -> Output<'scope> {
    let rows = texts.unary::<NoopBuilder<AddedRows>, _, _, _>(Pipeline, "Rows", |_, _| {
        |input, output| {
            input.for_each(|capability, texts| {
                let Some(&epoch) = capability.least() else { return };
                let rows = std::mem::take(texts);
                let count = rows.strings.iter().filter(|row| !row.is_empty()).count();
                if count > 0 {
                    let mut rows = AddedRows { epoch, rows, count };
                    output.session_with_builder(&capability).give_container(&mut rows);
                }
            });
        }
    });
    job.row_changes(rows, |AddedRows { epoch, rows, .. }: &mut AddedRows, each| {
        rows.strings.iter().filter(|row| !row.is_empty()).for_each(|row| each(*epoch, 1, row));
    })
}

/// Commits changes of rows.
pub(super) fn changed<'scope>(
    job: &mut Job<'scope>,
    changes: Stream<'scope, u64, Vec<RowChange>>,
) -> Output<'scope> {
    job.row_changes(changes, |changes: &mut Vec<RowChange>, each| {
        changes.drain(..).for_each(|(row, epoch, difference)| each(epoch, difference, &row));
    })
}

/// Commits the rows that `rows` makes of each result as rows that are added.
pub(super) fn added<'scope, T: Clone + 'static, R: IntoIterator<Item = Row>>(
    job: &mut Job<'scope>,
    results: Stream<'scope, u64, Vec<T>>,
    mut rows: impl FnMut(T) -> R + 'static,
) -> Output<'scope> {
    let rows = results.unary::<CapacityContainerBuilder<_>, _, _, _>(Pipeline, "Rows", |_, _| {
        move |input, output| {
            input.for_each(|capability, results| {
                let Some(&epoch) = capability.least() else { return };
                let rows = results.drain(..).flat_map(&mut rows);
                let rows = rows.map(|row| (row, epoch, 1_isize));
                output.session(&capability).give_iterator(rows);
            });
        }
    });
    changed(job, rows)
}

/// Commits the rows that `rows` makes of the value of a key: those that it had are taken back, and those that it has are
/// added. A row that stays is not written.
pub(super) fn updated<'scope, K: Clone + 'static, V: Clone + 'static>(
    job: &mut Job<'scope>,
    updates: Stream<'scope, u64, Vec<Update<K, V>>>,
    rows: impl Fn(&K, &V, &mut Vec<Row>) + 'static,
) -> Output<'scope> {
    let changes =
        updates.unary::<CapacityContainerBuilder<_>, _, _, _>(Pipeline, "Rows", |_, _| {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            move |input, output| {
                input.for_each(|capability, updates| {
                    let mut session = output.session(&capability);
                    for update in updates.drain(..) {
                        let Update { key, epoch, before: had, after: has } = update;
                        had.iter().for_each(|value| rows(&key, value, &mut before));
                        has.iter().for_each(|value| rows(&key, value, &mut after));
                        for row in before.drain(..) {
                            // There are at most a few rows.
                            match after.iter().position(|other| *other == row) {
                                Some(same) => drop(after.swap_remove(same)),
                                None => session.give((row, epoch, -1_isize)),
                            }
                        }
                        after.drain(..).for_each(|row| session.give((row, epoch, 1)));
                    }
                });
            }
        });
    changed(job, changes)
}
