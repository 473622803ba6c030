//! What a worker decides: which records it sends, and which ones it computes next.
//!
//! The scheduler holds the worker's queue, its records in flight, its policy and its measured rate. It knows no
//! clock, no container and no thread: the burst operator drives it in a run, and the simulation in simulated time.

mod in_flight;
mod plan;
mod weight;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::{Nanos, Span};
use crate::bridge::{LocalLoad, Offer, PendingRanges, Settings};
use crate::policy::{
    Completed, Entry, FORECAST_INTERVAL, Offered, Policy, Queue, Rates, RemoteLatency, Route, Side,
    Take, Taken, TrueRate,
};
use in_flight::InFlight;
pub use plan::Plan;
use plan::{Known, Member};
use weight::Weight;

/// The decisions of a worker. `P` is what the driver needs to know of a container; a clone is cheap.
pub(crate) struct Scheduler<P> {
    policy: Box<dyn Policy>,
    /// Its part in the plan of all stages on the worker.
    member: Member,
    /// Time from when a record is scheduled to when the result of the graph is due.
    slack: Nanos,
    queue: Queue<P>,
    in_flight: InFlight<P>,
    true_rate: TrueRate,
    /// How many records of the stream a record of the queue stands for.
    weight: Weight,
    /// When the worker last yielded although it had records to compute.
    paused_at: Option<Nanos>,
    /// When the policy was last asked for the rate that it expects to send.
    forecast_at: Nanos,
    takes: Vec<Take>,
    taken: Vec<Taken<P>>,
}

/// A work item that was handed over.
pub(crate) struct HandedOver {
    /// Its records without a result.
    pub pending: Arc<PendingRanges>,
    pub route: Route,
    /// How many of its records nobody took. They are the last ones, and stay with the worker.
    pub refused: usize,
}

/// How records reach the remote side and peers.
pub(crate) trait Handover<P> {
    /// Returns the settings of the bridge, if there is one.
    fn settings(&self) -> Option<&Settings>;

    /// Announces that `records_per_second` are expected to be sent soon.
    fn expect(&mut self, records_per_second: f64);

    /// Hands over a work item. With `urgent`, it and all earlier ones are sent although their request is not full.
    fn hand_over(&mut self, id: u64, taken: &Taken<P>, urgent: bool) -> HandedOver;
}

impl<P: Clone> Scheduler<P> {
    pub(crate) fn new(policy: Box<dyn Policy>, slack: Nanos, plan: &Plan) -> Self {
        Scheduler {
            policy,
            member: plan.member(),
            slack,
            queue: Queue::default(),
            in_flight: InFlight::default(),
            true_rate: TrueRate::default(),
            weight: Weight::default(),
            paused_at: None,
            forecast_at: 0,
            takes: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Returns the number of records that wait to be sent or computed.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.records()
    }

    /// Returns the number of records that are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.records()
    }

    /// Returns the measured rate of the worker, in records of the stream per second.
    pub(crate) fn true_rate(&self) -> Option<f64> {
        Some(self.true_rate.get()? * self.weight.mean())
    }

    /// Returns about how many records of the stream so many records of the queue stand for.
    pub(crate) fn weigh(&self, records: usize) -> usize {
        (records as f64 * self.weight.mean()).round() as usize
    }

    /// Notes that `records` arrive which stand for `weight` records of the stream. What is not noted stands for itself.
    pub(crate) fn weighed(&mut self, records: usize, weight: usize) {
        self.weight.add(records, weight);
    }

    /// Returns how many records the worker computes within `time`.
    pub(crate) fn records_within(&self, time: Duration) -> usize {
        let records = self.true_rate.records_within(time);
        match self.true_rate.get() {
            Some(_) => records,
            // What is guessed are records of the stream.
            None => ((records as f64 / self.weight.mean()) as usize).max(1),
        }
    }

    /// Adds the records of a container that arrived at `now`.
    pub(crate) fn accept(&mut self, now: Nanos, range: Range<usize>, scheduled: Span, payload: P) {
        self.member.received(range.len());
        self.queue.push(range, now, scheduled, self.slack, payload);
    }

    /// Records the final count of an epoch, in records of the stream. Returns the rate to announce to the remote side, when
    /// the rate approaches the policy's threshold: `warm_up` is the share of it from which environments are started.
    pub(crate) fn offered(&mut self, offered: Offered, warm_up: Option<f64>) -> Option<f64> {
        self.policy.on_epoch(offered);
        // A policy that sends everything starts environments by what it sends.
        if self.policy.is_remote_only() {
            return None;
        }
        let excess = offered.expected_excess(self.policy.offload_threshold()?, warm_up?)?;
        Some(excess / self.weight.mean())
    }

