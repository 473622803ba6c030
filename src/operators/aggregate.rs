//! The burst operator on chunks of records, for partial aggregates.

use std::hash::Hash;

use serde::de::DeserializeOwned;
use timely::Container;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator as _;
use timely::order::TotalOrder;
use timely::progress::Timestamp;

use super::{Burst, BurstExt as _};
use crate::batch::{Chunks, Items};
use crate::merge::Merge;
use crate::task::{Aggregate, Bad, Code, Partials, Rows};

/// Adds [`AggregateExt::aggregate`] to streams.
pub trait AggregateExt<'scope, T: Timestamp, C: Items> {
    /// Makes rows of keys and values of every record, on this worker or on the remote side, and merges the values of a key
    /// before they travel. Returns the stream of rows and the stream of bad records, both under the timestamps of the
    /// records. Rows of one key may come several times.
    ///
    /// The records are computed in [`Chunks`], which is what the settings of a bridge count.
    ///
    /// # Examples
    /// ```
    /// use floodway::merge::{Count, Merge};
    /// use floodway::operators::{AggregateExt, Burst};
    /// use floodway::task::{self, Rows};
    /// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
    ///
    /// let rows = timely::execute_directly(|worker| {
    ///     worker.dataflow::<u64, _, _>(|scope| {
    ///         let parity = task::aggregate("parity", |n: &u64, rows: &mut Rows<bool, Count>| {
    ///             rows.add(n % 2 == 0, Count(1));
    ///             Ok(())
    ///         });
    ///         let numbers = (0..100_u64).to_stream(scope).container::<Vec<_>>();
    ///         let (rows, _bad) = numbers.aggregate(parity, Burst::local());
    ///         rows.capture()
    ///     })
    /// });
    /// let mut even = Count(0);
    /// for (_, rows) in rows.extract() {
    ///     rows.into_iter().filter(|(is_even, _)| *is_even).for_each(|(_, count)| even.merge(count));
    /// }
    /// assert_eq!(even, Count(50));
    /// ```
    fn aggregate<F, K, V>(
        self,
        task: Aggregate<F, C, K, V>,
        burst: Burst<T, Chunks<C>>,
    ) -> (Stream<'scope, T, Vec<(K, V)>>, Stream<'scope, T, Vec<Bad<C::Record>>>)
    where
        F: Fn(&C::Item, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
        K: Hash + Eq + DeserializeOwned + Clone + Send + 'static,
        V: Merge + PartialEq + DeserializeOwned + Clone + Send + 'static;
}

impl<'scope, T, C> AggregateExt<'scope, T, C> for Stream<'scope, T, C>
where
    T: Timestamp + TotalOrder,
    C: Container + Items,
{
    fn aggregate<F, K, V>(
        self,
        task: Aggregate<F, C, K, V>,
        burst: Burst<T, Chunks<C>>,
    ) -> (Stream<'scope, T, Vec<(K, V)>>, Stream<'scope, T, Vec<Bad<C::Record>>>)
    where
        F: Fn(&C::Item, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
        K: Hash + Eq + DeserializeOwned + Clone + Send + 'static,
        V: Merge + PartialEq + DeserializeOwned + Clone + Send + 'static,
    {
        let (partials, bad) = in_chunks(self).burst(task, burst);
        (rows_of(partials), bad)
    }
}

/// Makes chunks of records.
pub(crate) fn in_chunks<T: Timestamp, C: Container + Items>(
    records: Stream<'_, T, C>,
) -> Stream<'_, T, Chunks<C>> {
    convert(records, "Chunks", Chunks)
}

/// Returns the rows of partial aggregates.
pub(crate) fn rows_of<T: Timestamp, K: Clone + 'static, V: Clone + 'static>(
    partials: Stream<'_, T, Partials<K, V>>,
) -> Stream<'_, T, Vec<(K, V)>> {
    convert(partials, "Rows", |partials| partials.rows)
}

/// Makes other containers of those of a stream, without touching their records.
fn convert<'scope, T: Timestamp, A: Container, B: Container>(
    stream: Stream<'scope, T, A>,
    name: &str,
    mut convert: impl FnMut(A) -> B + 'static,
) -> Stream<'scope, T, B> {
    stream.unary::<NoopBuilder<B>, _, _, _>(Pipeline, name, move |_, _| {
        move |input, output| {
            input.for_each(|capability, container| {
                let mut converted = convert(std::mem::take(container));
                if !converted.is_empty() {
                    output.session_with_builder(&capability).give_container(&mut converted);
                }
            });
        }
    })
}
