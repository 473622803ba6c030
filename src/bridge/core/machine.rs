//! The request machine of a task: the work items that wait, and when requests are made of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use rand::rngs::StdRng;

use super::request::{Purpose, Request};
use super::{Action, Fill, Filled, Item, Turn};
use crate::batch::Nanos;
use crate::bridge::{Admission, Failure, Settings};

/// The state of a task's requests. See the [module](super).
pub(crate) struct Machine<I: Item> {
    pub(super) settings: Settings,
    pub(super) random: StdRng,
    /// The work items that wait, the oldest first, and the number of their records.
    waiting: VecDeque<I>,
    records: usize,
    /// Records that were handed over since the last [`Machine::advance`].
    arrived: usize,
    /// Whether the waiting records are sent although they fill no request.
    is_urgent: bool,
    /// Work items that were a request before, or half of one. Each is sent as a request of its own, before the
    /// waiting ones.
    pub(super) again: VecDeque<Vec<I>>,
    /// The requests in progress, the oldest first. They are boxed because they are large and the map moves its entries.
    pub(super) requests: BTreeMap<u64, Box<Request<I>>>,
    pub(super) next_request: u64,
    /// When requests are due, the earliest first. An entry counts only if the request has the same time.
    pub(super) timers: BinaryHeap<Reverse<(Nanos, u64)>>,
    /// The rate that is expected soon, in records per second.
    expected: f64,
    is_closed: bool,
}

impl<I: Item> Machine<I> {
    /// `random` is the source of the jitter of retries.
    pub(crate) fn new(settings: Settings, random: StdRng) -> Self {
        Machine {
            settings,
            random,
            waiting: VecDeque::new(),
            records: 0,
            arrived: 0,
            is_urgent: false,
            again: VecDeque::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            timers: BinaryHeap::new(),
            expected: 0.0,
            is_closed: false,
        }
    }

    /// Sends the first start-up probe, if there are any.
    pub(crate) fn begin(&mut self, turn: &mut Turn<'_, I>) {
        if self.settings.probes_at_start {
            self.start_probe(turn, true);
        }
    }

    /// Receives a work item.
    pub(crate) fn hand_over(&mut self, now: Nanos, mut item: I) {
        item.part_mut().submitted_at = now;
        self.records += item.records();
        self.arrived += item.records();
        self.is_urgent |= item.part().urgent;
        self.waiting.push_back(item);
    }

    /// Announces that `records_per_second` are expected soon.
    pub(crate) fn expect(&mut self, records_per_second: f64) {
        self.expected = self.expected.max(records_per_second);
    }

    /// Returns the number of waiting records.
    pub(crate) fn waiting(&self) -> usize {
        self.records + self.again.iter().flatten().map(Item::records).sum::<usize>()
    }

