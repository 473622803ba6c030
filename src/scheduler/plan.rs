//! The plan that the stages of a graph share on a worker.
//!
//! The stages share the worker's time, and a record is due when its results leave the last of them. So each stage
//! tells the others what it holds and what a record costs, and asks three questions:
//!
//! - **Whose turn is it?** The stage computes whose oldest record has to be done first.
//! - **How long do the stages behind it take?** A stage that sends records needs the time of a request, and the time
//!   in which one is filled. Its own results are due that much earlier.
//! - **How much of the worker's time is not its own?** Sending a record of a stage saves the time that a worker takes
//!   for it, and costs what the remote side bills for it. If the stages together need more time than there is, those
//!   are to send that save the most time for a dollar. So the worker's time belongs first to the stage that saves the
//!   least: this one keeps what it can, the next one keeps what it can in the time that is left, and so on. A record
//!   needs time at its stage and, as many times as it will have results, at each stage behind it.
//!
//! This division is the optimum of a fractional model: which work one machine can do in time is a matroid, so taking
//! the dearest to send first, as much as fits, keeps the most. The optimum of the [simulation](crate::simulate) is
//! computed in the same way, with hindsight.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::batch::Nanos;
use crate::policy::{Entry, Reserved};

/// The plan of the stages on one worker, which join it in the order of the stream. A clone is cheap and shares it.
#[derive(Clone, Default)]
pub struct Plan(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    stages: Vec<Stage>,
    /// The stages, the one first that saves the least time for a dollar.
    dearest: Vec<usize>,
    /// Useful time of all stages.
    useful: Duration,
    /// Since when records are counted.
    counted_since: Nanos,
}

/// What a stage tells the others.
#[derive(Default)]
struct Stage {
    waiting: Profile,
    in_flight: Profile,
    /// The record that it would compute next: whether it will have to be sent, and when it has to be done.
    next: Option<(bool, Nanos)>,
    /// Useful nanoseconds of a record, 0 if not known.
    record: f64,
    /// Dollars of a record that is sent.
    usd: f64,
    paid: Paid,
    /// How long a record takes that is sent, and how long a request is filled before.
    remote: Nanos,
    fill: Nanos,
    /// How long a record waits that is kept.
    local: Nanos,
    /// Until when it is expected to send records.
    sends_until: Nanos,
    /// How long the stages behind it take.
    after: Nanos,
    least_after: LeastAfter,
    flow: Flow,
}

/// What a stage has been billed for records, of which the recent ones count more.
#[derive(Default)]
struct Paid {
    records: f64,
    usd: f64,
}

/// Records that a stage has received and done, counted for some time.
#[derive(Default)]
struct Flow {
    received: usize,
    done: usize,
    /// Records that arrived per second.
    per_second: f64,
    /// How many records the next stage received for each one that was done, once that is known.
    results: Option<f64>,
}

/// The least time that the stages behind one took while the records that it completes now waited.
#[derive(Default)]
struct LeastAfter {
    since: Nanos,
    now: Nanos,
    before: Nanos,
}

/// Records by when the result of the graph is due: how many are due until the end of each step.
#[derive(Default)]
struct Profile {
    from: Nanos,
    step: Nanos,
    until: Vec<f64>,
}

/// Steps of a profile, and how many of them the time from a record's schedule to its due time has.
const STEPS: usize = 64;
const STEPS_OF_SLACK: u64 = 48;

/// For how long records are counted.
const COUNTED: Nanos = 100_000_000;

/// A stage that sends records has the time in which about this many requests are filled: full ones cost the least.
const FILLED: f64 = 3.0;

/// What a stage keeps waits for some turns of a worker.
const TURNS: Nanos = 2_000_000;

/// A stage is to send before another one if it saves more time for a dollar by this factor. Otherwise their order
/// stays as it is: the measured values vary.
const CLEARLY: f64 = 1.1;

/// A stage's membership of a plan.
pub(super) struct Member {
    plan: Plan,
    index: usize,
    /// The useful time of all stages when this one paused.
    useful_at_pause: Duration,
    reserved: Reserved,
    /// Whether it may send records, and the share of the worker's time that is useful.
    can_send: bool,
    share: f64,
}

