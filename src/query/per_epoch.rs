//! What an epoch's results have in common, once they are all there.

use std::collections::BTreeMap;

use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator as _;

/// Brings the records of an epoch with the same `route` to one worker, and emits what `reduce` makes of them. Nothing is
/// kept from one epoch to the next.
pub(super) fn per_epoch<'scope, T: ExchangeData, U: Clone + 'static>(
    records: Stream<'scope, u64, Vec<T>>,
    route: impl Fn(&T) -> u64 + 'static,
    mut reduce: impl FnMut(Vec<T>) -> Vec<U> + 'static,
) -> Stream<'scope, u64, Vec<U>> {
    let by_route = Exchange::new(route);
    records.unary_frontier::<CapacityContainerBuilder<_>, _, _, _>(by_route, "Epoch", |_, _| {
        let mut epochs = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|capability, records| {
                let Some(&epoch) = capability.least() else { return };
                let new = || (capability.delayed(&epoch, 0), Vec::new());
                let (_, waiting) = epochs.entry(epoch).or_insert_with(new);
                waiting.append(records);
            });
            while let Some(entry) = epochs.first_entry() {
                if frontier.less_equal(entry.key()) {
                    break;
                }
                let (capability, records) = entry.remove();
                output.session(&capability).give_iterator(reduce(records).into_iter());
            }
        }
    })
}
