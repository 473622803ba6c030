//! The bridge in simulated time: its real request machine, driven by a model of the service.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::item::WorkItem;
use super::lambda::{Invocation, Lambda, Service};
use crate::batch::Nanos;
use crate::bridge::core::{
    Action, AttemptId, Billed, Ended, Fill, Filled, Item as _, Machine, Turn,
};
use crate::bridge::{Admission, Counters, Failure, LocalLoad, Settings};
use crate::policy::Rates;

/// What a worker is told of records that it handed over.
pub(super) struct Reply {
    pub id: u64,
    pub range: Range<usize>,
    /// Whether the records have results. Otherwise they are returned.
    pub is_done: bool,
}

pub(super) struct Bridge {
    settings: Settings,
    machine: Machine<WorkItem>,
    admission: Admission,
    service: Service,
    random: StdRng,
    /// The attempts in flight, and when each ends.
    invocations: BTreeMap<AttemptId, Invocation>,
    ends: BinaryHeap<Reverse<(Nanos, AttemptId)>>,
    actions: Vec<Action<WorkItem>>,
    local_loads: Vec<Rc<LocalLoad>>,
    replies: Vec<VecDeque<Reply>>,
    /// Time of the last action. All events before it have been processed.
    clock: Nanos,
}

impl Bridge {
    /// Creates a bridge whose start-up probes have returned. They take no time of the stream.
    pub(super) fn new(
        settings: Settings,
        lambda: Lambda,
        workers: usize,
        mut random: StdRng,
    ) -> Self {
        let of_machine = StdRng::from_rng(&mut random);
        let mut bridge = Bridge {
            machine: Machine::new(settings.clone(), of_machine),
            admission: Admission::new(settings.clone()),
            service: Service::new(lambda),
            settings,
            random,
            invocations: BTreeMap::new(),
            ends: BinaryHeap::new(),
            actions: Vec::new(),
            local_loads: (0..workers).map(|_| Rc::default()).collect(),
            replies: (0..workers).map(|_| VecDeque::new()).collect(),
            clock: 0,
        };
        bridge.step(0, Machine::begin);
        while let Some((attempt, invocation)) = bridge.invocations.pop_first() {
            bridge.service.settle();
            bridge.end(0, attempt, invocation);
        }
        bridge.ends.clear();
        bridge
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the counters, with the billed time that the service knows.
    pub(super) fn counters(&self) -> Counters {
        let (billed, billed_ms) = self.service.billed;
        let (billed_us, cold_starts) = ((billed_ms * 1e3).round() as u64, self.service.cold_starts);
        Counters { billed, billed_us, cold_starts, ..self.admission.counters }
    }

    /// Returns the largest number of environments at a time.
    pub(super) fn environments(&self) -> usize {
        self.service.most
    }

    /// Returns what a worker sees of the remote side at `now`.
    pub(super) fn rates(&self, now: Nanos) -> Rates {
        self.admission.offer(now, self.machine.waiting()).into()
    }

    /// Returns whether records may wait for room.
    pub(super) fn is_available(&self) -> bool {
        self.admission.is_available()
    }

    /// Returns the age from which a work item is late.
    pub(super) fn late(&self) -> Nanos {
        (self.admission.timing().late() + self.settings.linger).as_nanos() as Nanos
    }

    /// Returns the load of a worker, which the worker sets.
    pub(super) fn local_load(&self, worker: usize) -> &Rc<LocalLoad> {
        &self.local_loads[worker]
    }

    /// Sets how many records per second a worker does.
    pub(super) fn set_local_rate(&mut self, rate: f64) {
        self.admission.set_local_record_time(Duration::from_secs_f64(1.0 / rate.max(1e-9)));
    }

    /// Announces that `records_per_second` are expected soon.
    pub(super) fn expect(&mut self, records_per_second: f64) {
        self.machine.expect(records_per_second);
    }

    /// Receives a work item.
    pub(super) fn send(&mut self, item: WorkItem) {
        self.machine.hand_over(item);
    }

    /// Returns the next reply for a worker.
    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.replies[worker].pop_front()
    }