/// What a stage knows of itself when it plans.
pub(super) struct Known {
    pub now: Nanos,
    /// Time from a record's schedule to when the result of the graph is due.
    pub slack: Nanos,
    /// Records per second of useful time.
    pub rate: Option<f64>,
    /// The share of the worker's time that is useful.
    pub share: f64,
    /// How long the remote side takes.
    pub latency: Nanos,
    pub batch: usize,
    /// Dollars of a record in a full request, estimated from the time on a worker.
    pub usd: f64,
    /// Whether records can be sent.
    pub can_send: bool,
}

impl Plan {
    /// Creates a plan without stages.
    pub fn new() -> Self {
        Plan::default()
    }

    /// Adds a stage.
    pub(super) fn member(&self) -> Member {
        let mut inner = self.0.borrow_mut();
        let index = inner.stages.len();
        inner.stages.push(Stage::default());
        inner.dearest.push(index);
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
    fn with<R>(&self, act: impl FnOnce(&mut Inner, usize) -> R) -> R {
        act(&mut self.plan.0.borrow_mut(), self.index)
    }

    /// Whether no other stage shares the plan.
    pub(super) fn is_alone(&self) -> bool {
        self.plan.0.borrow().stages.len() == 1
    }

    /// Records that arrived.
    pub(super) fn received(&self, records: usize) {
        self.with(|inner, me| inner.stages[me].flow.received += records);
    }

    /// Records that have results.
    pub(super) fn done(&self, records: usize) {
        self.with(|inner, me| inner.stages[me].flow.done += records);
    }

    /// Notes what the remote side billed for records.
    pub(super) fn paid(&self, records: usize, usd: f64) {
        self.with(|inner, me| {
            let paid = &mut inner.stages[me].paid;
            paid.records += records as f64;
            paid.usd += usd;
        });
    }

    /// Notes that records were sent, so that more of them are expected.
    pub(super) fn sent(&self, now: Nanos, slack: Nanos) {
        self.with(|inner, me| inner.stages[me].sends_until = now + slack);
    }

    /// Notes useful time.
    pub(super) fn useful(&self, time: Duration) {
        self.with(|inner, _| inner.useful += time);
    }

    /// Notes that this stage pauses.
    pub(super) fn pause(&mut self) {
        self.useful_at_pause = self.with(|inner, _| inner.useful);
    }

    /// Returns what the other stages have worked since this one paused.
    pub(super) fn worked_meanwhile(&self) -> Duration {
        self.with(|inner, _| inner.useful) - self.useful_at_pause
    }

    /// Returns how long the stages behind this one take.
    pub(super) fn after(&self) -> Nanos {
        self.with(|inner, me| inner.stages[me].after)
    }

    /// Returns the least that this was in the time for which a record waits at most: what was planned for less is
    /// not late.
    pub(super) fn least_after(&self) -> Nanos {
        self.with(|inner, me| {
            let LeastAfter { now, before, .. } = inner.stages[me].least_after;
            now.min(before)
        })
    }

    /// Returns the longest time that a record takes at one of the stages which share this plan.
    pub(super) fn longest_record(&self) -> Duration {
        let longest = |inner: &mut Inner, _| {
            inner.stages.iter().map(|stage| stage.record).fold(0.0, f64::max) as Nanos
        };
        Duration::from_nanos(self.with(longest))
    }

    /// Returns what the other stages need.
    pub(super) fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// Notes the record that this stage would compute next. What it will have to send, because the other stages need
    /// the time, waits for a turn in which they have nothing to compute.
    pub(super) fn set_next(&self, now: Nanos, next: Option<&Entry>) {
        self.with(|inner, me| {
            let stage = &mut inner.stages[me];
            stage.next = next.map(|entry| {
                let due = entry.due.saturating_sub(stage.after);
                let time = due.saturating_sub(now) as f64 * self.share;
                let is_sent = self.can_send && !entry.returned && self.reserved.until(due) > time;
                (is_sent, due)
            });
        });
    }

    /// Returns whether no other stage has a record that has to be done clearly before this one's next.
    pub(super) fn has_turn(&self) -> bool {
        const CLEARLY: Nanos = 1_000_000;
        self.with(|inner, me| {
            let Some((is_sent, due)) = inner.stages[me].next else { return true };
            let earlier = |other: (bool, Nanos)| (other.0, other.1 + CLEARLY) < (is_sent, due);
            !inner.stages.iter().filter_map(|stage| stage.next).any(earlier)
        })
    }

    /// Publishes what this stage holds and knows, and learns what the others need. Of the `waiting` records, the
    /// entries are needed from the back of the queue.
    pub(super) fn publish<'q>(
        &mut self,
        known: &Known,
        waiting: (usize, impl Iterator<Item = &'q Entry>),
        in_flight: impl Iterator<Item = (&'q Entry, usize)>,
    ) {
        let Known { now, slack, .. } = *known;
        (self.can_send, self.share) = (known.can_send, known.share);
        let mut inner = self.plan.0.borrow_mut();
        inner.count(now);
        inner.update(self.index, known);
        let stage = &mut inner.stages[self.index];
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
        inner.order();
        inner.expect(known);
        inner.look_behind(now, slack);
        let step = Profile::step(slack);
        let times = (0..STEPS as u64).map(|at| now + at * step);
        let before = inner.dearest.iter().take_while(|stage| **stage != self.index).count();
        let needs = times.map(|until| inner.needs(&inner.dearest[..before], until));
        self.reserved.set(now, step, known.share, needs);
    }
}

impl Inner {
    /// Measures the flow of the records that were counted for some time.
    fn count(&mut self, now: Nanos) {
        let length = now.saturating_sub(self.counted_since);
        if length < COUNTED {
            return;
        }
        self.counted_since = now;
        let mut received_next = 0;
        for Stage { flow, .. } in self.stages.iter_mut().rev() {
            flow.per_second = flow.received as f64 * 1e9 / length as f64;
            if flow.done > 0 {
                flow.results = Some(received_next as f64 / flow.done as f64);
            }
            received_next = flow.received;
            (flow.received, flow.done) = (0, 0);
        }
    }

    /// Updates what a stage knows of itself.
    fn update(&mut self, me: usize, known: &Known) {
        let stage = &mut self.stages[me];
        stage.record = known.rate.map_or(stage.record, |rate| 1e9 / rate.max(1e-9));
        // The measured value counts from the first full requests on.
        let Paid { records, usd } = stage.paid;
        let enough = known.batch as f64;
        stage.usd = if records >= enough { usd / records } else { known.usd };
        if records > 50.0 * enough {
            stage.paid = Paid { records: records / 2.0, usd: usd / 2.0 };
        }
        stage.remote = if known.can_send { known.latency + known.slack / 50 } else { 0 };
        let request = known.batch as f64 / stage.flow.per_second.max(1.0);
        stage.fill = (FILLED * request * 1e9) as Nanos;
        // Results of the stage before it arrive a request at a time.
        let results = me.checked_sub(1).map_or(1.0, |before| self.stages[before].results());
        let stage = &mut self.stages[me];
        let request = (known.batch as f64 * results * stage.record) as Nanos;
        stage.local = TURNS + known.slack / 50 + request.min(known.slack / 4);
    }

    /// Sorts the stages. A stage that cannot send has no price, and is the dearest.
    fn order(&mut self) {
        let stages = &self.stages;
        let saved = |stage: usize| {
            let Stage { record, usd, .. } = stages[stage];
            if usd > 0.0 { record / usd } else { 0.0 }
        };
        for _ in 1..self.dearest.len() {
            for at in 1..self.dearest.len() {
                let [one, other] = [self.dearest[at - 1], self.dearest[at]].map(saved);
                if one > other * CLEARLY {
                    self.dearest.swap(at - 1, at);
                }
            }
        }
    }

    /// Finds out which stages will send records: those that cannot keep all, in the time that is left to them.
    fn expect(&mut self, known: &Known) {
        let Known { now, slack, share, .. } = *known;
        let step = Profile::step(slack);
        for count in 1..=self.dearest.len() {
            let stages = &self.dearest[..count];
            let is_short = (0..STEPS as u64).any(|at| {
                let time = at * step;
                self.needs(stages, now + time) > time as f64 * share + TURNS as f64
            });
            if is_short {
                let last = self.dearest[count - 1];
                self.stages[last].sends_until = now + slack;
            }
        }
        for stage in &mut self.stages {
            if stage.sends_until < now {
                stage.sends_until = 0;
            }
        }
    }

    /// Computes how long the stages behind each one take. Requests are filled in a part of the time that all
    /// stages leave.
    fn look_behind(&mut self, now: Nanos, slack: Nanos) {
        let taken = self.stages.iter().map(|stage| stage.takes()).sum();
        let spare = slack.saturating_sub(taken) / 4;
        let mut after = 0;
        for stage in self.stages.iter_mut().rev() {
            stage.after = after;
            stage.least_after.add(now, slack, after);
            let fill = if stage.sends_until > 0 { stage.fill.min(spare) } else { 0 };
            after += stage.takes() + fill;
        }
    }

    /// Returns the useful time that the records on this worker need at `stages` until `until`.
    fn needs(&self, stages: &[usize], until: Nanos) -> f64 {
        let mut needed = 0.0;
        for &at in stages {
            let Stage { record, after, ref waiting, .. } = self.stages[at];
            let due = until + after;
            let mut records = waiting.until(due);
            // Records that this one has for each record of an earlier stage.
            let mut results = 1.0;
            for earlier in (0..at).rev() {
                let stage = &self.stages[earlier];
                results *= stage.results();
                records += results * (stage.waiting.until(due) + stage.in_flight.until(due));
            }
            needed += records * record;
        }
        needed
    }
}

impl LeastAfter {
    fn add(&mut self, now: Nanos, slack: Nanos, after: Nanos) {
        if now.saturating_sub(self.since) >= slack {
            (self.since, self.before, self.now) = (now, self.now, after);
        }
        self.now = self.now.min(after);
    }
}

impl Stage {
    /// How many records the next stage receives for each one that is done.
    fn results(&self) -> f64 {
        self.flow.results.unwrap_or(1.0)
    }

    /// How long a record takes, without the time in which a request is filled.
    fn takes(&self) -> Nanos {
        if self.sends_until > 0 { self.remote.max(self.local) } else { self.local }
    }
}

impl Profile {
    fn step(slack: Nanos) -> Nanos {
        (slack / STEPS_OF_SLACK).max(1)
    }

    fn set<'q>(
        &mut self,
        now: Nanos,
        slack: Nanos,
        entries: impl Iterator<Item = (&'q Entry, usize)>,
    ) {
        (self.from, self.step) = (now, Profile::step(slack));
        self.until.clear();
        self.until.resize(STEPS, 0.0);
        for (entry, records) in entries {
            let slack = entry.due.saturating_sub(entry.scheduled.last);
            let first = self.index(entry.scheduled.first + slack);
            let last = self.index(entry.due);
            let each = records as f64 / (last - first + 1) as f64;
            self.until[first..=last].iter_mut().for_each(|step| *step += each);
        }
        let mut sum = 0.0;
        for step in &mut self.until {
            sum += *step;
            *step = sum;
        }
    }

    /// Adds records that are late.
    fn add_late(&mut self, records: usize) {
        self.until.iter_mut().for_each(|step| *step += records as f64);
    }

    /// The step in which something is due, the first one if it is late.
    fn index(&self, due: Nanos) -> usize {
        let step = due.saturating_sub(self.from).div_ceil(self.step);
        (step as usize).min(STEPS - 1)
    }

    /// Returns how many records are due until `time`.
    fn until(&self, time: Nanos) -> f64 {
        if self.until.is_empty() || time < self.from {
            return self.until.first().copied().unwrap_or(0.0);
        }
        let steps = (time - self.from) as f64 / self.step as f64;
        let index = (steps as usize).min(STEPS - 1);
        let next = self.until.get(index + 1).copied().unwrap_or(self.until[index]);
        self.until[index] + (next - self.until[index]) * steps.fract()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;

    const MS: Nanos = 1_000_000;
    const SLACK: Nanos = 200 * MS;
    const NOW: Nanos = SLACK;

    /// A stage whose record takes a worker and a function `us`.
    fn known(us: f64) -> Known {
        Known {
            now: NOW,
            slack: SLACK,
            rate: Some(1e6 / us),
            share: 1.0,
            latency: 50 * MS,
            batch: 1_000,
            usd: (us + 7.0) * 1e-11,
            can_send: true,
        }
    }

    /// A container that is due in `ms`.
    fn due_in(ms: u64, records: usize) -> Entry {
        let (due, scheduled) = (NOW + ms * MS, Span::at(ms * MS));
        Entry { seq: 0, range: 0..records, arrival: 0, scheduled, due, returned: false }
    }

    /// Two stages with what waits at them.
    fn stages(us: [f64; 2], waiting: [&[Entry]; 2]) -> [Member; 2] {
        let plan = Plan::new();
        let mut members = [plan.member(), plan.member()];
        for _ in 0..2 {
            for (member, (us, waiting)) in members.iter_mut().zip(us.into_iter().zip(waiting)) {
                let records = waiting.iter().map(Entry::records).sum();
                member.publish(&known(us), (records, waiting.iter().rev()), [].into_iter());
            }
        }
        members
    }

    #[test]
    fn time_is_reserved_for_the_stage_that_saves_the_least_for_a_dollar() {
        let waiting = [due_in(100, 1_000)];
        let [first, second] = stages([40.0, 5.0], [&waiting, &[due_in(100, 2_000)]]);
        let ms = |member: &Member, until: u64| member.reserved().until(NOW + until * MS) / 1e6;
        // 5 us for each of 2,000 records that wait there, and of 1,000 that the first stage will hand on.
        assert!((14.5..=15.5).contains(&ms(&first, 105)), "{}", ms(&first, 105));
        assert!(ms(&first, 80) < 1.0);
        assert_eq!(ms(&second, 200), 0.0);
        let [first, second] = stages([5.0, 40.0], [&waiting, &[due_in(100, 2_000)]]);
        assert_eq!(ms(&first, 200), 0.0);
        assert!((4.5..=5.5).contains(&ms(&second, 120)), "only the first stage's own 5 ms");
    }

    #[test]
    fn what_is_needed_later_and_does_not_fit_is_needed_earlier() {
        // 90 ms of work are due in 150 ms, and 80 ms more in 190 ms.
        let dear = [due_in(150, 18_000), due_in(190, 16_000)];
        let [first, _] = stages([40.0, 5.0], [&[], &dear]);
        let reserved = first.reserved().until(NOW + 145 * MS) / 1e6;
        assert!((115.0..=135.0).contains(&reserved), "{reserved}");
    }

    #[test]
    fn a_stage_leaves_time_for_a_request_where_a_stage_behind_it_will_send() {
        let [first, second] = stages([10.0, 30.0], [&[due_in(190, 100)], &[due_in(190, 1_000)]]);
        assert!(first.after() < 50 * MS, "{}", first.after());
        assert_eq!(second.after(), 0);
        // 300 ms of work are due in 190 ms.
        let [first, second] = stages([10.0, 30.0], [&[due_in(190, 100)], &[due_in(190, 10_000)]]);
        assert!((54 * MS..120 * MS).contains(&first.after()), "{}", first.after());
        assert_eq!((second.after(), first.least_after()), (0, first.least_after()));
        assert!(first.least_after() < 50 * MS, "what was planned before is not late");
    }

    #[test]
    fn the_stage_has_its_turn_whose_record_has_to_be_done_first() {
        let [first, second] = stages([40.0, 5.0], [&[], &[due_in(100, 2_000)]]);
        let next = |first_due: u64, second_due: u64| {
            first.set_next(NOW, Some(&due_in(first_due, 1)));
            second.set_next(NOW, Some(&due_in(second_due, 1)));
            [first.has_turn(), second.has_turn()]
        };
        let after = first.after() / MS;
        assert_eq!(next(60 + after, 80), [true, false]);
        assert_eq!(next(80 + after, 60), [false, true]);
        assert_eq!(next(60 + after, 60), [true, true]);
        // The second stage needs all of the time until then, so the first one will have to send its record.
        let [first, second] = stages([40.0, 5.0], [&[], &[due_in(100, 40_000)]]);
        first.set_next(NOW, Some(&due_in(60 + first.after() / MS, 1)));
        second.set_next(NOW, Some(&due_in(90, 1)));
        assert_eq!([first.has_turn(), second.has_turn()], [false, true]);
    }

    #[test]
    fn results_are_counted() {
        let [mut first, second] = stages([40.0, 5.0], [&[], &[]]);
        first.done(1_000);
        second.received(3_000);
        let later = Known { now: NOW + COUNTED, ..known(40.0) };
        first.publish(&later, (1_000, [due_in(250, 1_000)].iter()), [].into_iter());
        let ms = first.reserved().until(NOW + 255 * MS) / 1e6;
        assert!((14.5..=15.5).contains(&ms), "{ms}: 3,000 of 5 us");
    }
}
