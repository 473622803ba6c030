//! A worker in simulated time: it does what the burst operator does, without records.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;

use super::bridge::{Bridge, Reply};
use super::item::WorkItem;
use super::lambda::Remote;
use super::outcome::{Made, Outcome, Timeline};
use super::{Stage, Stream, TICK};
use crate::batch::{Nanos, Span};
use crate::bridge::core::Part;
use crate::bridge::{Offer, Settings};
use crate::policy::{Destination, Entry, Offered, Policy, Route, Taken};
use crate::scheduler::{HandedOver, Handover, Plan, Scheduler};

/// What a worker uses of the simulation.
pub(super) struct World<'a, R> {
    pub stream: &'a Stream,
    pub stages: &'a [Stage],
    pub max_backlog: usize,
    pub bridge: Option<&'a mut Bridge<R>>,
    pub outcome: &'a mut Outcome,
    pub random: &'a mut StdRng,
}

pub(super) struct Worker {
    index: usize,
    stages: Vec<WorkerStage>,
    /// The stage whose turn is next.
    next_stage: usize,
    /// When it has finished what it has begun.
    free_at: Nanos,
    /// The next tick whose events its source has not emitted, and whether the source waits.
    source: u64,
    is_held: bool,
}

/// A stage on a worker: its burst operator.
struct WorkerStage {
    /// The payload says whether the container arrived in a burst.
    scheduler: Scheduler<bool>,
    /// The part of a record that was not handed to the next stage yet.
    remainder: f64,
}

/// The bridge, as a worker hands records over to it.
struct Outlet<'a, R> {
    worker: usize,
    stage: usize,
    now: Nanos,
    bridge: &'a mut Bridge<R>,
}

impl Worker {
    /// Creates a worker with a policy for each stage. `slack` is the time from when a record is scheduled to when the
    /// results of the graph are due.
    pub(super) fn new(
        index: usize,
        policies: impl Iterator<Item = Box<dyn Policy>>,
        slack: Nanos,
    ) -> Self {
        let plan = Plan::new();
        let stage = |policy| {
            let scheduler = Scheduler::new(policy, slack, &plan);
            WorkerStage { scheduler, remainder: 0.0 }
        };
        let stages = policies.map(stage).collect();
        Worker { index, stages, next_stage: 0, free_at: 0, source: 0, is_held: false }
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
        let held = |stage: &WorkerStage| stage.scheduler.waiting() + stage.scheduler.in_flight();
        self.stages.iter().map(held).sum()
    }

    /// Records that an epoch is final. The later stages receive what the events of the epoch become.
    pub(super) fn offered<R: Remote>(
        &mut self,
        offered: Offered,
        stages: &[Stage],
        mut bridge: Option<&mut Bridge<R>>,
    ) {
        let warm_up = bridge.as_ref().and_then(|bridge| bridge.settings().warm_up);
        let mut records = 1.0;
        for (index, stage) in self.stages.iter_mut().enumerate() {
            records *= stages[index].records;
            let of = |count: u64| (count as f64 * records).round() as u64;
            let offered = Offered { mine: of(offered.mine), total: of(offered.total), ..offered };
            if let Some(expected) = stage.scheduler.offered(offered, warm_up)
                && let Some(bridge) = &mut bridge
            {
                bridge.expect(index, expected);
            }
        }
    }