    /// Does what is due: requests that are late, time out or are retried, and what follows from the state of
    /// the remote side. Call it before [`Machine::next_request`].
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_, I>) {
        turn.admission.observe_demand(turn.now, std::mem::take(&mut self.arrived));
        let mut again = Vec::new();
        while let Some(Reverse((due, id))) = self.timers.peek().copied()
            && due <= turn.now
        {
            self.timers.pop();
            if let Some(request) = self.requests.get_mut(&id).filter(|it| it.due_at == due) {
                request.due_at = Nanos::MAX;
                self.check(turn, id, &mut again);
            }
        }
        // What has ended until now is billed, and has opened the breaker, before anything is sent.
        for again in again {
            self.send_again(turn, again);
        }
        // What is over needs no wake-up.
        while let Some(Reverse((due, id))) = self.timers.peek()
            && self.requests.get(id).is_none_or(|request| request.due_at != *due)
        {
            self.timers.pop();
        }
        if self.is_closed {
            self.return_waiting(turn, &Failure::Closed);
            return;
        }
        // Also while nothing may be sent: others could not wait in their place.
        self.drop_done();
        self.check_remote(turn);
    }

    /// Returns everything to the workers, and gives up all attempts. Nothing is sent any more.
    pub(crate) fn close(&mut self, turn: &mut Turn<'_, I>) {
        self.is_closed = true;
        while let Some(&id) = self.requests.keys().next() {
            self.end(turn, id, Failure::Closed);
        }
        self.return_waiting(turn, &Failure::Closed);
    }

    /// Returns whether nothing waits and no request goes on.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.waiting() == 0
    }

    /// Returns the number of attempts in flight.
    pub(crate) fn attempts(&self) -> usize {
        self.requests.values().map(|request| request.attempts_in_flight()).sum()
    }

    /// Returns whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns when there is something to do without another event. `waits_for_memory` if no request can be
    /// made now.
    pub(crate) fn next_wakeup(
        &self,
        admission: &Admission,
        waits_for_memory: bool,
    ) -> Option<Nanos> {
        let request = self.timers.peek().map(|Reverse((due, _))| *due);
        let may_send = !waits_for_memory && self.may_send(admission);
        let oldest = self.waiting.front().filter(|_| may_send);
        let linger = oldest.map(|oldest| oldest.part().submitted_at + self.linger());
        let remote = admission.next_wakeup().filter(|_| !self.is_closed);
        [request, linger, remote].into_iter().flatten().min()
    }

    /// Returns the request that should be made now, if there is one. The caller makes it and calls
    /// [`Machine::send`].
    pub(crate) fn next_request(&mut self, admission: &Admission, now: Nanos) -> Option<Fill<I>> {
        if self.is_closed || !self.may_send(admission) {
            return None;
        }
        while let Some(items) = self.again.pop_front() {
            if items.iter().any(Item::is_pending) {
                return Some(Fill::Again(items));
            }
        }
        self.drop_done();
        let oldest = self.waiting.front()?;
        let is_ready = self.is_urgent
            || self.records >= admission.max_records()
            || admission.in_flight() == 0
            || now >= oldest.part().submitted_at + self.linger();
        is_ready.then(|| Fill::Front(admission.max_records()))
    }

    /// Returns the waiting work items, so that a request is made of the first ones.
    pub(crate) fn waiting_mut(&mut self) -> &mut VecDeque<I> {
        &mut self.waiting
    }

    /// Sends a request that was made of the first work items.
    pub(crate) fn send(&mut self, turn: &mut Turn<'_, I>, filled: Filled<I>) {
        let Filled { items, records, taken, body } = filled;
        self.leave_queue(taken);
        if records == 0 {
            return;
        }
        // Records that failed before were counted when they were first sent.
        if items.iter().all(|item| item.part().failed == 0) {
            turn.admission.counters.requests += 1;
            turn.admission.counters.records_sent += records as u64;
        }
        let mut request = Request::new(Purpose::Records, items, records, Some(body));
        request.late_at = turn.now + nanos(turn.admission.timing().late());
        request.check_at = request.late_at;
        self.start(turn, request);
    }

    /// Starts a request without records.
    fn start_empty(&mut self, turn: &mut Turn<'_, I>, purpose: Purpose) {
        self.start(turn, Request::new(purpose, Vec::new(), 0, None));
    }

    /// Sends a start-up probe, if the budget covers it and the limit on requests a second allows it.
    pub(super) fn start_probe(&mut self, turn: &mut Turn<'_, I>, is_first: bool) {
        if turn.admission.can_afford() && turn.admission.free_at().is_none() {
            turn.admission.counters.probes += 1;
            self.start_empty(turn, Purpose::StartProbe { is_first });
        } else {
            turn.admission.health_mut().mark_started();
        }
    }

    /// Follows the state of the remote side: returns the waiting records while nothing may be sent, if workers
    /// can compute them, sends probes while the breaker is open, and otherwise starts environments for the
    /// expected records.
    fn check_remote(&mut self, turn: &mut Turn<'_, I>) {
        let expected = std::mem::take(&mut self.expected);
        let is_only_side = self.settings.is_only_side;
        if turn.admission.health().is_open() && !is_only_side {
            self.return_waiting(turn, &Failure::BreakerOpen);
        } else if !turn.admission.can_afford() && !is_only_side {
            self.return_waiting(turn, &Failure::OverBudget);
        } else if expected > 0.0 {
            for _ in 0..turn.admission.warm_ups_needed(turn.now, expected) {
                turn.admission.counters.warm_ups += 1;
                self.start_empty(turn, Purpose::WarmUp);
            }
        }
        if turn.admission.start_probe_if_due(turn.now) {
            turn.admission.counters.probes += 1;
            self.start_empty(turn, Purpose::Probe);
        }
    }

    /// Returns the waiting records to their workers.
    fn return_waiting(&mut self, turn: &mut Turn<'_, I>, failure: &Failure) {
        let items: Vec<I> = self.again.drain(..).flatten().chain(self.waiting.drain(..)).collect();
        self.leave_queue(self.records);
        if !items.is_empty() {
            turn.actions.push(Action::Return { items, usd: 0.0, failure: failure.clone() });
        }
    }

    /// Drops the first work items if the workers have computed their records themselves.
    fn drop_done(&mut self) {
        while let Some(item) = self.waiting.front().filter(|item| !item.is_pending()) {
            let records = item.records();
            self.waiting.pop_front();
            self.leave_queue(records);
        }
    }

    /// Subtracts records that no longer wait.
    fn leave_queue(&mut self, records: usize) {
        self.records -= records;
        self.is_urgent &= self.records > 0;
    }

    fn linger(&self) -> Nanos {
        nanos(self.settings.linger)
    }

    /// Returns whether a request may be sent now. A cold environment is allowed if the newest work item
    /// allows it: the older ones have waited longer, and their workers have more records to compute first.
    fn may_send(&self, admission: &Admission) -> bool {
        let warm_only =
            self.again.is_empty() && self.waiting.back().is_some_and(|item| item.part().warm_only);
        admission.may_send(warm_only)
    }
}

pub(super) fn nanos(time: Duration) -> Nanos {
    time.as_nanos() as Nanos
}
