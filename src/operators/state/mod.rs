//! State of a burst operator on one worker: its queue, its work in flight and its open epochs.
//!
//! `dispatch` sends records away, `replies` handles results and returned records, `work` computes
//! records on the worker.
//!
//! The scheduler, the remote side and the peers count the records of a container. What observers, epochs and backpressure
//! are told is their weight, which is the number of records of the stream ([`Records::weight`]).

mod dispatch;
mod pool;
mod replies;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilderSession;
use timely::progress::Timestamp;
use timely::progress::frontier::MutableAntichain;

use super::burst::Schedule;
use super::epochs::Epochs;
use super::peers::PeerQueue;
use super::verify::{Sampler, Verification};
use super::{Backpressure, Burst, Clock, Observer};
use crate::batch::{Nanos, Records, Span};
use crate::bridge::{Offer, RemoteTask, ReplyReceiver, ReplySender, reply_channel};
use crate::policy::{self, Offered};
use crate::pool::PoolWorker;
use crate::scheduler::Scheduler;
use crate::task::{Bad, Code, Task};
use pool::PoolChecks;

/// The operator's outputs while it is scheduled.
pub(super) struct Outputs<'a, T: Timestamp, K: Task>
where
    K::Out: Container,
{
    pub results: OutputBuilderSession<'a, T, NoopBuilder<K::Out>>,
    pub bad:
        OutputBuilderSession<'a, T, CapacityContainerBuilder<Vec<Bad<<K::In as Records>::Record>>>>,
}

/// Container and epoch that an entry of the queue belongs to.
pub(super) struct Origin<T, C> {
    pub epoch: T,
    pub batch: Arc<C>,
    /// About how many bytes a record of the container has.
    pub record_bytes: usize,
}

impl<T: Clone, C> Clone for Origin<T, C> {
    fn clone(&self) -> Self {
        Origin { epoch: self.epoch.clone(), batch: Arc::clone(&self.batch), ..*self }
    }
}

/// A record that the remote side refused. Only this worker can tell whether it is bad.
struct Refusal<C> {
    batch: Arc<C>,
    position: usize,
    code: Code,
}

pub(super) struct BurstState<T: Timestamp, K: Task> {
    task: Arc<K>,
    scheduler: Scheduler<Origin<T, K::In>>,
    remote: Option<RemoteTask<K>>,
    /// Whether workers cannot compute the records, so that all are sent.
    is_only_side: bool,
    peer_queue: PeerQueue<K>,
    /// What computes in place of this worker, if anything does.
    pool: Option<PoolWorker<K>>,
    /// Replies that the pool verifies.
    pool_checks: PoolChecks<T, K>,
    reply_sender: ReplySender<K::Out>,
    reply_receiver: ReplyReceiver<K::Out>,
    clock: Clock,
    schedule: Option<Schedule<T, K::In>>,
    slice: Duration,
    backpressure: Backpressure,
    observer: Box<dyn Observer<T>>,
    sampler: Sampler,
    verifying: VecDeque<Verification<T, K>>,
    /// Whether a remote result has differed from this worker's.
    has_differed: bool,
    epochs: Epochs<T>,
    verdicts: Vec<(usize, Code)>,
    /// One of the refused records that were not computed here yet.
    refusal: Option<Refusal<K::In>>,
}

