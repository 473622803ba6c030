//! The burst operator. A worker or the remote side computes each record of a stream, and the results rejoin
//! the stream under the timestamps of their records.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::order::TotalOrder;
use timely::progress::Timestamp;

use super::meter::{self, Count, SharedFinalEpochs};
use super::state::{BurstState, Outputs};
use super::{Backpressure, Clock, Observer, Peers, Plan};
use crate::batch::{Nanos, Records, Span};
use crate::bridge::Bridge;
use crate::policy::{self, Policy};
use crate::pool::Pool;
use crate::task::{Bad, Task};

/// Says when the records of a container were scheduled: in their order, how many have which schedule.
pub(super) type Schedule<T, C> = Box<dyn Fn(&T, &C, &mut dyn FnMut(usize, Span))>;

/// Settings of a burst operator, and what it shares with the rest of its worker. Each worker makes its own.
pub struct Burst<T, C> {
    pub(super) policy: Box<dyn Policy>,
    pub(super) bridge: Option<Bridge>,
    pub(super) peers: Peers,
    pub(super) pool: Option<Pool>,
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) schedule: Option<Schedule<T, C>>,
    pub(super) deadline: Duration,
    pub(super) epoch: Option<Duration>,
    pub(super) slice: Duration,
    pub(super) backpressure: Backpressure,
    pub(super) observer: Box<dyn Observer<T>>,
}

impl<T: 'static, C: 'static> Burst<T, C> {
    /// Creates settings with this policy. Without [`Burst::remote`] the worker computes all records.
    pub fn new(policy: impl Policy + 'static) -> Self {
        Burst {
            policy: Box::new(policy),
            bridge: None,
            peers: Peers::default(),
            pool: None,
            plan: Plan::default(),
            clock: Clock::default(),
            schedule: None,
            deadline: Duration::from_millis(200),
            epoch: None,
            slice: Duration::from_millis(1),
            backpressure: Backpressure::default(),
            observer: Box::new(()),
        }
    }

    /// Creates settings with which the worker computes all records: the baseline.
    pub fn local() -> Self {
        Burst::new(policy::Local)
    }

    /// Sets the bridge to the remote side, which all workers of the process share. If its settings are those of a
    /// [call](crate::bridge::Settings::call), all records are sent, whatever the policy is, and the task is never
    /// computed here.
    pub fn remote(mut self, bridge: &Bridge) -> Self {
        self.bridge = Some(bridge.clone());
        self
    }

    /// Sets the process's other workers, for policies that send records to idle ones (default: none).
    pub fn peers(mut self, peers: &Peers) -> Self {
        self.peers = peers.clone();
        self
    }

    /// Sets the pool that computes in place of this worker and of all others of the process (default: none). The
    /// workers are then no peers of each other.
    pub(crate) fn pool(mut self, pool: &Pool) -> Self {
        self.pool = Some(pool.clone());
        self
    }

    /// Sets the plan that the burst operators of a worker share if they follow each other: each then leaves time to those
    /// behind it, and sends records where this saves the most time for a dollar (default: one of its own). All of them
    /// have the same deadline.
    pub fn plan(mut self, plan: &Plan) -> Self {
        self.plan = plan.clone();
        self
    }

    /// Sets the clock that schedules refer to (default: a clock that starts now).
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets a function that returns when the records of a container with this timestamp were scheduled to leave
    /// their source (default: their arrival).
    pub fn schedule(self, schedule: impl Fn(&T, &C) -> Span + 'static) -> Self
    where
        C: Records,
    {
        self.schedules(move |time, records, each| each(records.len(), schedule(time, records)))
    }

    /// Sets a function that says when the records of a container were scheduled, if they have several schedules.
    pub(crate) fn schedules(
        mut self,
        schedules: impl Fn(&T, &C, &mut dyn FnMut(usize, Span)) + 'static,
    ) -> Self {
        self.schedule = Some(Box::new(schedules));
        self
    }

    /// Sets how long after its schedule a result is due (default: 200 ms).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the nominal length of an epoch, from which the offered rate is computed. The default is the wall
    /// time between the ends of two epochs, which varies, so set the length if it is known.
    pub fn epoch(mut self, length: Duration) -> Self {
        self.epoch = Some(length);
        self
    }

    /// Sets how long the operator works before it yields to others (default: 1 ms). Shorter slices cost more
    /// scheduling; longer ones delay results, plans and the other operators.
    pub fn slice(mut self, slice: Duration) -> Self {
        self.slice = slice;
        self
    }

    /// Sets the bounds on the held records, which also tell a source when to wait.
    pub fn backpressure(mut self, backpressure: &Backpressure) -> Self {
        self.backpressure = backpressure.clone();
        self
    }

    /// Sets the observer.
    pub fn observer(self, observer: impl Observer<T>) -> Self {
        self.boxed_observer(Box::new(observer))
    }

    /// Sets the observer.
    pub(crate) fn boxed_observer(mut self, observer: Box<dyn Observer<T>>) -> Self {
        self.observer = observer;
        self
    }
}

/// Adds [`BurstExt::burst`] to streams.
pub trait BurstExt<'scope, T: Timestamp, C: Records> {
    /// Computes `task` for every record, on this worker or on the remote side, as the policy of `burst`
    /// decides. Returns the stream of results and the stream of bad records, both under the timestamps of the
    /// input records. The order within a timestamp may change.
    ///
    /// The operator holds a record's capability until its result is emitted, so the frontier of the results
    /// passes an epoch only when every record of it is done.
    ///
    /// # Examples
    /// ```
    /// use floodway::operators::{Burst, BurstExt};
    /// use floodway::task::{self, Code};
    /// use timely::dataflow::operators::vec::Map;
    /// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
    ///
    /// let (results, bad) = timely::execute_directly(|worker| {
    ///     worker.dataflow::<u64, _, _>(|scope| {
    ///         let unsigned = task::function("unsigned", |n: &i64| {
    ///             u64::try_from(*n).map_err(|_| Code("negative".into()))
    ///         });
    ///         let numbers = [4, -1, 9].to_stream(scope).container::<Vec<_>>();
    ///         let (results, bad) = numbers.burst(unsigned, Burst::local());
    ///         (results.capture(), bad.map(|bad| bad.record).capture())
    ///     })
    /// });
    /// assert_eq!(results.extract(), [(0, vec![4, 9])]);
    /// assert_eq!(bad.extract(), [(0, vec![-1])]);
    /// ```
    fn burst<K>(
        self,
        task: K,
        burst: Burst<T, C>,
    ) -> (Stream<'scope, T, K::Out>, Stream<'scope, T, Vec<Bad<C::Record>>>)
    where
        K: Task<In = C>,
        K::Out: Container;
}