    /// Sends the records that the policy names, the oldest first, and returns how many the remote side took.
    /// The policy is not asked while nobody has room. The rate that it expects to send is announced from time to time
    /// if environments are to be started for it.
    pub(crate) fn plan(
        &mut self,
        now: Nanos,
        offer: Offer,
        peers: usize,
        to: &mut impl Handover<P>,
    ) -> usize {
        let warm_up = to.settings().is_some_and(|settings| settings.warm_up.is_some());
        self.publish(now, offer, to.settings());
        if self.queue.is_empty() || offer.room == 0 && peers == 0 {
            return 0;
        }
        let rates = Rates {
            local: self.true_rate.get(),
            share: self.true_rate.useful_share(),
            reserved: self.member.reserved(),
            after: self.member.after(),
            begun: self.in_flight.pooled(),
            in_flight: self.in_flight.records() - self.in_flight.pooled(),
            peers,
            waiting: self.queue.records(),
            weight: self.weight.mean(),
            slack: self.stage_slack(),
            ..remote_rates(offer)
        };
        let queue = self.queue.entries();
        self.policy.plan(now, &queue, rates, &mut self.takes);
        if warm_up && now.saturating_sub(self.forecast_at) >= FORECAST_INTERVAL {
            self.forecast_at = now;
            let expected = self.policy.expected_rate(now, &queue, rates);
            if expected > 0.0 {
                to.expect(expected);
            }
        }
        if self.takes.is_empty() { 0 } else { self.send(now, to) }
    }

    /// Tells the other stages what this one holds, and learns what they need.
    fn publish(&mut self, now: Nanos, offer: Offer, settings: Option<&Settings>) {
        if self.member.is_alone() {
            return;
        }
        let rate = self.true_rate.get();
        let batch = offer.max_records.max(1);
        let sends = self.policy.plans_by_due_time() || self.policy.offload_threshold().is_some();
        let settings = settings.filter(|_| sends);
        let usd = settings
            .zip(rate)
            .map(|(settings, rate)| settings.cost.usd_per_record(batch, 1e3 / rate));
        let known = Known {
            now,
            slack: self.slack,
            rate,
            share: self.true_rate.useful_share(),
            latency: offer.p99.as_nanos() as Nanos,
            batch,
            usd: usd.unwrap_or(0.0),
            can_send: settings.is_some(),
        };
        let [front, back] = self.queue.entries();
        let newest = back.iter().rev().chain(front.iter().rev());
        let waiting = (self.queue.records(), newest);
        self.member.publish(&known, waiting, self.in_flight.entries());
    }

    /// Returns the time from a record's schedule to when its result of this stage is due.
    fn stage_slack(&self) -> Nanos {
        self.slack.saturating_sub(self.member.after())
    }

    /// Sends the taken records.
    fn send(&mut self, now: Nanos, to: &mut impl Handover<P>) -> usize {
        let mut taken = std::mem::take(&mut self.taken);
        self.queue.take_all(&mut self.takes, |take| taken.push(take));
        let (mut refused, mut sent) = (Vec::new(), 0);
        let plans_by_due_time = self.policy.plans_by_due_time();
        // The queue hands them over from the last to the first.
        let mut taking = taken.drain(..).rev().peekable();
        while let Some(one) = taking.next() {
            let id = self.in_flight.next_id();
            let urgent = plans_by_due_time && taking.peek().is_none();
            let handed_over = to.hand_over(id, &one, urgent);
            let Taken { entry, payload, .. } = one;
            let left = entry.records() - handed_over.refused;
            let middle = entry.range.start + left;
            if handed_over.refused > 0 {
                refused.push((entry.slice(middle..entry.range.end), payload.clone()));
            }
            if left > 0 {
                let HandedOver { pending, route, .. } = handed_over;
                sent += if route == Route::Remote { left } else { 0 };
                let entry = entry.slice(entry.range.start..middle);
                self.in_flight.insert(now, id, entry, payload, pending, route);
            }
        }
        if sent > 0 {
            self.member.sent(now, self.slack);
        }
        drop(taking);
        self.taken = taken;
        for (entry, payload) in refused.into_iter().rev() {
            self.queue.put_back(entry, payload);
        }
        sent
    }

    /// Accounts for a reply with `records` records of the work item `id`. Returns the entry of the work item, its
    /// payload and its route. None if it is not in flight any more.
    pub(crate) fn answered(&mut self, id: u64, records: usize) -> Option<(Entry, P, Route)> {
        self.in_flight.answered(id, records)
    }

    /// Notes that the remote side billed `usd` for the results of `records`.
    pub(crate) fn paid(&mut self, records: usize, usd: f64) {
        self.member.paid(records, usd);
    }

    /// Puts returned records back. This worker computes them.
    pub(crate) fn put_returned(&mut self, entry: Entry, range: Range<usize>, payload: P) {
        self.queue.put_returned(entry, range, payload);
    }

    /// Tells the policy of records that have results.
    pub(crate) fn completed(
        &mut self,
        now: Nanos,
        route: Route,
        scheduled: Span,
        records: usize,
    ) -> Completed {
        let side = if route.is_remote() { Side::Remote } else { Side::Local };
        self.member.done(records);
        let slack = self.slack.saturating_sub(self.member.least_after());
        let completed = Completed::at(now, side, scheduled, slack, records);
        // The times of returned records say nothing about either side.
        if route != Route::Returned {
            self.policy.on_completed(now, completed);
        }
        completed
    }

