//! A worker's desk: what it has to do, what it has sent away, and the epochs these belong to.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilderSession;
use timely::progress::Timestamp;
use timely::progress::frontier::MutableAntichain;

use super::away::Away;
use super::epochs::Epochs;
use super::peers::Help;
use super::verify::{Checking, Verdict, Verify};
use super::{Burst, Clock, Observer, Path, Pressure};
use crate::batch::{Nanos, Records, Span};
use crate::bridge::{Lane, Outcome, Part, Reply, ReplyInbox, ReplyPort, reply_channel};
use crate::policy::{
    Done, Entry, Offered, Policy, Queue, Rates, Side, Take, Taken, Times, To, TrueRate,
};
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

/// The container and the epoch that a queue's entry belongs to.
pub(super) struct Held<T, C> {
    pub epoch: T,
    pub batch: Arc<C>,
}

impl<T: Clone, C> Clone for Held<T, C> {
    fn clone(&self) -> Self {
        Held { epoch: self.epoch.clone(), batch: Arc::clone(&self.batch) }
    }
}

/// How often the policy is asked what it expects to send.
const LOOK_AHEAD: Nanos = 5_000_000;

pub(super) struct Desk<T: Timestamp, K: Task> {
    task: Arc<K>,
    policy: Box<dyn Policy>,
    lane: Option<Lane<K>>,
    help: Help<K>,
    port: ReplyPort<K::Out>,
    inbox: ReplyInbox<K::Out>,
    clock: Clock,
    schedule: Option<Box<dyn Fn(&K::In) -> Span>>,
    slack: Nanos,
    slice: Duration,
    pressure: Pressure,
    observer: Box<dyn Observer<T>>,
    queue: Queue<Held<T, K::In>>,
    away: Away<T, K::In>,
    /// When the worker went on to other things although records waited.
    left: Option<Instant>,
    /// When the policy was last asked what it expects to send.
    looked_ahead: Nanos,
    verify: Verify,
    checking: VecDeque<Checking<T, K>>,
    epochs: Epochs<T>,
    true_rate: TrueRate,
    takes: Vec<Take>,
    taken: Vec<Taken<Held<T, K::In>>>,
    verdicts: Vec<(usize, Code)>,
}