impl<'scope, T, C> BurstExt<'scope, T, C> for Stream<'scope, T, C>
where
    T: Timestamp + TotalOrder,
    C: Container + Records,
{
    fn burst<K>(
        self,
        task: K,
        burst: Burst<T, C>,
    ) -> (Stream<'scope, T, K::Out>, Stream<'scope, T, Vec<Bad<C::Record>>>)
    where
        K: Task<In = C>,
        K::Out: Container,
    {
        let scope = self.scope();
        let (peers, me) = (scope.peers() as u64, scope.index() as u64);
        let mut builder = OperatorBuilder::new("Burst".to_owned(), scope);
        let address = builder.operator_info().address;
        let activator = scope.activator_for(Rc::clone(&address));
        let waker = scope.worker().sync_activator_for(address.to_vec());

        let mut input = builder.new_input(self, Pipeline);
        let (results, results_stream) = builder.new_output::<K::Out>();
        let (bad, bad_stream) = builder.new_output::<Vec<Bad<C::Record>>>();
        let (counts, counts_stream) = builder.new_output::<Vec<Count>>();
        let mut results = OutputBuilder::<_, NoopBuilder<K::Out>>::from(results);
        let mut bad = OutputBuilder::<_, CapacityContainerBuilder<_>>::from(bad);
        let mut counts = OutputBuilder::<_, CapacityContainerBuilder<Vec<Count>>>::from(counts);

        let finals: SharedFinalEpochs<T> = SharedFinalEpochs::default();
        let nominal = burst.epoch.map(|length| length.as_nanos() as Nanos);
        let reader = scope.activator_for(address);
        meter::sum_counts(counts_stream, nominal, burst.clock, Rc::clone(&finals), reader);

        // The bridge's thread calls this. A worker that has ended does not need to be woken.
        let wake = move || {
            let _ = waker.activate();
        };
        let mut state = BurstState::new(Arc::new(task), burst, Arc::new(wake));

        builder.build_reschedule(move |mut capabilities| {
            // Counts are sent under a capability that follows the frontier, so that an epoch
            // without records is counted too. The other outputs need none before there is input.
            let mut metering = capabilities.pop();
            drop(capabilities);
            move |frontiers| {
                let frontier = &frontiers[0];
                let mut outputs = Outputs { results: results.activate(), bad: bad.activate() };

                input.for_each(|capability, container| {
                    let Some(time) = capability.least() else { return };
                    let capabilities =
                        || Some((capability.retain_least(0)?, capability.retain_least(1)?));
                    state.accept(time, std::mem::take(container), capabilities);
                });

                let reached = frontier.frontier().first().cloned();
                if let Some(capability) = &mut metering
                    && reached.as_ref().is_none_or(|reached| capability.time() != reached)
                {
                    let mut counts = counts.activate();
                    state.count(capability.time(), frontier, |time, records| {
                        let capability = capability.delayed(time);
                        let mut session = counts.session(&capability);
                        session.give_iterator((0..peers).map(|to| (to, me, records)));
                    });
                    match &reached {
                        Some(reached) => capability.downgrade(reached),
                        None => metering = None,
                    }
                }

                let mut known = finals.borrow_mut();
                for (time, offered) in known.epochs.drain(..) {
                    state.offered(time, offered);
                }
                state.replies(&mut outputs);
                // After the replies, which may have made room.
                let offer = state.offer();
                state.plan(offer);
                state.work(offer, &mut outputs);
                state.finish_turn(offer, frontier);
                match state.next_wakeup(offer) {
                    Some(Duration::ZERO) => activator.activate(),
                    Some(later) => activator.activate_after(later),
                    None => {}
                }
                // The operator stays until the last epoch is final, even if its own work is done.
                !known.ended
            }
        });
        (results_stream, bad_stream)
    }
}