    /// Simulates one turn of the operators from `now` to `until`: the source emits the events that are due, and each
    /// stage processes replies, plans and computes. A stage that has computed until then is the last one of this turn.
    pub(super) fn turn<R: Remote>(&mut self, now: Nanos, until: Nanos, world: &mut World<'_, R>) {
        self.emit(now, world);
        self.replies(now, world);
        let mut at = now;
        for _ in 0..self.stages.len() {
            let stage = self.next_stage;
            self.next_stage = (stage + 1) % self.stages.len();
            self.plan(stage, at, world);
            at = self.work(stage, at, until, world);
            if let Some(bridge) = &mut world.bridge {
                let offer = bridge.offer(now);
                let load = bridge.local_load(self.index, stage);
                let time = self.stages[stage].scheduler.report_load(offer, load);
                if let Some(time) = time {
                    bridge.set_local_record_time(time);
                }
            }
            if at >= until {
                break;
            }
        }
        self.free_at = at;
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
            self.accept(0, now, records, tick.scheduled, tick.is_burst, world);
            self.source += 1;
        }
    }

    /// Gives a stage what it receives for `results` of the stage before it, or events of the stream.
    fn accept<R: Remote>(
        &mut self,
        stage: usize,
        now: Nanos,
        results: usize,
        scheduled: Span,
        is_burst: bool,
        world: &mut World<'_, R>,
    ) {
        let WorkerStage { scheduler, remainder } = &mut self.stages[stage];
        let exact = results as f64 * world.stages[stage].records + *remainder;
        let records = exact as usize;
        *remainder = exact - records as f64;
        if records > 0 {
            world.outcome.stages[stage].records += records as u64;
            scheduler.accept(now, 0..records, scheduled, is_burst);
        }
    }

    fn replies<R: Remote>(&mut self, now: Nanos, world: &mut World<'_, R>) {
        while let Some(bridge) = &mut world.bridge
            && let Some(Reply { stage, id, range, is_done, usd }) = bridge.reply(self.index)
        {
            let scheduler = &mut self.stages[stage].scheduler;
            let Some((entry, is_burst, route)) = scheduler.answered(id, range.len()) else {
                continue;
            };
            if is_done {
                scheduler.paid(range.len(), usd);
                self.made(stage, now, route, &entry.slice(range), is_burst, world);
            } else if bridge.settings().is_only_side {
                world.outcome.counts.bad += range.len() as u64;
            } else {
                scheduler.put_returned(entry, range, is_burst);
            }
        }
    }

    fn made<R: Remote>(
        &mut self,
        stage: usize,
        now: Nanos,
        path: Route,
        entry: &Entry,
        is_burst: bool,
        world: &mut World<'_, R>,
    ) {
        let (scheduled, records) = (entry.scheduled, entry.records());
        let late = self.stages[stage].scheduler.completed(now, path, scheduled, records).late;
        if path.is_remote() {
            world.outcome.stages[stage].remote += records as u64;
        }
        if stage + 1 < self.stages.len() {
            self.accept(stage + 1, now, records, scheduled, is_burst, world);
        } else {
            world.outcome.note(now, &Made { path, scheduled, records, late, is_burst });
        }
    }

    fn plan<R: Remote>(&mut self, stage: usize, now: Nanos, world: &mut World<'_, R>) {
        let scheduler = &mut self.stages[stage].scheduler;
        let sent = match &mut world.bridge {
            Some(bridge) => {
                let offer = bridge.offer(now);
                let mut outlet = Outlet { worker: self.index, stage, now, bridge };
                scheduler.plan(now, offer, 0, &mut outlet)
            }
            None => scheduler.plan(now, Offer::default(), 0, &mut Nowhere),
        };
        Timeline::add(&mut world.outcome.timeline.sent, now / TICK, sent);
    }

    /// Computes from `now` to `until` or slightly longer, and returns when it stops.
    fn work<R: Remote>(
        &mut self,
        stage: usize,
        now: Nanos,
        until: Nanos,
        world: &mut World<'_, R>,
    ) -> Nanos {
        let offer = world.bridge.as_ref().map(|bridge| bridge.offer(now));
        self.stages[stage].scheduler.resume(now, offer);
        let mut at = now;
        while at < until {
            let scheduler = &mut self.stages[stage].scheduler;
            let fit = scheduler.records_within(Duration::from_nanos(until - at));
            let Some((entry, is_burst, path)) = scheduler.next(at, fit, offer) else { break };
            let service = &world.stages[stage].service;
            let took = service.draw(at, entry.records(), world.random);
            scheduler.record(entry.records(), Duration::from_nanos(took));
            at += took;
            self.made(stage, at, path, &entry, is_burst, world);
        }
        self.stages[stage].scheduler.pause(at, offer);
        at
    }
}

impl<R: Remote> Handover<bool> for Outlet<'_, R> {
    fn settings(&self) -> Option<&Settings> {
        Some(self.bridge.settings())
    }

    fn expect(&mut self, records_per_second: f64) {
        self.bridge.expect(self.stage, records_per_second);
    }

    fn hand_over(&mut self, id: u64, taken: &Taken<bool>, urgent: bool) -> HandedOver {
        let warm_only = taken.to == Some(Destination::Warm);
        let part = Part { warm_only, urgent, ..Part::new(taken.entry.range.clone()) };
        let pending = Arc::clone(&part.pending);
        let is_closed = self.bridge.is_closed();
        if !is_closed {
            let local_load = Rc::clone(self.bridge.local_load(self.worker, self.stage));
            let item = WorkItem { worker: self.worker, stage: self.stage, id, part, local_load };
            self.bridge.send(self.now, item);
        }
        let refused = if is_closed { taken.entry.records() } else { 0 };
        HandedOver { pending, route: Route::Remote, refused }
    }
}

/// No bridge: nothing is sent.
struct Nowhere;

impl Handover<bool> for Nowhere {
    fn settings(&self) -> Option<&Settings> {
        None
    }

    fn expect(&mut self, _: f64) {}

    fn hand_over(&mut self, _: u64, taken: &Taken<bool>, _: bool) -> HandedOver {
        let Part { pending, .. } = Part::new(taken.entry.range.clone());
        HandedOver { pending, route: Route::Local, refused: taken.entry.records() }
    }
}
