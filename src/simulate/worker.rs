//! A worker in simulated time: it does what the burst operator does, without records.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;

use super::bridge::{Bridge, Reply};
use super::item::WorkItem;
use super::lambda::Remote;
use super::outcome::{Made, Outcome, Timeline};
use super::{Service, Stream, TICK};
use crate::batch::{Nanos, Span};
use crate::bridge::PendingRanges;
use crate::bridge::core::Part;
use crate::policy::{
    Completed, Destination, Entry, FORECAST_INTERVAL, Offered, Policy, Queue, Rates, Route, Side,
    Take, Taken, TrueRate,
};

/// A work item in flight.
struct Away {
    entry: Entry,
    is_burst: bool,
    pending: Arc<PendingRanges>,
    left: usize,
    since: Nanos,
}

/// What a worker uses of the simulation.
pub(super) struct World<'a, R> {
    pub stream: &'a Stream,
    pub service: &'a Service,
    pub slack: Nanos,
    pub max_backlog: usize,
    pub bridge: Option<&'a mut Bridge<R>>,
    pub outcome: &'a mut Outcome,
    pub random: &'a mut StdRng,
}

pub(super) struct Worker {
    index: usize,
    policy: Box<dyn Policy>,
    /// The queue. The payload says whether the container arrived in a burst.
    queue: Queue<bool>,
    away: BTreeMap<u64, Away>,
    in_flight: usize,
    next_id: u64,
    true_rate: TrueRate,
    /// When it has finished what it has begun.
    free_at: Nanos,
    left: Option<Nanos>,
    forecast_at: Nanos,
    /// The next tick whose events its source has not emitted, and whether the source waits.
    source: u64,
    is_held: bool,
    takes: Vec<Take>,
    taken: VecDeque<Taken<bool>>,
}

impl Worker {
    pub(super) fn new(index: usize, policy: Box<dyn Policy>) -> Self {
        Worker {
            index,
            policy,
            queue: Queue::default(),
            away: BTreeMap::new(),
            in_flight: 0,
            next_id: 0,
            true_rate: TrueRate::default(),
            free_at: 0,
            left: None,
            forecast_at: 0,
            source: 0,
            is_held: false,
            takes: Vec::new(),
            taken: VecDeque::new(),
        }
    }

    /// Returns when the worker is free, not before `now`.
    pub(super) fn free_at(&self, now: Nanos) -> Nanos {
        self.free_at.max(now)
    }

    /// Returns the tick up to which its source has emitted.
    pub(super) fn source(&self) -> u64 {
        self.source
    }

    /// Returns the number of records that it holds, queued and in flight.
    pub(super) fn held(&self) -> usize {
        self.queue.records() + self.in_flight
    }

    /// Records that an epoch is final.
    pub(super) fn offered<R: Remote>(&mut self, offered: Offered, bridge: Option<&mut Bridge<R>>) {
        self.policy.on_epoch(offered);
        if let Some(bridge) = bridge
            && let Some(share) = bridge.settings().warm_up
            && !self.policy.is_remote_only()
            && let Some(offload_threshold) = self.policy.offload_threshold()
            && let Some(expected) = offered.expected_excess(offload_threshold, share)
        {
            bridge.expect(expected);
        }
    }

    /// Simulates one turn of the operators from `now` to `until`: the source emits the events that are due,
    /// replies are processed, the policy plans, and the worker computes.
    pub(super) fn turn<R: Remote>(&mut self, now: Nanos, until: Nanos, world: &mut World<'_, R>) {
        self.emit(now, world);
        self.replies(now, world);
        self.plan(now, world);
        self.work(now, until, world);
        if let Some(bridge) = &mut world.bridge {
            let ahead = match self.policy.returned_work_skips_queue(bridge.rates(now).remote) {
                true => self.queue.returned_records(),
                false => self.queue.records(),
            };
            let ahead = (!self.policy.is_remote_only()).then_some(ahead);
            let rate = self.true_rate.get();
            match ahead {
                Some(ahead) => bridge.local_load(self.index).set(ahead, rate),
                None => bridge.local_load(self.index).set_remote_only(),
            }
            if let Some(rate) = rate {
                bridge.set_local_rate(rate);
            }
        }
    }

    /// Simulates the source. It stops at the bound, and continues at three quarters of it.
    fn emit<R: Remote>(&mut self, now: Nanos, world: &mut World<'_, R>) {
        let due = (now / TICK).min(world.stream.ticks());
        while self.source < due {
            let bound = world.max_backlog;
            let limit = if self.is_held { bound / 4 * 3 } else { bound };
            self.is_held = self.held() > 0 && self.held() >= limit;
            if self.is_held {
                world.outcome.backpressured += TICK;
                return;
            }
            let tick = world.stream.tick(self.source);
            let records = world.stream.own(self.index, &tick);
            if records > 0 {
                self.queue.push(0..records, now, tick.scheduled, world.slack, tick.is_burst);
            }
            self.source += 1;
        }
    }

    fn replies<R: Remote>(&mut self, now: Nanos, world: &mut World<'_, R>) {
        while let Some(bridge) = &mut world.bridge
            && let Some(Reply { id, range, is_done }) = bridge.reply(self.index)
        {
            let Some(away) = self.away.get_mut(&id) else { continue };
            let (entry, is_burst) = (away.entry.slice(range.clone()), away.is_burst);
            away.left -= range.len();
            self.in_flight -= range.len();
            if away.left == 0 {
                self.away.remove(&id);
            }
            if is_done {
                self.made(now, Route::Remote, &entry, is_burst, world);
            } else {
                self.queue.put_returned(entry, range, is_burst);
            }
        }
    }

