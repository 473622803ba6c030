//! The bridge in simulated time: its real request machines, driven by a model of the service.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::item::WorkItem;
use super::lambda::{Call, Invocation, Remote};
use crate::batch::Nanos;
#[cfg(test)]
use crate::bridge::breaker::State;
use crate::bridge::core::{Action, AttemptId, Fill, Filled, Item as _, Machine, Turn};
use crate::bridge::{Admission, Counters, LocalLoad, Offer, Settings};
#[cfg(test)]
use crate::bridge::{Failure, RATE_WINDOW};

/// What a worker is told of records that it handed over.
pub(super) struct Reply {
    pub stage: usize,
    pub id: u64,
    pub range: Range<usize>,
    /// Whether the records have results. Otherwise they are returned.
    pub is_done: bool,
    /// Cost of the attempts at these records, in US dollars.
    pub usd: f64,
}

/// Returns when a timer for `due` fires: the runtime's timers have a resolution of a millisecond.
fn timer(due: Nanos) -> Nanos {
    due.checked_next_multiple_of(1_000_000).unwrap_or(due)
}

pub(super) struct Bridge<R> {
    settings: Settings,
    /// The machine of each stage's task.
    machines: Vec<Machine<WorkItem>>,
    /// Time that a record of each stage takes in a function.
    records: Vec<Duration>,
    admission: Admission,
    service: R,
    random: StdRng,
    /// The attempts in flight, of each stage.
    invocations: BTreeMap<(usize, AttemptId), Invocation>,
    /// When each of them is on the wire or ends.
    events: BinaryHeap<Reverse<(Nanos, u32, usize, AttemptId)>>,
    actions: Vec<Action<WorkItem>>,
    /// The load of each worker at each stage.
    local_loads: Vec<Vec<Rc<LocalLoad>>>,
    replies: Vec<VecDeque<Reply>>,
    /// The offer of a time, until the admission changes: a worker asks several times in a turn.
    offer: Cell<Option<(Nanos, Offer)>>,
    /// Time of the last action. All events before it have been processed.
    clock: Nanos,
    /// What the attempts that end in this step are billed at least, in microseconds.
    #[cfg(test)]
    least_billed_us: u64,
    /// When results were last delivered.
    #[cfg(test)]
    delivered_at: Nanos,
    /// When the attempts of the last second were sent.
    #[cfg(test)]
    sent: VecDeque<Nanos>,
}

impl<R: Remote> Bridge<R> {
    /// Creates a bridge whose start-up probes have returned. They take no time of the stream. `records` has the time
    /// that a record of each stage takes in a function.
    pub(super) fn new(
        settings: Settings,
        service: R,
        workers: usize,
        records: Vec<Duration>,
        mut random: StdRng,
    ) -> Self {
        let of_stages =
            records.iter().map(|_| Machine::new(settings.clone(), StdRng::from_rng(&mut random)));
        let machines = of_stages.collect();
        let loads = || records.iter().map(|_| Rc::default()).collect();
        let mut bridge = Bridge {
            machines,
            admission: Admission::new(settings.clone()),
            service,
            settings,
            random,
            invocations: BTreeMap::new(),
            events: BinaryHeap::new(),
            actions: Vec::new(),
            local_loads: (0..workers).map(|_| loads()).collect(),
            records,
            replies: (0..workers).map(|_| VecDeque::new()).collect(),
            offer: Cell::new(None),
            clock: 0,
            #[cfg(test)]
            least_billed_us: 0,
            #[cfg(test)]
            delivered_at: 0,
            #[cfg(test)]
            sent: VecDeque::new(),
        };
        bridge.step_all(0, Machine::begin);
        while let Some(((stage, attempt), invocation)) = bridge.invocations.pop_first() {
            bridge.service.settle();
            bridge.end(0, stage, attempt, invocation);
        }
        bridge.events.clear();
        bridge
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the counters.
    pub(super) fn counters(&self) -> Counters {
        self.admission.counters(self.clock)
    }

    /// Returns the remote side.
    pub(super) fn service(&self) -> &R {
        &self.service
    }

    /// Returns everything to the workers. Nothing is sent any more.
    pub(super) fn close(&mut self, now: Nanos) {
        self.step_all(now, Machine::close);
    }

    /// Returns what workers are told of the remote side at `now`.
    pub(super) fn offer(&self, now: Nanos) -> Offer {
        let known = self.offer.get().filter(|(at, _)| *at == now);
        let offer = known.map_or_else(|| self.admission.offer(now), |(_, offer)| offer);
        self.offer.set(Some((now, offer)));
        let waiting = self.machines.iter().map(Machine::waiting).sum();
        offer.less(waiting, self.is_closed())
    }

    /// Returns the load of a worker at a stage, which the worker sets.
    pub(super) fn local_load(&self, worker: usize, stage: usize) -> &Rc<LocalLoad> {
        &self.local_loads[worker][stage]
    }

    /// Sets the time that a record takes on a worker.
    pub(super) fn set_local_record_time(&mut self, time: Duration) {
        self.offer.set(None);
        self.admission.set_local_record_time(time);
    }

    /// Returns whether it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.machines.iter().all(Machine::is_closed)
    }

