//! State of a burst operator on one worker: its queue, its work in flight and its open epochs.
//!
//! `dispatch` sends records away, `replies` handles results and returned records, `work` computes
//! records on the worker.

mod dispatch;
mod replies;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilderSession;
use timely::progress::Timestamp;
use timely::progress::frontier::MutableAntichain;

use super::epochs::Epochs;
use super::in_flight::InFlight;
use super::peers::PeerQueue;
use super::verify::{Sampler, Verification};
use super::{Backpressure, Burst, Clock, Observer};
use crate::batch::{Nanos, Records, Span};
use crate::bridge::{Offer, RemoteTask, ReplyReceiver, ReplySender, reply_channel};
use crate::policy::{Offered, Policy, Queue, Take, Taken, TrueRate};
use crate::remote_rates::remote_rates;
use crate::task::{Bad, Code, Task};

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
}

impl<T: Clone, C> Clone for Origin<T, C> {
    fn clone(&self) -> Self {
        Origin { epoch: self.epoch.clone(), batch: Arc::clone(&self.batch) }
    }
}

pub(super) struct BurstState<T: Timestamp, K: Task> {
    task: Arc<K>,
    policy: Box<dyn Policy>,
    remote: Option<RemoteTask<K>>,
    peer_queue: PeerQueue<K>,
    reply_sender: ReplySender<K::Out>,
    reply_receiver: ReplyReceiver<K::Out>,
    clock: Clock,
    schedule: Option<Box<dyn Fn(&K::In) -> Span>>,
    slack: Nanos,
    slice: Duration,
    backpressure: Backpressure,
    observer: Box<dyn Observer<T>>,
    queue: Queue<Origin<T, K::In>>,
    in_flight: InFlight<T, K::In>,
    /// When the operator last yielded although it had records to compute.
    paused_at: Option<Instant>,
    /// When the policy was last asked for the rate that it expects to send.
    forecast_at: Nanos,
    sampler: Sampler,
    verifying: VecDeque<Verification<T, K>>,
    epochs: Epochs<T>,
    true_rate: TrueRate,
    takes: Vec<Take>,
    taken: Vec<Taken<Origin<T, K::In>>>,
    verdicts: Vec<(usize, Code)>,
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
        let (reply_sender, reply_receiver) = reply_channel(wake);
        let remote = burst.bridge.map(|bridge| bridge.remote_task(Arc::clone(&task)));
        BurstState {
            sampler: Sampler::new(remote.as_ref().map_or(0.0, |remote| remote.settings().verify)),
            verifying: VecDeque::new(),
            paused_at: None,
            forecast_at: 0,
            remote,
            peer_queue,
            task,
            policy: burst.policy,
            reply_sender,
            reply_receiver,
            clock: burst.clock,
            schedule: burst.schedule,
            slack: burst.deadline.as_nanos() as Nanos,
            slice: burst.slice,
            backpressure: burst.backpressure,
            observer: burst.observer,
            queue: Queue::default(),
            in_flight: InFlight::new(),
            epochs: Epochs::new(),
            true_rate: TrueRate::default(),
            takes: Vec::new(),
            taken: Vec::new(),
            verdicts: Vec::new(),
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
        if records == 0 || !self.epochs.received(epoch, records as u64, capabilities) {
            return;
        }
        let arrival = self.clock.now();
        let scheduled = self.schedule.as_ref().map_or(Span::at(arrival), |of| of(&batch));
        self.backpressure.add(records, batch.size(&(0..records)));
        self.observer.received(records);
        let origin = Origin { epoch: epoch.clone(), batch: Arc::new(batch) };
        self.queue.push(0..records, arrival, scheduled, self.slack, origin);
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

    /// Records the final count of an epoch. When the rate approaches the policy's threshold,
    /// environments are started ahead.
    pub(super) fn offered(&mut self, epoch: T, offered: Offered) {
        self.policy.on_epoch(offered);
        self.observer.offered(&epoch, offered);
        self.epochs.offered(epoch, offered);
        if let Some(remote) = &self.remote
            && let Some(share) = remote.settings().warm_up
            // A policy that sends everything starts environments by what it sends.
            && !self.policy.is_remote_only()
            && let Some(offload_threshold) = self.policy.offload_threshold()
            && let Some(expected) = offered.expected_excess(offload_threshold, share)
        {
            remote.expect(expected);
        }
    }

    /// Drops the capabilities of complete epochs, and reports the state to the observer, the peers
    /// and the bridge.
    pub(super) fn finish_turn(&mut self, offer: Option<Offer>, frontier: &MutableAntichain<T>) {
        let is_idle = !self.has_own_work(offer) && self.verifying.is_empty();
        // Enough work to last until the peers plan again.
        self.peer_queue.receive(if is_idle {
            self.true_rate.records_within(2 * self.slice)
        } else {
            0
        });
        self.epochs.complete(frontier);
        self.epochs.publish(&mut *self.observer);
        self.observer.backlog(self.queue.records(), self.in_flight.records());
        let rate = self.true_rate.get();
        if let Some(rate) = rate {
            self.observer.true_rate(rate);
        }
        if let (Some(remote), Some(offer)) = (&self.remote, offer) {
            // Returned records are computed first. The other records delay them only if they cannot
            // be sent instead.
            let latency = remote_rates(offer).remote;
            let ahead = match self.policy.returned_work_skips_queue(latency) {
                true => self.queue.returned_records(),
                false => self.queue.records(),
            };
            match self.policy.is_remote_only() {
                true => self.reply_sender.local_load().set_remote_only(),
                false => self.reply_sender.local_load().set(ahead, rate),
            }
            if let Some(rate) = rate {
                remote.set_local_record_time(Duration::from_secs_f64(1.0 / rate.max(1e-9)));
            }
        }
    }

    /// When the operator has to be scheduled again without new input: now, or when the oldest work
    /// item becomes late.
    pub(super) fn next_wakeup(&mut self, offer: Option<Offer>) -> Option<Duration> {
        if self.has_own_work(offer) || !self.verifying.is_empty() || self.peer_queue.has_work() {
            return Some(Duration::ZERO);
        }
        let remote = self.remote.as_ref()?;
        if !self.queue.is_empty() {
            remote.wake_when_there_is_room(&self.reply_sender);
            // The offer may have changed before the bridge knew whom to wake.
            let offer = remote.offer();
            if offer.room > 0 || !offer.is_available {
                return Some(Duration::ZERO);
            }
        }
        self.in_flight.next_late(self.late_after(offer)?)
    }

    /// Whether the worker may compute the front of the queue, or has to leave it to the remote
    /// side.
    fn has_own_work(&self, offer: Option<Offer>) -> bool {
        let Some((entry, _)) = self.queue.front() else { return false };
        let waits = self.policy.is_remote_only() && !entry.returned;
        !(waits && offer.is_some_and(|offer| offer.is_available))
    }

    /// Age from which the worker computes the records of a work item itself. None if the policy is
    /// remote only.
    fn late_after(&self, offer: Option<Offer>) -> Option<Duration> {
        offer.filter(|_| !self.policy.is_remote_only()).map(|offer| offer.late)
    }
}
