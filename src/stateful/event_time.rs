//! Event times, which all workers have to know of all records.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use timely::Container;
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
    /// The event-time frontier after each epoch, if the input says it by itself.
    pub(crate) known: Option<KnownFrontier>,
}

/// Returns the earliest event time that a record after an epoch can have.
pub(crate) type KnownFrontier = Rc<dyn Fn(u64) -> i64>;

impl<'scope> EventTimes<'scope> {
    /// Returns the times of a stream for which `known` says what the earliest event time after an epoch is. All times are
    /// believed.
    pub(crate) fn with_known(self, known: impl Fn(u64) -> i64 + 'static) -> Self {
        let lateness = Lateness { allowed: Duration::ZERO, max_ahead: Duration::MAX };
        EventTimes { lateness, known: Some(Rc::new(known)), ..self }
    }
}

/// Passes records on, and reports their event times to all workers at the end of each epoch.
/// `add` adds the times of the records of a container.
pub(crate) fn event_times<'scope, C: Container>(
    records: Stream<'scope, u64, C>,
    lateness: Lateness,
    mut add: impl FnMut(&C, &mut Times) + 'static,
) -> (Stream<'scope, u64, C>, EventTimes<'scope>) {
    let scope = records.scope();
    let workers = scope.peers() as u64;
    let mut builder = OperatorBuilder::new("EventTimes".to_owned(), scope);
    let mut input = builder.new_input(records, Pipeline);
    let (passed, passed_on) = builder.new_output::<C>();
    let mut passed = OutputBuilder::<_, NoopBuilder<C>>::from(passed);
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
                add(records, times);
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
    (passed_on, EventTimes { lateness, reports, known: None })
}