impl<T: Timestamp, K: Task> BurstState<T, K>
where
    K::Out: Container,
{
    pub(super) fn new(
        task: Arc<K>,
        burst: Burst<T, K::In>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let peer_queue = burst.peers.join(task.name(), Arc::clone(&wake));
        let pool = burst.pool.map(|pool| pool.worker(task.name()));
        let (reply_sender, reply_receiver) = reply_channel(wake);
        let remote = burst.bridge.map(|bridge| bridge.remote_task(Arc::clone(&task)));
        let is_only_side = remote.as_ref().is_some_and(|remote| remote.settings().is_only_side);
        let policy = if is_only_side { Box::new(policy::Remote) } else { burst.policy };
        BurstState {
            sampler: Sampler::new(remote.as_ref().map_or(0.0, |remote| remote.settings().verify)),
            verifying: VecDeque::new(),
            has_differed: false,
            remote,
            is_only_side,
            peer_queue,
            pool,
            pool_checks: PoolChecks::default(),
            task,
            scheduler: Scheduler::new(policy, burst.deadline.as_nanos() as Nanos, &burst.plan),
            reply_sender,
            reply_receiver,
            clock: burst.clock,
            schedule: burst.schedule,
            slice: burst.slice,
            backpressure: burst.backpressure,
            observer: burst.observer,
            epochs: Epochs::new(),
            verdicts: Vec::new(),
            refusal: None,
        }
    }

    /// Returns what is known of the remote side now. None without a bridge.
    pub(super) fn offer(&self) -> Option<Offer> {
        self.remote.as_ref().map(RemoteTask::offer)
    }

    /// Adds a container to the queue.
    pub(super) fn accept(
        &mut self,
        epoch: &T,
        batch: K::In,
        capabilities: impl FnOnce() -> Option<(Capability<T>, Capability<T>)>,
    ) {
        let records = batch.len();
        let weight = batch.weight(&(0..records));
        if records == 0 || !self.epochs.received(epoch, weight as u64, capabilities) {
            return;
        }
        let arrival = self.clock.now();
        let record_bytes = batch.size().div_ceil(records);
        self.backpressure.add(weight, records * record_bytes);
        self.observer.received(weight);
        self.scheduler.weighed(records, weight);
        let batch = Arc::new(batch);
        let origin = Origin { epoch: epoch.clone(), batch: Arc::clone(&batch), record_bytes };
        let mut next = 0;
        let mut accept = |records: usize, scheduled| {
            self.scheduler.accept(arrival, next..next + records, scheduled, origin.clone());
            next += records;
        };
        match &self.schedule {
            Some(schedule) => schedule(epoch, &batch, &mut accept),
            None => accept(records, Span::at(arrival)),
        }
    }

    /// Calls `each` with the count of every epoch that the frontier has passed since `from`. The
    /// epoch `from` is included even if it has no records.
    pub(super) fn count(
        &mut self,
        from: &T,
        frontier: &MutableAntichain<T>,
        mut each: impl FnMut(&T, u64),
    ) {
        if self.epochs.records(from) == 0 {
            each(from, 0);
        }
        for time in self.epochs.times() {
            if from <= time && !frontier.less_equal(time) {
                each(time, self.epochs.records(time));
            }
        }
    }

    /// Records the final count of an epoch.
    pub(super) fn offered(&mut self, epoch: T, offered: Offered) {
        self.observer.offered(&epoch, offered);
        self.epochs.offered(epoch, offered);
        let warm_up = self.remote.as_ref().and_then(|remote| remote.settings().warm_up);
        if let Some(expected) = self.scheduler.offered(offered, warm_up)
            && let Some(remote) = &self.remote
        {
            remote.expect(expected);
        }
    }

    /// Drops the capabilities of complete epochs, and reports the state to the observer, the peers
    /// and the bridge.
    pub(super) fn finish_turn(&mut self, offer: Option<Offer>, frontier: &MutableAntichain<T>) {
        let is_idle =
            self.pool.is_none() && !self.scheduler.has_own_work(offer) && self.verifying.is_empty();
        // Enough work to last until the peers plan again.
        self.peer_queue.receive(if is_idle {
            self.scheduler.records_within(2 * self.slice)
        } else {
            0
        });
        self.epochs.complete(frontier);
        self.epochs.publish(&mut *self.observer);
        self.observer.frontier(self.epochs.oldest(frontier).as_ref());
        let [queued, in_flight] = [self.scheduler.waiting(), self.scheduler.in_flight()];
        self.observer.backlog(self.scheduler.weigh(queued), self.scheduler.weigh(in_flight));
        if let Some(rate) = self.scheduler.true_rate() {
            self.observer.true_rate(rate);
        }
        if let (Some(remote), Some(offer)) = (&self.remote, offer)
            && let Some(time) = self.scheduler.report_load(offer, self.reply_sender.local_load())
        {
            let pooled = self.pool.as_ref().and_then(PoolWorker::process_time);
            remote.set_local_record_time(pooled.unwrap_or(time));
        }
    }

    /// When the operator has to be scheduled again without new input: now, or when the oldest work
    /// item becomes late.
    pub(super) fn next_wakeup(&mut self, offer: Option<Offer>) -> Option<Duration> {
        let has_own_work = self.scheduler.has_own_work(offer);
        if self.pool.is_some() && (has_own_work || !self.verifying.is_empty()) {
            // The pool has no room. The policy may send some of what waits, and other workers may leave room.
            return Some(self.slice);
        }
        if has_own_work || !self.verifying.is_empty() || self.peer_queue.has_work() {
            return Some(Duration::ZERO);
        }
        let remote = self.remote.as_ref()?;
        if self.scheduler.waiting() > 0 && !remote.waits_for_room(&self.reply_sender) {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let late = self.scheduler.next_late(now, offer)?;
        Some(Duration::from_nanos(late.saturating_sub(now)))
    }
}
