//! A worker in simulated time: it does what the burst operator does, without records.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;

use super::bridge::{Bridge, Reply};
use super::item::WorkItem;
use super::lambda::Remote;
use super::outcome::{Made, Outcome, Timeline};
use super::{Service, Stream, TICK};
use crate::batch::Nanos;
use crate::bridge::core::Part;
use crate::policy::{Destination, Entry, Offered, Policy, Route, Taken};
use crate::scheduler::{HandedOver, Handover, Scheduler};

/// What a worker uses of the simulation.
pub(super) struct World<'a, R> {
    pub stream: &'a Stream,
    pub service: &'a Service,
    pub max_backlog: usize,
    pub bridge: Option<&'a mut Bridge<R>>,
    pub outcome: &'a mut Outcome,
    pub random: &'a mut StdRng,
}

pub(super) struct Worker {
    index: usize,
    /// The payload says whether the container arrived in a burst.
    scheduler: Scheduler<bool>,
    /// When it has finished what it has begun.
    free_at: Nanos,
    /// The next tick whose events its source has not emitted, and whether the source waits.
    source: u64,
    is_held: bool,
}

/// The bridge, as a worker hands records over to it.
struct Outlet<'a, R> {
    worker: usize,
    now: Nanos,
    bridge: &'a mut Bridge<R>,
}

impl Worker {
    /// `slack` is the time from when a record is scheduled to when its result is due.
    pub(super) fn new(index: usize, policy: Box<dyn Policy>, slack: Nanos) -> Self {
        let scheduler = Scheduler::new(policy, slack);
        Worker { index, scheduler, free_at: 0, source: 0, is_held: false }
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
        self.scheduler.waiting() + self.scheduler.in_flight()
    }

    /// Records that an epoch is final.
    pub(super) fn offered<R: Remote>(&mut self, offered: Offered, bridge: Option<&mut Bridge<R>>) {
        let warm_up = bridge.as_ref().and_then(|bridge| bridge.settings().warm_up);
        if let Some(expected) = self.scheduler.offered(offered, warm_up)
            && let Some(bridge) = bridge
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
            let offer = bridge.offer(now);
            let time = self.scheduler.report_load(offer, bridge.local_load(self.index));
            if let Some(time) = time {
                bridge.set_local_record_time(time);
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
                self.scheduler.accept(now, 0..records, tick.scheduled, tick.is_burst);
            }
            self.source += 1;
        }
    }

    fn replies<R: Remote>(&mut self, now: Nanos, world: &mut World<'_, R>) {
        while let Some(bridge) = &mut world.bridge
            && let Some(Reply { id, range, is_done }) = bridge.reply(self.index)
        {
            let Some((entry, is_burst, route)) = self.scheduler.answered(id, range.len()) else {
                continue;
            };
            if is_done {
                self.made(now, route, &entry.slice(range), is_burst, world);
            } else if bridge.settings().is_only_side {
                world.outcome.counts.bad += range.len() as u64;
            } else {
                self.scheduler.put_returned(entry, range, is_burst);
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
        let (scheduled, records) = (entry.scheduled, entry.records());
        let late = self.scheduler.completed(now, path, scheduled, records).late;
        world.outcome.note(now, &Made { path, scheduled, records, late, is_burst });
    }

    fn plan<R: Remote>(&mut self, now: Nanos, world: &mut World<'_, R>) {
        let Some(bridge) = &mut world.bridge else { return };
        let (offer, warm_up) = (bridge.offer(now), bridge.settings().warm_up.is_some());
        let mut outlet = Outlet { worker: self.index, now, bridge };
        let sent = self.scheduler.plan(now, offer, 0, warm_up, &mut outlet);
        Timeline::add(&mut world.outcome.timeline.sent, now / TICK, sent);
    }

    /// Computes from `now` to `until` or slightly longer.
    fn work<R: Remote>(&mut self, now: Nanos, until: Nanos, world: &mut World<'_, R>) {
        self.scheduler.resume(now);
        let offer = world.bridge.as_ref().map(|bridge| bridge.offer(now));
        let mut at = now;
        while at < until {
            let fit = self.scheduler.records_within(Duration::from_nanos(until - at));
            let Some((entry, is_burst, path)) = self.scheduler.next(at, fit, offer) else { break };
            let took = world.service.draw(at, entry.records(), world.random);
            self.scheduler.record(entry.records(), Duration::from_nanos(took));
            at += took;
            self.made(at, path, &entry, is_burst, world);
        }
        self.free_at = at;
        self.scheduler.pause(at, offer);
    }
}

impl<R: Remote> Handover<bool> for Outlet<'_, R> {
    fn expect(&mut self, records_per_second: f64) {
        self.bridge.expect(records_per_second);
    }

    fn hand_over(&mut self, id: u64, taken: &Taken<bool>, urgent: bool) -> HandedOver {
        let warm_only = taken.to == Some(Destination::Warm);
        let part = Part { warm_only, urgent, ..Part::new(taken.entry.range.clone()) };
        let pending = Arc::clone(&part.pending);
        let is_closed = self.bridge.is_closed();
        if !is_closed {
            let local_load = Rc::clone(self.bridge.local_load(self.worker));
            let item = WorkItem { worker: self.worker, id, part, local_load };
            self.bridge.send(self.now, item);
        }
        let refused = if is_closed { taken.entry.records() } else { 0 };
        HandedOver { pending, route: Route::Remote, refused }
    }
}