impl<T: Timestamp, K: Task> Desk<T, K>
where
    K::Out: Container,
{
    pub(super) fn new(
        task: Arc<K>,
        burst: Burst<T, K::In>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let help = burst.peers.join(task.name(), Arc::clone(&wake));
        let (port, inbox) = reply_channel(wake);
        let lane = burst.bridge.map(|bridge| bridge.lane(Arc::clone(&task)));
        Desk {
            verify: Verify::new(lane.as_ref().map_or(0.0, |lane| lane.settings().verify)),
            checking: VecDeque::new(),
            left: None,
            looked_ahead: 0,
            lane,
            help,
            task,
            policy: burst.policy,
            port,
            inbox,
            clock: burst.clock,
            schedule: burst.schedule,
            slack: burst.deadline.as_nanos() as Nanos,
            slice: burst.slice,
            pressure: burst.pressure,
            observer: burst.observer,
            queue: Queue::default(),
            away: Away::new(),
            epochs: Epochs::new(),
            true_rate: TrueRate::default(),
            takes: Vec::new(),
            taken: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Takes a container in.
    pub(super) fn accept(
        &mut self,
        epoch: &T,
        batch: K::In,
        capabilities: impl FnOnce() -> Option<(Capability<T>, Capability<T>)>,
    ) {
        let records = batch.len();
        if records == 0 || !self.epochs.came(epoch, records as u64, capabilities) {
            return;
        }
        let arrival = self.clock.now();
        let scheduled = self.schedule.as_ref().map_or(Span::at(arrival), |of| of(&batch));
        self.pressure.add(records, batch.size(&(0..records)));
        let held = Held { epoch: epoch.clone(), batch: Arc::new(batch) };
        self.queue.push(0..records, arrival, scheduled, self.slack, held);
    }

    /// Names the counts of the epochs that the frontier has passed since it stood at `from`, which
    /// is among them even without records.
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

    /// Takes note of what a final epoch brought. When the rate climbs towards where the policy begins
    /// to send, environments are started for it.
    pub(super) fn offered(&mut self, epoch: T, offered: Offered) {
        self.policy.epoch(offered);
        self.epochs.offered(epoch, offered);
        if let Some(lane) = &self.lane
            && let Some(share) = lane.settings().warm_up
            && let Some(begins_at) = self.policy.begins_at()
            && let Some(expected) = offered.expects(begins_at, share)
        {
            lane.expect(expected);
        }
    }

    /// Sends out the results that have come, and takes home what has not been done.
    pub(super) fn replies(&mut self, outputs: &mut Outputs<'_, T, K>) {
        self.inbox.rearm();
        while let Some(Reply { id, range, usd, outcome }) = self.inbox.try_recv() {
            let Some((entry, held, path)) = self.away.came(id, range.len()) else { continue };
            self.epochs.get(&held.epoch).stats.usd += usd;
            match outcome {
                Outcome::Done { out, home, hedged } => {
                    let path = if hedged { Path::Hedged } else { path };
                    let checks = if path.is_remote() {
                        self.verify.choose(&range, &home)
                    } else {
                        Vec::new()
                    };
                    let checking = Checking { entry, held, range, out, home, path, checks };
                    if checking.checks.is_empty() {
                        self.believe(checking, outputs);
                    } else {
                        self.checking.push_back(checking);
                    }
                }
                Outcome::Home(_) => self.queue.come_home(entry, range, held),
            }
        }
    }

    /// Sends out what the remote side or a peer has computed, and takes home the records it refused.
    fn believe(&mut self, checked: Checking<T, K>, outputs: &mut Outputs<'_, T, K>) {
        let Checking { entry, held, range, mut out, home, path, .. } = checked;
        let records = range.len();
        let scheduled = entry.scheduled.slice(&relative(&range, &entry.range), entry.records());
        let size = held.batch.size(&range);
        let done = records - home.len();
        for position in &home {
            self.queue.come_home(entry.clone(), *position..position + 1, held.clone());
        }
        self.pressure.remove(done, size - size / records.max(1) * home.len());
        let epoch = self.epochs.get(&held.epoch);
        epoch.open -= done as u64;
        epoch.stats.count(path, done as u64);
        outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
        let now = self.clock.now();
        let side = if path.is_remote() { Side::Remote } else { Side::Home };
        self.policy.done(now, Done::at(now, side, scheduled, self.slack, records));
        self.observer.results(&held.epoch, path, scheduled, done, now);
    }

    /// Sends away what the policy says. While nobody takes anything it is not even asked.
    pub(super) fn plan(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let Some(rates) = self.rates() else { return };
        let (now, queue) = (self.clock.now(), self.queue.entries());
        self.policy.plan(now, &queue, rates, &mut self.takes);
        if let Some(lane) = self.lane.as_ref().filter(|lane| lane.settings().warm_up.is_some())
            && now.saturating_sub(self.looked_ahead) >= LOOK_AHEAD
        {
            self.looked_ahead = now;
            let expected = self.policy.expects(now, &queue, rates);
            if expected > 0.0 {
                lane.expect(expected);
            }
        }
        if !self.takes.is_empty() {
            self.send();
        }
    }

    /// What the policy is told; nothing if nobody takes anything.
    fn rates(&self) -> Option<Rates> {
        let room = self.lane.as_ref().map_or(0, Lane::room);
        let peers = self.help.wanted();
        if room == 0 && peers == 0 {
            return None;
        }
        let rates = Rates {
            local: self.true_rate.get(),
            share: self.true_rate.share(),
            in_flight: self.away.records(),
            peers,
            room,
            waiting: self.queue.records(),
            slack: self.slack,
            warm_room: 0,
            batch: 1,
            remote: Times::default(),
        };
        let Some(lane) = &self.lane else { return Some(rates) };
        Some(Rates {
            warm_room: lane.warm_room(),
            batch: lane.most_records(),
            remote: Times {
                typical: lane.typical().as_nanos() as Nanos,
                longest: lane.longest().as_nanos() as Nanos,
                cold: lane.cold().as_nanos() as Nanos,
                failing: lane.failing(),
            },
            ..rates
        })
    }

    /// Sends away what was taken; the oldest first.
    fn send(&mut self) {
        let taken = &mut self.taken;
        self.queue.take_all(&mut self.takes, |take| taken.push(take));
        let since = Instant::now();
        let mut taken = std::mem::take(&mut self.taken);
        let mut refused = Vec::new();
        let mut sent = 0;
        let at_once = self.policy.keeps_due_times();
        // They were taken from the last to the first.
        let mut taking = taken.drain(..).rev().peekable();
        while let Some(Taken { entry, payload: held, to }) = taking.next() {
            let id = self.away.next_id();
            let part =
                Part::new(id, Arc::clone(&held.batch), entry.range.clone(), self.port.clone());
            let open = Arc::clone(part.open());
            let (path, stays) = if to == Some(To::Peer) {
                (Path::Peer, self.help.give(part).map_or(0, Part::take_back))
            } else {
                let is_last = taking.peek().is_none();
                let part = part.warm_only(to == Some(To::Warm)).at_once(at_once && is_last);
                let lane = self.lane.as_ref();
                let refused = lane.is_none_or(|lane| lane.send(part).is_err());
                (Path::Remote, if refused { entry.records() } else { 0 })
            };
            let left = entry.records() - stays;
            sent += if path == Path::Remote { left } else { 0 };
            if stays > 0 {
                refused.push((entry.part(entry.range.end - stays..entry.range.end), held.clone()));
            }
            if left > 0 {
                let range = entry.range.start..entry.range.start + left;
                let entry = entry.part(range);
                self.away.went(id, entry, held, open, since, path);
            }
        }
        drop(taking);
        self.taken = taken;
        if sent > 0 {
            self.observer.sent(sent, self.clock.now());
        }
        for (entry, held) in refused.into_iter().rev() {
            self.queue.put_back(entry, held);
        }
    }

    /// Does work for about a slice: answers that are to be checked, what was taken from others, the
    /// front of the queue, then records that are late.
    pub(super) fn work(&mut self, outputs: &mut Outputs<'_, T, K>) {
        let began = Instant::now();
        if let Some(left) = self.left.take() {
            self.true_rate.waited(began - left);
        }
        let mut spent = Duration::ZERO;
        while spent < self.slice {
            let fit = self.true_rate.fit(self.slice - spent);
            let records = if let Some(checking) = self.checking.pop_front() {
                self.check(checking, fit, outputs);
                // A record that is computed again to be checked is not one that is done.
                let until_now = began.elapsed();
                self.true_rate.waited(until_now - spent);
                spent = until_now;
                continue;
            } else if let Some(part) = self.help.next(fit) {
                self.do_for_another(part)
            } else if let Some(Taken { entry, payload, .. }) = self.queue.take_front(fit) {
                let path = if entry.home { Path::Home } else { Path::Local };
                self.compute(&payload, entry.range.clone(), entry.scheduled, path, outputs);
                entry.records()
            } else if let Some((entry, held, path)) = self.take_late(began + spent, fit) {
                let (range, scheduled) = (entry.range.clone(), entry.scheduled);
                self.compute(&held, range, scheduled, path, outputs);
                entry.records()
            } else {
                break;
            };
            let until_now = began.elapsed();
            self.true_rate.note(records, until_now - spent);
            spent = until_now;
        }
        self.left = (!self.queue.is_empty()).then(|| began + spent);
    }

    /// Computes records here, and sends their results out.
    fn compute(
        &mut self,
        held: &Held<T, K::In>,
        range: Range<usize>,
        scheduled: Span,
        path: Path,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let mut out = self.task.results(&held.batch, &range);
        self.task.compute(&held.batch, range.clone(), &mut out, &mut self.verdicts);
        self.pressure.remove(range.len(), held.batch.size(&range));
        let epoch = self.epochs.get(&held.epoch);
        epoch.open -= range.len() as u64;
        let good = range.len() - self.verdicts.len();
        epoch.stats.count(path, good as u64);
        if good > 0 {
            outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
            let now = self.clock.now();
            if path == Path::Local {
                self.policy
                    .done(now, Done::at(now, Side::Home, scheduled, self.slack, range.len()));
            }
            self.observer.results(&held.epoch, path, scheduled, good, now);
        }
        if !self.verdicts.is_empty() {
            epoch.stats.bad += self.verdicts.len() as u64;
            self.observer.bad(self.verdicts.len());
            let records = self.verdicts.drain(..);
            let bad = records.map(|(at, code)| Bad { record: held.batch.record(at), code });
            outputs.bad.session(&epoch.bad).give_iterator(bad);
        }
    }

    /// Computes another worker's records; answers how many.
    fn do_for_another(&mut self, part: Part<K>) -> usize {
        let (task, verdicts) = (&self.task, &mut self.verdicts);
        let input = Arc::clone(part.input());
        part.answer(0.0, |range| {
            let mut out = task.results(&input, range);
            task.compute(&input, range.clone(), &mut out, verdicts);
            // What is bad is so by its own worker's verdict.
            let home = verdicts.drain(..).map(|(position, _)| position).collect();
            Outcome::Done { out, home, hedged: false }
        })
    }

    /// Checks up to `most` records of an answer. One with a wrong result is not believed at all.
    fn check(
        &mut self,
        mut checking: Checking<T, K>,
        most: usize,
        outputs: &mut Outputs<'_, T, K>,
    ) {
        let (checked, verdict) = checking.check(&*self.task, most, &mut self.verdicts);
        match verdict {
            Verdict::Unfinished => {
                self.observer.verified(checked);
                self.checking.push_front(checking);
            }
            Verdict::Same => {
                self.observer.verified(checked);
                self.believe(checking, outputs);
            }
            Verdict::Differs(at) => {
                self.observer.differs(&checking.held.batch.describe(at));
                if let Some(lane) = &self.lane {
                    lane.condemn();
                }
                let Checking { entry, held, range, .. } = checking;
                self.queue.come_home(entry, range, held);
            }
        }
    }

    /// Takes up to `records` records out of the oldest part that is late at `now`.
    fn take_late(&mut self, now: Instant, records: usize) -> Option<(Entry, Held<T, K::In>, Path)> {
        self.away.take_late(now, self.lane.as_ref()?.late(), records)
    }

    /// Gives up complete epochs and tells the observer how things stand.
    pub(super) fn settle(&mut self, frontier: &MutableAntichain<T>) {
        let is_idle = self.queue.is_empty() && self.checking.is_empty();
        // So that there is something to do until others plan again.
        self.help.take_in(if is_idle { self.true_rate.fit(2 * self.slice) } else { 0 });
        self.epochs.complete(frontier);
        self.epochs.publish(&mut *self.observer);
        self.observer.backlog(self.queue.records(), self.away.records());
        let rate = self.true_rate.get();
        if let Some(rate) = rate {
            self.observer.true_rate(rate);
        }
        if let Some(lane) = &self.lane {
            // What comes home is done first: the rest is in its way only if it cannot go instead.
            let remote = Times { failing: lane.failing(), ..Times::default() };
            let ahead = match self.policy.does_at_once(remote) {
                true => self.queue.home_records(),
                false => self.queue.records(),
            };
            self.port.home().set(ahead, rate);
            if let Some(rate) = rate {
                lane.record_takes(Duration::from_secs_f64(1.0 / rate.max(1e-9)));
            }
        }
    }

    /// When the operator is to be scheduled again although nothing comes: now, or when the oldest part
    /// becomes late.
    pub(super) fn next_work(&mut self) -> Option<Duration> {
        if !self.queue.is_empty() || !self.checking.is_empty() || self.help.has_work() {
            return Some(Duration::ZERO);
        }
        self.away.next_late(self.lane.as_ref()?.late())
    }
}

/// `range` as positions within `of`.
fn relative(range: &Range<usize>, of: &Range<usize>) -> Range<usize> {
    range.start - of.start..range.end - of.start
}
