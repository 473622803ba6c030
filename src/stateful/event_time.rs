//! Event times, which all workers have to know of all records.

use std::collections::BTreeMap;

use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use crate::window::{EventFrontier, Lateness, Times};

/// What a worker says of the event times of an epoch, to another one: the number of the other one, and the times.
pub(crate) type Reported = (u64, Times);

/// The event times of a stream: when windows close. `Job::event_times` and [`EventTimesExt`](super::EventTimesExt) make it.
#[derive(Clone)]
pub struct EventTimes<'scope> {
    pub(crate) lateness: Lateness,
    pub(crate) reports: Stream<'scope, u64, Vec<Reported>>,
}

/// Passes records on, and reports their event times to all workers at the end of each epoch.
pub(crate) fn event_times<'scope, T: Clone + 'static>(
    records: Stream<'scope, u64, Vec<T>>,
    lateness: Lateness,
    time: impl Fn(&T) -> i64 + 'static,
) -> (Stream<'scope, u64, Vec<T>>, EventTimes<'scope>) {
    let scope = records.scope();
    let workers = scope.peers() as u64;
    let mut builder = OperatorBuilder::new("EventTimes".to_owned(), scope);
    let mut input = builder.new_input(records, Pipeline);
    let (passed, passed_on) = builder.new_output::<Vec<T>>();
    let mut passed = OutputBuilder::<_, NoopBuilder<Vec<T>>>::from(passed);
    let (output, reports) = builder.new_output::<Vec<Reported>>();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Reported>>>::from(output);
    builder.build(move |capabilities| {
        drop(capabilities);
        let frontier = EventFrontier::new(lateness);
        let mut epochs = BTreeMap::new();
        move |frontiers| {
            let mut passed = passed.activate();
            input.for_each(|capability, records| {
                let Some(&epoch) = capability.least() else { return };
                let (_, times) = epochs
                    .entry(epoch)
                    .or_insert_with(|| (capability.delayed(&epoch, 1), frontier.times()));
                times.add_all(records.iter().map(&time));
                passed.session_with_builder(&capability).give_container(records);
            });
            let mut output = output.activate();
            while let Some(entry) = epochs.first_entry() {
                if frontiers[0].less_equal(entry.key()) {
                    break;
                }
                let (capability, times) = entry.remove();
                let reports = (0..workers).map(|worker| (worker, times.clone()));
                output.session(&capability).give_iterator(reports);
            }
        }
    });
    (passed_on, EventTimes { lateness, reports })
}