    /// Processes all events until `now`.
    pub(super) fn advance(&mut self, now: Nanos) {
        loop {
            let end = self.ends.peek().map(|Reverse((at, _))| *at);
            let wakeup = self.machine.next_wakeup(&self.admission, false);
            let Some(due) = [end, wakeup].into_iter().flatten().min().filter(|due| *due <= now)
            else {
                break;
            };
            self.clock = due.max(self.clock);
            // What is answered is not late.
            if end == Some(due)
                && let Some(Reverse((_, attempt))) = self.ends.pop()
                && let Some(invocation) = self.invocations.remove(&attempt)
            {
                self.end(self.clock, attempt, invocation);
            }
            self.pump(self.clock);
        }
        self.clock = now;
    }

    /// Does what is due at `now`, and makes the requests that may be sent.
    pub(super) fn pump(&mut self, now: Nanos) {
        self.step(now, Machine::advance);
        while let Some(fill) = self.machine.next_request(&self.admission, now) {
            let filled = self.fill(fill);
            self.step(now, |machine, turn| machine.send(turn, filled));
        }
    }

    /// Takes the work items of a request.
    fn fill(&mut self, fill: Fill<WorkItem>) -> Filled<WorkItem> {
        let count = |items: &[WorkItem]| items.iter().map(|item| item.records()).sum();
        match fill {
            Fill::Again(items) => {
                let records = count(&items);
                Filled { items, records, taken: 0, body: records }
            }
            Fill::Front(most) => {
                let waiting = self.machine.waiting_mut();
                let (mut items, mut records) = (Vec::new(), 0);
                while records < most
                    && let Some(first) = waiting.front_mut()
                {
                    let item = first.split(most - records);
                    records += item.records();
                    items.push(item);
                    waiting.pop_front_if(|item| item.records() == 0);
                }
                Filled { items, records, taken: records, body: records }
            }
        }
    }

    /// Reports the end of an attempt.
    fn end(&mut self, now: Nanos, attempt: AttemptId, invocation: Invocation) {
        let Invocation { sent, at, billed_ms, result } = invocation;
        let took = Duration::from_nanos(at - sent).min(self.settings.timeout);
        // A service reports what it bills with an answer, and not with an error of its own.
        let is_reported = matches!(result, Ok(_) | Err(Failure::Function(_)));
        let billed = match billed_ms {
            Some(ms) if is_reported => Billed::Reported(Duration::from_secs_f64(ms / 1e3)),
            Some(_) => Billed::TimeOnWire,
            None => Billed::Nothing,
        };
        let ended = Ended { result, took, retry_after: None, billed };
        self.step(now, |machine, turn| machine.ended(turn, attempt, ended));
    }

    /// Calls the machine and does what it wants.
    fn step(
        &mut self,
        now: Nanos,
        call: impl FnOnce(&mut Machine<WorkItem>, &mut Turn<'_, WorkItem>),
    ) {
        let Bridge { machine, admission, actions, .. } = self;
        call(machine, &mut Turn { admission, now, actions });
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                Action::Send { attempt, body, .. } => self.invoke(now, attempt, body.unwrap_or(0)),
                Action::Cancel(attempt) => {
                    self.invocations.remove(&attempt);
                }
                Action::Deliver { items, .. } => self.answer(items, true),
                Action::Return { items, .. } => self.answer(items, false),
                Action::Warn(_) => {}
            }
        }
        self.actions = actions;
    }

    /// Sends an attempt. It is on the wire at once.
    fn invoke(&mut self, now: Nanos, attempt: AttemptId, records: usize) {
        let timeout = self.settings.timeout;
        let invocation = self.service.invoke(now, records, timeout, &mut self.random);
        self.ends.push(Reverse((invocation.at, attempt)));
        self.invocations.insert(attempt, invocation);
        self.machine.on_wire(&mut self.admission, now, attempt);
    }

    /// Answers the pending records of work items.
    fn answer(&mut self, items: Vec<WorkItem>, is_done: bool) {
        for item in items {
            for range in item.pending.take(&item.range) {
                self.replies[item.worker].push_back(Reply { id: item.id, range, is_done });
            }
        }
    }
}