    /// Announces that `records_per_second` of a stage are expected soon.
    pub(super) fn expect(&mut self, stage: usize, records_per_second: f64) {
        self.machines[stage].expect(records_per_second);
    }

    /// Receives a work item.
    pub(super) fn send(&mut self, now: Nanos, item: WorkItem) {
        self.machines[item.stage].hand_over(now, item);
    }

    /// Returns the next reply for a worker.
    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.replies[worker].pop_front()
    }

    /// Processes all events until `now`.
    pub(super) fn advance(&mut self, now: Nanos) {
        loop {
            let event = self.events.peek().map(|Reverse((at, ..))| *at);
            let wakeups =
                self.machines.iter().filter_map(|one| one.next_wakeup(&self.admission, false));
            let wakeup = wakeups.min().map(timer);
            let Some(due) = [event, wakeup].into_iter().flatten().min().filter(|due| *due <= now)
            else {
                break;
            };
            self.clock = due.max(self.clock);
            // What is answered is not late. An attempt that was given up wakes nobody.
            if event == Some(due)
                && let Some(Reverse((at, _, stage, attempt))) = self.events.pop()
                && !self.event(at, stage, attempt)
            {
                continue;
            }
            self.pump(self.clock);
        }
        self.clock = now;
    }

    /// Does what is due at `now`, and makes the requests that may be sent, until no attempt is sent any more: each
    /// uses a permit and a part of the budget, and may be on the wire at once.
    pub(super) fn pump(&mut self, now: Nanos) {
        let mut has_sent = true;
        while has_sent {
            has_sent = false;
            for stage in 0..self.machines.len() {
                has_sent |= self.step(now, stage, Machine::advance);
                while let Some(fill) = self.machines[stage].next_request(&self.admission, now) {
                    let filled = self.fill(stage, fill);
                    has_sent |= self.step(now, stage, |machine, turn| machine.send(turn, filled));
                }
            }
        }
    }

    /// Takes the work items of a request.
    fn fill(&mut self, stage: usize, fill: Fill<WorkItem>) -> Filled<WorkItem> {
        let count = |items: &[WorkItem]| items.iter().map(|item| item.records()).sum();
        match fill {
            Fill::Again(items) => {
                let records = count(&items);
                Filled { items, records, taken: 0, body: records }
            }
            Fill::Front(most) => {
                let waiting = self.machines[stage].waiting_mut();
                let (mut items, mut records) = (Vec::new(), 0);
                while records < most
                    && let Some(first) = waiting.front_mut()
                {
                    let item = first.split(most - records);
                    records += item.records();
                    items.push(item);
                    if first.records() == 0 {
                        waiting.pop_front();
                    }
                }
                Filled { items, records, taken: records, body: records }
            }
        }
    }

    /// Reports that an attempt is on the wire, or its end. Returns false if the attempt was given up before.
    fn event(&mut self, at: Nanos, stage: usize, attempt: AttemptId) -> bool {
        let Some(invocation) = self.invocations.get(&(stage, attempt)) else { return false };
        if at < invocation.at {
            self.machines[stage].on_wire(&mut self.admission, self.clock, attempt);
        } else if let Some(invocation) = self.invocations.remove(&(stage, attempt)) {
            self.end(self.clock, stage, attempt, invocation);
        }
        true
    }

    /// Reports the end of an attempt.
    fn end(&mut self, now: Nanos, stage: usize, attempt: AttemptId, invocation: Invocation) {
        #[cfg(test)]
        self.count_least_billed(now, &invocation);
        let ended = invocation.ended(self.settings.timeout);
        self.step(now, stage, |machine, turn| machine.ended(turn, attempt, ended));
    }

    /// Calls each machine and does what it wants.
    fn step_all(
        &mut self,
        now: Nanos,
        call: impl Fn(&mut Machine<WorkItem>, &mut Turn<'_, WorkItem>),
    ) {
        for stage in 0..self.machines.len() {
            self.step(now, stage, &call);
        }
    }

    /// Calls the machine of a stage and does what it wants. Returns whether an attempt was sent.
    fn step(
        &mut self,
        now: Nanos,
        stage: usize,
        call: impl FnOnce(&mut Machine<WorkItem>, &mut Turn<'_, WorkItem>),
    ) -> bool {
        self.offer.set(None);
        let Bridge { machines, admission, actions, .. } = self;
        admission.refresh(now);
        #[cfg(test)]
        let billed_us = admission.counters.billed_us;
        call(&mut machines[stage], &mut Turn { admission, now, actions });
        let mut actions = std::mem::take(&mut self.actions);
        let mut has_sent = false;
        for action in actions.drain(..) {
            match action {
                Action::Send { attempt, body, .. } => {
                    has_sent = true;
                    #[cfg(test)]
                    self.check_send(now, attempt, body.is_some());
                    self.invoke(now, stage, attempt, body.unwrap_or(0));
                }
                Action::Cancel(attempt) => {
                    let _invocation = self.invocations.remove(&(stage, attempt));
                    #[cfg(test)]
                    _invocation.inspect(|invocation| self.count_least_billed(now, invocation));
                }
                Action::Deliver { items, usd, .. } => {
                    #[cfg(test)]
                    (self.delivered_at = now);
                    self.answer(items, true, usd);
                }
                Action::Return { items, usd, failure } => {
                    #[cfg(test)]
                    self.check_return(&items, &failure);
                    let _ = failure;
                    self.answer(items, false, usd);
                }
                Action::Warn(_) => {}
            }
        }
        self.actions = actions;
        #[cfg(test)]
        self.check(self.admission.counters.billed_us - billed_us);
        has_sent
    }

    /// Sends an attempt.
    fn invoke(&mut self, now: Nanos, stage: usize, attempt: AttemptId, records: usize) {
        let timeout = self.settings.timeout;
        let call = Call { now, records, record: self.records[stage], timeout };
        let invocation = self.service.invoke(call, &mut self.random);
        let Invocation { on_wire, at, rank, .. } = invocation;
        self.events.push(Reverse((at, rank, stage, attempt)));
        if on_wire > now && on_wire < at {
            self.events.push(Reverse((on_wire, rank, stage, attempt)));
        }
        self.invocations.insert((stage, attempt), invocation);
        if on_wire <= now {
            self.machines[stage].on_wire(&mut self.admission, now, attempt);
        }
    }

    /// Answers the pending records of work items.
    fn answer(&mut self, items: Vec<WorkItem>, is_done: bool, usd: f64) {
        for WorkItem { worker, stage, id, part, .. } in items {
            for range in part.pending.take(&part.range) {
                let usd = usd * range.len() as f64;
                self.replies[worker].push_back(Reply { stage, id, range, is_done, usd });
            }
        }
    }
}

/// What is checked while the machine is [explored](super::exploration).
#[cfg(test)]
impl<R: Remote> Bridge<R> {
    /// Waits until nothing is in flight.
    pub(super) fn drain(&mut self) {
        for _ in 0..1_000 {
            if self.is_idle() {
                return;
            }
            self.advance(self.clock + 10_000_000);
            self.pump(self.clock);
        }
    }

    /// Returns whether nothing waits and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.machines.iter().all(Machine::is_idle)
            && self.invocations.is_empty()
            && self.admission.in_flight() == 0
    }

    /// Returns the breaker's state.
    pub(super) fn breaker(&self) -> State {
        self.admission.health().state()
    }

    /// Returns when results were last delivered.
    pub(super) fn delivered_at(&self) -> Nanos {
        self.delivered_at
    }

    /// Checks an attempt that is about to be sent.
    fn check_send(&mut self, now: Nanos, attempt: AttemptId, has_records: bool) {
        let (in_flight, limit) = (self.admission.in_flight(), self.admission.limit());
        let needs_permit = has_records && (attempt.number == 1 || self.settings.is_only_side);
        assert!(!needs_permit || in_flight <= limit, "{in_flight} are in flight, of {limit}");
        assert!(!self.is_closed(), "nothing is sent after the end");
        if let Some(most) = self.settings.requests_per_second {
            self.sent.push_back(now);
            while self.sent.front().is_some_and(|sent| sent + RATE_WINDOW <= now) {
                self.sent.pop_front();
            }
            assert!(self.sent.len() <= most as usize, "more than {most} are sent in a second");
        }
        if let Some(total) = self.settings.cost_limits.total {
            let counters = &self.admission.counters;
            let usd = self.settings.cost.usd(counters.billed, counters.billed_us as f64 / 1e3);
            assert!(usd < total, "{usd} of {total} dollars are spent");
        }
    }

    /// Checks work items that are returned. A call is given up if it is one record that has failed as often as it may,
    /// or is too large.
    fn check_return(&self, items: &[WorkItem], failure: &Failure) {
        if self.settings.is_only_side && !self.is_closed() {
            let records: usize = items.iter().map(|item| item.records()).sum();
            assert_eq!(records, 1, "{failure}");
            assert!(failure.is_size() || failure.is_remote() && !failure.is_limit(), "{failure}");
        }
    }

    /// Counts what an attempt that has ended is billed at least: of one that was given up, the time until then.
    fn count_least_billed(&mut self, now: Nanos, invocation: &Invocation) {
        let ran = (invocation.billed_ms.unwrap_or(0.0) * 1e3) as u64;
        let on_wire = now.saturating_sub(invocation.on_wire) / 1_000;
        self.least_billed_us += ran.min(on_wire);
    }

    /// Checks what holds after each step, in which `billed_us` microseconds were counted as billed.
    fn check(&mut self, billed_us: u64) {
        let least = std::mem::take(&mut self.least_billed_us);
        let is_billed = !self.settings.is_only_side;
        assert!(
            !is_billed || billed_us >= least,
            "{least} us were billed and {billed_us} us were counted"
        );
        let counters = &self.admission.counters;
        assert!(counters.attempts >= counters.requests + counters.hedged, "{counters:?}");
        assert!(
            self.admission.in_flight() >= self.invocations.len(),
            "a permit came back too early"
        );
    }
}