    /// Returns whether the worker may compute the front of the queue, or has to leave it to the remote side.
    pub(crate) fn has_own_work(&self, offer: Option<Offer>) -> bool {
        let Some((entry, _)) = self.queue.front() else { return false };
        let waits = self.policy.is_remote_only() && !entry.returned;
        let must_wait = |offer: Offer| offer.is_only_side || waits && offer.is_available;
        !offer.is_some_and(must_wait)
    }

    /// Takes up to `records` records for the worker to compute at `now`: the front of the queue first, then the
    /// oldest late ones. Returns also the route that they have then taken.
    pub(crate) fn next(
        &mut self,
        now: Nanos,
        records: usize,
        offer: Option<Offer>,
    ) -> Option<(Entry, P, Route)> {
        if !self.member.has_turn() {
            return None;
        }
        if self.has_own_work(offer)
            && let Some(Taken { entry, payload, .. }) = self.queue.take_front(records)
        {
            let route = if entry.returned { Route::Returned } else { Route::Local };
            return Some((entry, payload, route));
        }
        self.in_flight.take_late(now, self.late_after(offer)?, records)
    }

    /// Returns the id of a work item for the pool.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.in_flight.next_id()
    }

    /// Notes that the pool computes records that [`Scheduler::next`] has returned.
    pub(crate) fn pooled(
        &mut self,
        now: Nanos,
        id: u64,
        (entry, payload, route): (Entry, P, Route),
        pending: Arc<PendingRanges>,
    ) {
        self.in_flight.insert(now, id, entry, payload, pending, route);
    }

    /// Returns the age from which the worker computes the records of a work item itself. None if the policy leaves
    /// them to the remote side.
    fn late_after(&self, offer: Option<Offer>) -> Option<Nanos> {
        let offer = offer.filter(|_| !self.policy.is_remote_only())?;
        Some(offer.late.as_nanos() as Nanos)
    }

    /// Returns when the worker has to be woken because its oldest work item becomes late. None if it will be woken
    /// in time.
    pub(crate) fn next_late(&mut self, now: Nanos, offer: Option<Offer>) -> Option<Nanos> {
        self.in_flight.next_late(now, self.late_after(offer)?)
    }

    /// Records that the worker begins to compute.
    pub(crate) fn resume(&mut self, now: Nanos, offer: Option<Offer>) {
        self.set_next(now, offer);
        if let Some(paused_at) = self.paused_at.take() {
            let elapsed = Duration::from_nanos(now.saturating_sub(paused_at));
            self.record_other(elapsed.saturating_sub(self.member.worked_meanwhile()));
        }
    }

    /// Records that the worker yields.
    pub(crate) fn pause(&mut self, now: Nanos, offer: Option<Offer>) {
        self.paused_at = self.has_own_work(offer).then_some(now);
        self.member.pause();
        self.set_next(now, offer);
    }

    /// Tells the other stages which record this one would compute next.
    fn set_next(&self, now: Nanos, offer: Option<Offer>) {
        let next = self.queue.front().map(|(entry, _)| entry);
        self.member.set_next(now, next.filter(|_| self.has_own_work(offer)));
    }

    /// Records that the worker computed records.
    pub(crate) fn record(&mut self, records: usize, took: Duration) {
        self.true_rate.record(records, took);
        self.member.useful(took);
    }

    /// Records time that the worker had no part of for its records, although some waited.
    pub(crate) fn record_other(&mut self, took: Duration) {
        self.true_rate.record_other(took);
    }

    /// Reports the worker's load to the bridge. Returns the time that a record takes, if it is known: the longest of all
    /// stages, because their requests have one estimate of the latency.
    pub(crate) fn report_load(&self, offer: Offer, load: &LocalLoad) -> Option<Duration> {
        let rate = self.true_rate.get();
        // Returned records are computed first. The other records delay them only if they cannot be sent instead.
        let ahead = match self.policy.returned_work_skips_queue(remote_rates(offer).remote) {
            true => self.queue.returned_records(),
            false => self.queue.records(),
        };
        match self.policy.is_remote_only() {
            true => load.set_remote_only(),
            false => load.set(self.in_flight.pooled() + ahead, rate),
        }
        let own = Duration::from_secs_f64(1.0 / rate?.max(1e-9));
        Some(own.max(self.member.longest_record()))
    }
}

/// Returns what policies know of the remote side. The values of the worker are left at their defaults.
fn remote_rates(offer: Offer) -> Rates<'static> {
    let nanos = |time: Duration| time.as_nanos() as Nanos;
    Rates {
        room: offer.room,
        warm_room: offer.warm_room,
        batch: offer.max_records.max(1),
        remote: RemoteLatency {
            median: nanos(offer.median),
            p99: nanos(offer.p99),
            cold_start: nanos(offer.cold),
            failure_rate: offer.failure_rate,
        },
        ..Rates::default()
    }
}
