//! The plan of a worker, and a stage's membership of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::profile::{Profile, STEPS};
use super::shared::Shared;
use super::stage::{Known, LeastAfter, Stage};
use crate::batch::Nanos;
use crate::policy::{Entry, Reserved};

/// The plan of the stages on one worker, which join it in the order of the stream. A clone is cheap and shares it.
#[derive(Clone, Default)]
pub struct Plan(Rc<RefCell<Shared>>);

/// A stage's membership of a plan.
pub(crate) struct Member {
    plan: Plan,
    index: usize,
    /// The useful time of all stages when this one paused.
    useful_at_pause: Duration,
    reserved: Reserved,
    /// Whether it may send records, and the share of the worker's time that is useful.
    can_send: bool,
    share: f64,
}

impl Plan {
    /// Creates a plan without stages.
    pub fn new() -> Self {
        Plan::default()
    }

    /// Adds a stage.
    pub(crate) fn member(&self) -> Member {
        let mut shared = self.0.borrow_mut();
        let index = shared.stages.len();
        shared.stages.push(Stage::default());
        shared.dearest.push(index);
        Member {
            plan: self.clone(),
            index,
            useful_at_pause: Duration::ZERO,
            reserved: Reserved::default(),
            can_send: false,
            share: 1.0,
        }
    }
}

impl Member {
    fn with<R>(&self, act: impl FnOnce(&mut Shared, usize) -> R) -> R {
        act(&mut self.plan.0.borrow_mut(), self.index)
    }

    /// Whether no other stage shares the plan.
    pub(crate) fn is_alone(&self) -> bool {
        self.plan.0.borrow().stages.len() == 1
    }

    /// Records that arrived.
    pub(crate) fn received(&self, records: usize) {
        self.with(|shared, me| shared.stages[me].flow.received += records);
    }

    /// Records that have results.
    pub(crate) fn done(&self, records: usize) {
        self.with(|shared, me| shared.stages[me].flow.done += records);
    }

    /// Notes what the remote side billed for records.
    pub(crate) fn paid(&self, records: usize, usd: f64) {
        self.with(|shared, me| {
            let paid = &mut shared.stages[me].paid;
            paid.records += records as f64;
            paid.usd += usd;
        });
    }

    /// Notes that records were sent, so that more of them are expected.
    pub(crate) fn sent(&self, now: Nanos, slack: Nanos) {
        self.with(|shared, me| shared.stages[me].sends_until = now + slack);
    }

    /// Notes useful time.
    pub(crate) fn useful(&self, time: Duration) {
        self.with(|shared, _| shared.useful += time);
    }

    /// Notes that this stage pauses.
    pub(crate) fn pause(&mut self) {
        self.useful_at_pause = self.with(|shared, _| shared.useful);
    }

    /// Returns what the other stages have worked since this one paused.
    pub(crate) fn worked_meanwhile(&self) -> Duration {
        self.with(|shared, _| shared.useful) - self.useful_at_pause
    }

    /// Returns how long the stages behind this one take.
    pub(crate) fn after(&self) -> Nanos {
        self.with(|shared, me| shared.stages[me].after)
    }

    /// Returns the least that this was in the time for which a record waits at most: what was planned for less is
    /// not late.
    pub(crate) fn least_after(&self) -> Nanos {
        self.with(|shared, me| {
            let LeastAfter { now, before, .. } = shared.stages[me].least_after;
            now.min(before)
        })
    }

    /// Returns the longest time that a record takes at one of the stages which share this plan.
    pub(crate) fn longest_record(&self) -> Duration {
        let longest = |shared: &mut Shared, _| {
            shared.stages.iter().map(|stage| stage.record).fold(0.0, f64::max) as Nanos
        };
        Duration::from_nanos(self.with(longest))
    }

    /// Returns what the other stages need.
    pub(crate) fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// Notes the record that this stage would compute next. What it will have to send, because the other stages need
    /// the time, waits for a turn in which they have nothing to compute.
    pub(crate) fn set_next(&self, now: Nanos, next: Option<&Entry>) {
        self.with(|shared, me| {
            let stage = &mut shared.stages[me];
            stage.next = next.map(|entry| {
                let due = entry.due.saturating_sub(stage.after);
                let time = due.saturating_sub(now) as f64 * self.share;
                let is_sent = self.can_send && !entry.returned && self.reserved.until(due) > time;
                (is_sent, due)
            });
        });
    }

    /// Returns whether no other stage has a record that has to be done clearly before this one's next.
    pub(crate) fn has_turn(&self) -> bool {
        const CLEARLY: Nanos = 1_000_000;
        self.with(|shared, me| {
            let Some((is_sent, due)) = shared.stages[me].next else { return true };
            let earlier = |other: (bool, Nanos)| (other.0, other.1 + CLEARLY) < (is_sent, due);
            !shared.stages.iter().filter_map(|stage| stage.next).any(earlier)
        })
    }

    /// Publishes what this stage holds and knows, and learns what the others need. Of the `waiting` records, the
    /// entries are needed from the back of the queue.
    pub(crate) fn publish<'q>(
        &mut self,
        known: &Known,
        waiting: (usize, impl Iterator<Item = &'q Entry>),
        in_flight: impl Iterator<Item = (&'q Entry, usize)>,
    ) {
        let Known { now, slack, .. } = *known;
        (self.can_send, self.share) = (known.can_send, known.share);
        let mut shared = self.plan.0.borrow_mut();
        shared.count(now);
        shared.update(self.index, known);
        let stage = &mut shared.stages[self.index];
        // What is late is at the front. It may be long.
        let (records, newest) = waiting;
        let mut late = records;
        let ahead = newest.take_while(|entry| entry.due > now).map(|entry| {
            late -= entry.records();
            (entry, entry.records())
        });
        stage.waiting.set(now, slack, ahead);
        stage.waiting.add_late(late);
        stage.in_flight.set(now, slack, in_flight);
        shared.order();
        shared.expect(known);
        shared.look_behind(now, slack);
        let step = Profile::step(slack);
        let times = (0..STEPS as u64).map(|at| now + at * step);
        let before = shared.dearest.iter().take_while(|stage| **stage != self.index).count();
        let needs = times.map(|until| shared.needs(&shared.dearest[..before], until));
        self.reserved.set(now, step, known.share, needs);
    }
}
