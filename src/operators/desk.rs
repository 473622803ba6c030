//! A worker's desk: what it has to do, what it has sent away, and the epochs these belong to.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::Container;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilderSession;
use timely::progress::Timestamp;
use timely::progress::frontier::MutableAntichain;

use super::epochs::Epochs;
use super::true_rate::TrueRate;
use super::{Burst, Clock, Observer, Path, Pressure};
use crate::batch::{Nanos, Records, Span};
use crate::bridge::{Lane, Outcome, Part, ReplyInbox, ReplyPort, reply_channel};
use crate::policy::{Entry, Offered, Policy, Queue, Rates, Take, Taken};
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
struct Held<T, C> {
    epoch: T,
    batch: Arc<C>,
}

impl<T: Clone, C> Clone for Held<T, C> {
    fn clone(&self) -> Self {
        Held { epoch: self.epoch.clone(), batch: Arc::clone(&self.batch) }
    }
}

/// Records that the remote side has. Their capability stays with their epoch.
struct Away<T, C> {
    entry: Entry,
    held: Held<T, C>,
    /// Records that no reply has named yet.
    open: usize,
}

pub(super) struct Desk<T: Timestamp, K: Task> {
    task: Arc<K>,
    policy: Box<dyn Policy>,
    lane: Option<Lane<K>>,
    port: ReplyPort<K::Out>,
    inbox: ReplyInbox<K::Out>,
    clock: Clock,
    schedule: Option<Box<dyn Fn(&K::In) -> Span>>,
    slack: Nanos,
    slice: Duration,
    pressure: Pressure,
    observer: Box<dyn Observer<T>>,
    queue: Queue<Held<T, K::In>>,
    away: HashMap<u64, Away<T, K::In>>,
    in_flight: usize,
    next_id: u64,
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
        let (port, inbox) = reply_channel(wake);
        Desk {
            lane: burst.bridge.map(|bridge| bridge.lane(Arc::clone(&task))),
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
            away: HashMap::new(),
            in_flight: 0,
            next_id: 0,
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

    /// Takes note of what a final epoch brought.
    pub(super) fn offered(&mut self, epoch: T, offered: Offered) {
        self.policy.epoch(offered);
        self.epochs.offered(epoch, offered);
    }

    /// Sends out the results that have come, and takes home what has not been done.
    pub(super) fn replies(&mut self, outputs: &mut Outputs<'_, T, K>) {
        self.inbox.rearm();
        while let Some(reply) = self.inbox.try_recv() {
            let Some(away) = self.away.get_mut(&reply.id) else { continue };
            let records = reply.range.len();
            away.open -= records;
            self.in_flight -= records;
            match reply.outcome {
                Outcome::Done { mut out, home } => {
                    let within = relative(&reply.range, &away.entry.range);
                    let scheduled = away.entry.scheduled.slice(&within, away.entry.records());
                    let size = away.held.batch.size(&reply.range);
                    let done = records - home.len();
                    for position in &home {
                        let range = *position..position + 1;
                        self.queue.come_home(away.entry.clone(), range, away.held.clone());
                    }
                    let per_record = size / records.max(1);
                    self.pressure.remove(done, size - per_record * home.len());
                    let epoch = self.epochs.get(&away.held.epoch);
                    epoch.open -= done as u64;
                    epoch.stats.count(Path::Remote, done as u64);
                    outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
                    let now = self.clock.now();
                    self.observer.results(&away.held.epoch, Path::Remote, scheduled, done, now);
                }
                Outcome::Home(_) => {
                    self.queue.come_home(away.entry.clone(), reply.range, away.held.clone());
                }
            }
            if away.open == 0 {
                self.away.remove(&reply.id);
            }
        }
    }

    /// Sends away what the policy says.
    pub(super) fn plan(&mut self) {
        let Some(lane) = &self.lane else { return };
        if self.queue.is_empty() {
            return;
        }
        let rates = Rates { local: self.true_rate.get(), in_flight: self.in_flight };
        let now = self.clock.now();
        self.policy.plan(now, &self.queue.entries(), rates, &mut self.takes);
        let taken = &mut self.taken;
        self.queue.take_all(&mut self.takes, |take| taken.push(take));
        // They were taken from the last to the first; the oldest is sent first.
        let mut refused = Vec::new();
        for Taken { entry, payload: held } in self.taken.drain(..).rev() {
            let id = self.next_id;
            self.next_id += 1;
            let input = Arc::clone(&held.batch);
            let part = Part::new(id, input, entry.range.clone(), self.port.clone());
            match lane.send(part) {
                Ok(()) => {
                    let open = entry.records();
                    self.in_flight += open;
                    self.away.insert(id, Away { entry, held, open });
                }
                Err(_) => refused.push((entry, held)),
            }
        }
        for (entry, held) in refused.into_iter().rev() {
            let range = entry.range.clone();
            self.queue.come_home(entry, range, held);
        }
    }

    /// Does work from the front of the queue for about a slice.
    pub(super) fn work(&mut self, outputs: &mut Outputs<'_, T, K>) {
        let began = Instant::now();
        let mut spent = Duration::ZERO;
        while spent < self.slice {
            let fit = self.true_rate.fit(self.slice - spent);
            let Some(Taken { entry, payload: held }) = self.queue.take_front(fit) else { break };
            let range = entry.range.clone();
            let mut out = self.task.results(&held.batch, &range);
            self.task.compute(&held.batch, range.clone(), &mut out, &mut self.verdicts);
            let until_now = began.elapsed();
            self.true_rate.note(range.len(), until_now - spent);
            spent = until_now;

            self.pressure.remove(range.len(), held.batch.size(&range));
            let path = if entry.home { Path::Home } else { Path::Local };
            let epoch = self.epochs.get(&held.epoch);
            epoch.open -= range.len() as u64;
            let good = range.len() - self.verdicts.len();
            epoch.stats.count(path, good as u64);
            if good > 0 {
                outputs.results.session_with_builder(&epoch.results).give_container(&mut out);
                let now = self.clock.now();
                self.observer.results(&held.epoch, path, entry.scheduled, good, now);
            }
            if !self.verdicts.is_empty() {
                epoch.stats.bad += self.verdicts.len() as u64;
                self.observer.bad(self.verdicts.len());
                let records = self.verdicts.drain(..);
                let bad = records.map(|(at, code)| Bad { record: held.batch.record(at), code });
                outputs.bad.session(&epoch.bad).give_iterator(bad);
            }
        }
    }

    /// Gives up complete epochs and tells the observer how things stand.
    pub(super) fn settle(&mut self, frontier: &MutableAntichain<T>) {
        self.epochs.complete(frontier);
        self.epochs.publish(&mut *self.observer);
        self.observer.backlog(self.queue.records(), self.in_flight);
        if let Some(rate) = self.true_rate.get() {
            self.observer.true_rate(rate);
        }
    }

    /// Whether there is more to do at home.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }
}

/// `range` as positions within `of`.
fn relative(range: &Range<usize>, of: &Range<usize>) -> Range<usize> {
    range.start - of.start..range.end - of.start
}
