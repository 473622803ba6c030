//! The stateful operator: merges rows by key, epoch by epoch.

use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::empty;

use super::event_time::{EventTimes, Reported};
use super::keyed_state::{Emitted, KeyedState, StateContext};
use super::restore::{Rebuilt, rebuild};
use crate::state_file::StateBlock;
use crate::window::{EventFrontier, Store, shard};

/// A key with the event time of its records, and their value.
pub(crate) type KeyedRow<S> = ((<S as Store>::Key, i64), <S as Store>::Value);

/// The streams of a stateful operator.
pub(crate) struct Keyed<'scope, S: Store> {
    /// What the epochs made final.
    pub results: Stream<'scope, u64, Vec<S::Out>>,
    /// Rows that came too late for their windows, or were too far ahead to be believed.
    pub late: Stream<'scope, u64, Vec<KeyedRow<S>>>,
    /// What is written of the state.
    pub state: Stream<'scope, u64, Vec<StateBlock>>,
}

type Output<C> = OutputBuilder<u64, CapacityContainerBuilder<C>>;

/// So many rows are merged in a step, which takes a worker a millisecond or two. Fewer make the operator run more often,
/// and more make other operators wait.
const ROWS_A_STEP: usize = 8_192;

/// Merges `rows` by key into a store. `times` are the event times of the records; without them nothing has windows.
pub(crate) fn keyed<'scope, S: Store>(
    name: &str,
    rows: Stream<'scope, u64, Vec<KeyedRow<S>>>,
    times: Option<EventTimes<'scope>>,
    empty_store: impl Fn() -> S,
    context: StateContext,
) -> Keyed<'scope, S>
where
    S::Key: ExchangeData,
    S::Value: ExchangeData,
{
    let scope = rows.scope();
    let mut builder = OperatorBuilder::new(format!("Keyed: {name}"), scope);
    let address = builder.operator_info().address;
    let wake = scope.worker().sync_activator_for(address.to_vec());
    let again = scope.activator_for(address);
    let by_key = Exchange::new(|((key, _), _): &KeyedRow<S>| shard(key));
    let mut rows = builder.new_input(rows, by_key);
    let lateness = times.as_ref().map(|times| times.lateness).unwrap_or_default();
    let (reports, known) = match times {
        Some(EventTimes { reports, known, .. }) => (reports, known),
        None => (empty(scope), None),
    };
    let mut reports = builder.new_input(reports, Exchange::new(|(worker, _): &Reported| *worker));
    let (results, results_stream) = builder.new_output();
    let mut results = Output::<Vec<S::Out>>::from(results);
    let (late, late_stream) = builder.new_output();
    let mut late = Output::<Vec<KeyedRow<S>>>::from(late);
    let (blocks, blocks_stream) = builder.new_output();
    let mut blocks = Output::<Vec<StateBlock>>::from(blocks);

    let frontier = EventFrontier::new(lateness);
    let restoring = context.stored.clone().map(|stored| {
        let rebuilt = Rebuilt { store: empty_store(), frontier };
        rebuild(stored.read(name, || {}), rebuilt, move || {
            // A worker that has ended needs no waking.
            let _ = wake.activate();
        })
    });
    let (name, store) = (name.to_owned(), empty_store());
    builder.build(move |mut capabilities| {
        capabilities.iter_mut().for_each(|capability| capability.downgrade(&context.first_epoch));
        // One for each output, at the epoch of which something may be emitted next.
        let mut capabilities: Option<Vec<Capability<u64>>> = Some(capabilities);
        let mut state = KeyedState::new(&name, store, (frontier, known), restoring, context);
        move |frontiers| {
            rows.for_each(|capability, rows| {
                let Some(&epoch) = capability.least() else { return };
                state.accept(epoch, rows);
            });
            reports.for_each(|capability, reports| {
                let Some(&epoch) = capability.least() else { return };
                state.report(epoch, reports);
            });
            let Some(held) = &mut capabilities else { return };
            if !state.is_restored() {
                return;
            }
            let reached =
                frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied());
            let reached = reached.min();
            let (mut results, mut late, mut blocks) =
                (results.activate(), late.activate(), blocks.activate());
            let mut emit = |epoch: u64, held: &[Capability<u64>], emitted: Emitted<S>| {
                let [to_results, to_late, to_blocks] = held else { return };
                results
                    .session(&to_results.delayed(&epoch))
                    .give_iterator(emitted.results.into_iter());
                late.session(&to_late.delayed(&epoch)).give_iterator(emitted.late.into_iter());
                blocks.session(&to_blocks.delayed(&epoch)).give_iterator(emitted.state.into_iter());
            };
            let mut left = ROWS_A_STEP;
            loop {
                if let Some(epoch) = state.merging() {
                    if left == 0 {
                        again.activate();
                        break;
                    }
                    let mut emitted = Emitted::default();
                    left -= state.merge_some(left, &mut emitted);
                    emit(epoch, held, emitted);
                    continue;
                }
                let next = state.next_epoch(reached);
                if let Some(last) = next.or(reached).and_then(|epoch| state.ended_group(epoch)) {
                    let mut emitted = Emitted::default();
                    state.write(&mut emitted);
                    emit(last, held, emitted);
                }
                let Some(epoch) = next else { break };
                state.begin(epoch);
            }
            match state.merging().or(reached) {
                // The source may not have come to the first epoch of the run yet.
                Some(epoch) => held.iter_mut().for_each(|held| {
                    let epoch = epoch.max(*held.time());
                    held.downgrade(&epoch);
                }),
                None => {
                    // What was applied last may be of a later commit group than the frontier was in.
                    let reached = held.first().map_or(0, |capability| *capability.time());
                    let at = state.last_epoch().map_or(reached, |last| reached.max(last));
                    let mut emitted = Emitted::default();
                    state.end(at, &mut emitted);
                    state.write(&mut emitted);
                    emit(at, held, emitted);
                    capabilities = None;
                }
            }
        }
    });
    Keyed { results: results_stream, late: late_stream, state: blocks_stream }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use timely::dataflow::operators::vec::Map as _;
    use timely::dataflow::operators::{Inspect as _, Probe as _};
    use timely::dataflow::{InputHandle, ProbeHandle};

    use super::ROWS_A_STEP;
    use crate::merge::Count;
    use crate::stateful::{EventTimesExt as _, WindowExt as _};
    use crate::window::{Lateness, Windows};

    #[test]
    fn an_epoch_of_many_keys_is_merged_in_several_steps_and_nothing_is_lost() {
        const KEYS: u64 = 10 * ROWS_A_STEP as u64 + 7;
        timely::execute_directly(|worker| {
            let (mut input, probe) = (InputHandle::new(), ProbeHandle::new());
            let (sender, closed) = std::sync::mpsc::channel();
            worker.dataflow::<u64, _, _>(|scope| {
                use timely::dataflow::operators::Input as _;
                let (keys, times) = scope
                    .input_from(&mut input)
                    .container::<Vec<(u64, i64)>>()
                    .event_times(Lateness::default(), |row| row.1);
                let rows = keys.map(|row| (row, Count(1)));
                let second = Windows::tumbling(Duration::from_secs(1)).expect("it is a length");
                let windows = rows.windows(&times, second).results;
                let sent = windows.inspect(move |window| drop(sender.send(window.clone())));
                sent.probe_with(&probe);
            });
            (0..KEYS).for_each(|key| input.send((key, 1)));
            input.send((0, 2));
            input.advance_to(1);
            input.send((KEYS, 1_000));
            input.advance_to(2);
            input.flush();
            let mut steps = 0;
            while probe.less_than(&2) {
                worker.step();
                steps += 1;
            }
            assert!(steps > 10, "{steps} steps");
            let mut closed: Vec<_> =
                closed.try_iter().map(|window| (window.key, window.value.0)).collect();
            closed.sort_unstable();
            assert!(closed.into_iter().eq((0..KEYS).map(|key| (key, 1 + u64::from(key == 0)))));
        });
    }
}