    fn made<R: Remote>(
        &mut self,
        now: Nanos,
        path: Route,
        entry: &Entry,
        is_burst: bool,
        world: &mut World<'_, R>,
    ) {
        let (scheduled, records): (Span, usize) = (entry.scheduled, entry.records());
        let side = if path.is_remote() { Side::Remote } else { Side::Local };
        let done = Completed::at(now, side, scheduled, world.slack, records);
        if path != Route::Returned {
            self.policy.on_completed(now, done);
        }
        let late = done.late;
        world.outcome.note(now, &Made { path, scheduled, records, late, is_burst });
    }

    fn plan<R: Remote>(&mut self, now: Nanos, world: &mut World<'_, R>) {
        let Some(bridge) = &mut world.bridge else { return };
        if self.queue.is_empty() {
            return;
        }
        let remote = bridge.rates(now);
        if remote.room == 0 {
            return;
        }
        let rates = Rates {
            local: self.true_rate.get(),
            share: self.true_rate.useful_share(),
            in_flight: self.in_flight,
            waiting: self.queue.records(),
            slack: world.slack,
            ..remote
        };
        let queue = self.queue.entries();
        self.policy.plan(now, &queue, rates, &mut self.takes);
        if now.saturating_sub(self.forecast_at) >= FORECAST_INTERVAL
            && bridge.settings().warm_up.is_some()
        {
            self.forecast_at = now;
            let expected = self.policy.expected_rate(now, &queue, rates);
            if expected > 0.0 {
                bridge.expect(expected);
            }
        }
        // The queue hands them over from the last to the first; the oldest is sent first.
        let taken = &mut self.taken;
        self.queue.take_all(&mut self.takes, |take| taken.push_front(take));
        let urgent = self.policy.plans_by_due_time();
        let mut taken = self.taken.drain(..).peekable();
        while let Some(Taken { entry, payload: is_burst, to }) = taken.next() {
            let (id, left, range) = (self.next_id, entry.records(), entry.range.clone());
            self.next_id += 1;
            self.in_flight += left;
            let part = Part {
                warm_only: to == Some(Destination::Warm),
                urgent: urgent && taken.peek().is_none(),
                ..Part::new(range)
            };
            let pending = Arc::clone(&part.pending);
            Timeline::add(&mut world.outcome.timeline.sent, now / TICK, left);
            self.away.insert(id, Away { entry, is_burst, pending, left, since: now });
            let local_load = Rc::clone(bridge.local_load(self.index));
            bridge.send(now, WorkItem { worker: self.index, id, part, local_load });
        }
    }

    /// Computes from `now` to `until` or slightly longer: the front of the queue first, then late records.
    fn work<R: Remote>(&mut self, now: Nanos, until: Nanos, world: &mut World<'_, R>) {
        if let Some(left) = self.left.take() {
            self.true_rate.record_other(Duration::from_nanos(now.saturating_sub(left)));
        }
        let mut at = now;
        while at < until {
            let fit = self.true_rate.records_within(Duration::from_nanos(until - at));
            let (entry, is_burst, path) = if self.has_own_work(world)
                && let Some(taken) = self.queue.take_front(fit)
            {
                let path = if taken.entry.returned { Route::Returned } else { Route::Local };
                (taken.entry, taken.payload, path)
            } else if let Some((entry, is_burst)) = self.take_late(at, fit, world) {
                (entry, is_burst, Route::Returned)
            } else {
                break;
            };
            let took = world.service.draw(at, entry.records(), world.random);
            self.true_rate.record(entry.records(), Duration::from_nanos(took));
            at += took;
            self.made(at, path, &entry, is_burst, world);
        }
        self.free_at = at;
        self.left = self.has_own_work(world).then_some(at);
    }

    /// Returns whether the worker computes the front of the queue itself, or leaves it to the remote side.
    fn has_own_work<R: Remote>(&self, world: &World<'_, R>) -> bool {
        let Some((entry, _)) = self.queue.front() else { return false };
        let waits = self.policy.is_remote_only() && !entry.returned;
        !(waits && world.bridge.as_ref().is_some_and(|bridge| bridge.is_available()))
    }

    /// Takes up to `records` records from the oldest work item that is late.
    fn take_late<R: Remote>(
        &mut self,
        now: Nanos,
        records: usize,
        world: &World<'_, R>,
    ) -> Option<(Entry, bool)> {
        // Records that are left to the remote side are returned without this.
        let bridge = world.bridge.as_ref().filter(|_| !self.policy.is_remote_only())?;
        let late = bridge.offer(now).late.as_nanos() as Nanos;
        let (id, range) = self
            .away
            .iter()
            .take_while(|(_, away)| now.saturating_sub(away.since) >= late)
            .find_map(|(id, away)| Some((*id, away.pending.take_front(records)?)))?;
        let away = self.away.get_mut(&id)?;
        away.left -= range.len();
        self.in_flight -= range.len();
        let taken = (away.entry.slice(range), away.is_burst);
        if away.left == 0 {
            self.away.remove(&id);
        }
        Some(taken)
    }
}
