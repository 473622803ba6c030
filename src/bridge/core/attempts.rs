//! The attempts of a request, until it is answered or its records are returned.

use std::time::Duration;

use rand::RngExt as _;

use super::machine::nanos;
use super::request::{Again, Attempt, LATE_CHECK_INTERVAL, Next, Purpose, Request};
use super::{Action, AttemptId, Billed, Ended, Item, Machine, Turn, Warning};
use crate::batch::Nanos;
use crate::bridge::{Admission, AttemptOutcome, Failure, Settings, delay};

impl<I: Item> Machine<I> {
    /// Records that an attempt is on the wire since `at`.
    pub(crate) fn on_wire(&mut self, admission: &mut Admission, at: Nanos, id: AttemptId) {
        let Some(request) = self.requests.get_mut(&id.request) else { return };
        let Some((attempt, _)) = request.attempt_mut(id.number) else { return };
        admission.mark_on_wire(at, &mut attempt.in_flight);
        request.was_on_wire = true;
        self.schedule(id.request);
    }

    /// Records that an attempt has ended.
    pub(crate) fn ended(&mut self, turn: &mut Turn<'_, I>, id: AttemptId, ended: Ended) {
        let Some(request) = self.requests.get_mut(&id.request) else { return };
        let Some((attempt, is_hedge)) = request.take_attempt(id.number) else { return };
        let Ended { result, took, retry_after, billed } = ended;
        request.usd += turn.admission.bill(turn.now, billed, took);
        let has_records = request.purpose == Purpose::Records;
        turn.admission.finish_attempt(
            turn.now,
            attempt.in_flight,
            match &result {
                Ok(cold) if has_records => AttemptOutcome::Succeeded { took, cold: *cold },
                Ok(cold) => AttemptOutcome::Probe { took, cold: *cold },
                Err(failure) if has_records => AttemptOutcome::Failed(failure),
                Err(failure) => AttemptOutcome::ProbeFailed(failure),
            },
        );
        // What ends the request may be the open breaker, or its hedge.
        if let Err(failure) = &result
            && (failure.is_refusal() || matches!(request.purpose, Purpose::Probe))
        {
            turn.actions.push(Action::Warn(Warning::Request(failure.clone())));
        }
        match result {
            Ok(_) if has_records => self.deliver(turn, id, is_hedge),
            Err(failure) if has_records => {
                self.attempt_failed(turn, id.request, is_hedge, failure, retry_after);
            }
            result => self.probe_ended(turn, id.request, result.err()),
        }
        self.schedule(id.request);
    }

    /// Starts a request with its first attempt.
    pub(super) fn start(&mut self, turn: &mut Turn<'_, I>, request: Request<I>) {
        let id = self.next_request;
        self.next_request += 1;
        self.requests.insert(id, Box::new(request));
        self.attempt(turn, id, false);
        self.schedule(id);
    }

    /// Starts an attempt. A retry or a hedge does not wait for a permit: budgets bound their number, and
    /// requests that wait for a permit are not delayed by those that wait for their backoff.
    fn attempt(&mut self, turn: &mut Turn<'_, I>, id: u64, is_hedge: bool) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let in_flight = turn.admission.start_attempt(turn.now);
        let timeout = match request.purpose {
            Purpose::Probe => turn.admission.timing().probe_timeout(),
            _ => self.settings.timeout,
        };
        request.attempts += 1;
        let attempt = Attempt {
            number: request.attempts,
            failure_timeout: nanos(turn.admission.failure_timeout(in_flight)),
            timeout: nanos(timeout),
            in_flight,
            is_overdue: false,
            is_abandoned: false,
        };
        turn.admission.counters.attempts += u64::from(request.purpose == Purpose::Records);
        let body = request.body.clone();
        turn.actions.push(Action::Send { attempt: attempt.id(id), body, is_hedge });
        *(if is_hedge { &mut request.hedge } else { &mut request.first }) = Some(attempt);
    }

    /// Adds a timer for the next time at which a request is due.
    pub(super) fn schedule(&mut self, id: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let due = request.next_due();
        if due != request.due_at {
            request.due_at = due;
            if due < Nanos::MAX {
                self.timers.push(std::cmp::Reverse((due, id)));
            }
        }
    }

    /// Does what is due for a request, but for the attempts that may be sent: those are added to `again`.
    pub(super) fn check(&mut self, turn: &mut Turn<'_, I>, id: u64, again: &mut Vec<Again>) {
        self.check_attempts(turn, id);
        let Some(request) = self.requests.get_mut(&id) else { return };
        if let Some((_, next)) = request.waits.take_if(|(until, _)| *until <= turn.now) {
            match next {
                _ if !request.is_pending() => self.end_first(turn, id, Failure::DoneLocally),
                Next::Retry => again.push(Again::Retry(id)),
                Next::Requeue(failure) => self.end_first(turn, id, failure),
            }
        }
        let Some(request) = self.requests.get_mut(&id) else { return };
        if request.check_at <= turn.now {
            request.check_at = turn.now + LATE_CHECK_INTERVAL;
            self.check_late(turn, id, again);
        }
        self.schedule(id);
    }

    /// Sends another attempt if it may still be sent.
    pub(super) fn send_again(&mut self, turn: &mut Turn<'_, I>, again: Again) {
        let (Again::Retry(id) | Again::Hedge(id)) = again;
        match again {
            Again::Retry(_) => self.retry(turn, id),
            Again::Hedge(_) if self.requests.contains_key(&id) && turn.admission.may_hedge() => {
                turn.admission.counters.hedged += 1;
                self.attempt(turn, id, true);
            }
            Again::Hedge(_) => {}
        }
        self.schedule(id);
    }

    /// Checks the ages of a request's attempts.
    fn check_attempts(&mut self, turn: &mut Turn<'_, I>, id: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        let now = turn.now;
        let timed_out = request.attempts_mut().find(|attempt| attempt.times_out_at() <= now);
        if let Some(attempt) = timed_out {
            let number = attempt.number;
            let took = attempt.in_flight.time_on_wire(now);
            let id = AttemptId { request: id, number };
            turn.actions.push(Action::Cancel(id));
            let (result, billed) = (Err(Failure::TimedOut), Billed::GivenUp);
            return self.ended(turn, id, Ended { result, took, retry_after: None, billed });
        }
        if request.purpose != Purpose::Records {
            return;
        }
        let is_due = |at: Option<Nanos>| at.is_some_and(|at| at <= now);
        let (mut overdue, mut is_abandoned) = (0, false);
        for attempt in request.attempts_mut() {
            if !attempt.is_overdue && is_due(attempt.overdue_at()) {
                attempt.is_overdue = true;
                overdue += 1;
            }
            if !attempt.is_abandoned && is_due(attempt.abandoned_at()) {
                attempt.is_abandoned = true;
                is_abandoned = true;
            }
        }
        for _ in 0..overdue {
            request.is_overdue = true;
            turn.actions.push(Action::Warn(Warning::Request(Failure::TimedOut)));
            turn.admission.health_mut().failed(now);
        }
        // Other workers compute late records themselves, and a call goes on until it is answered or times out.
        if is_abandoned && !self.settings.is_only_side {
            let is_remote_only = |item: &&I| item.local_load().is_remote_only();
            let items: Vec<I> =
                request.items.iter().filter(is_remote_only).map(I::duplicate).collect();
            if !items.is_empty() {
                let failure = Failure::TimedOut;
                turn.actions.push(Action::Return { items, usd: 0.0, failure });
            }
        }
    }

    /// Checks a late request, or one that waits before a retry: its workers may have computed its records, the
    /// breaker may have opened, or it may be hedged.
    fn check_late(&mut self, turn: &mut Turn<'_, I>, id: u64, again: &mut Vec<Again>) {
        let Some(request) = self.requests.get(&id) else { return };
        // An attempt is billed and its time is measured, so it continues until it counts as failed.
        let may_end = request.is_overdue || request.first.is_none() && request.hedge.is_none();
        if may_end && !request.is_pending() {
            return self.end(turn, id, Failure::DoneLocally);
        }
        if turn.admission.health().is_open() {
            return self.end(turn, id, Failure::BreakerOpen);
        }
        let may_hedge = turn.now >= request.late_at
            && request.hedge.is_none()
            && request.failure.is_none()
            && request.was_on_wire;
        // Workers that are less busy compute late records themselves.
        let remote = turn.admission.expected_latency();
        if may_hedge && request.local_time().is_some_and(|local| local > remote) {
            again.push(Again::Hedge(id));
        }
    }

    /// Makes another attempt after the backoff.
    fn retry(&mut self, turn: &mut Turn<'_, I>, id: u64) {
        if turn.admission.health().is_open() {
            self.end(turn, id, Failure::BreakerOpen);
        } else if !turn.admission.can_afford() {
            // Other attempts may have been billed more than was expected when the backoff began.
            self.end_first(turn, id, Failure::OverBudget);
        } else if let Some(free) = turn.admission.free_at() {
            if let Some(request) = self.requests.get_mut(&id) {
                request.waits = Some((free, Next::Retry));
            }
        } else {
            self.attempt(turn, id, false);
        }
    }

    /// An attempt has failed: another one follows, the hedge is still in flight, or the request ends.
    fn attempt_failed(
        &mut self,
        turn: &mut Turn<'_, I>,
        id: u64,
        is_hedge: bool,
        failure: Failure,
        retry_after: Option<Duration>,
    ) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if is_hedge {
            if let Some(failure) = request.failure.take() {
                self.end(turn, id, failure);
            }
            return;
        }
        let waits_for_room = self.waits_for_room(id, &failure);
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.failed += u32::from(!waits_for_room);
        let now = turn.now;
        match self.next(turn, id, &failure, retry_after) {
            Some((delay, next)) => {
                let Some(request) = self.requests.get_mut(&id) else { return };
                request.waits = Some((now + nanos(delay), next));
                // The failure may have opened the breaker.
                request.check_at = request.check_at.min(now);
            }
            None => self.end_first(turn, id, failure),
        }
    }

    /// Makes no more attempts. The request ends with its hedge, if there is one.
    fn end_first(&mut self, turn: &mut Turn<'_, I>, id: u64, failure: Failure) {
        match self.requests.get_mut(&id) {
            Some(request) if request.hedge.is_some() => request.failure = Some(failure),
            _ => self.end(turn, id, failure),
        }
    }

    /// Returns what follows a failed attempt, and the delay before it; None if nothing does.
    fn next(
        &mut self,
        turn: &mut Turn<'_, I>,
        id: u64,
        failure: &Failure,
        retry_after: Option<Duration>,
    ) -> Option<(Duration, Next)> {
        let waits_for_room = self.waits_for_room(id, failure);
        let request = self.requests.get(&id)?;
        let settings = &self.settings;
        if waits_for_room {
            turn.actions.push(Action::Warn(Warning::Request(failure.clone())));
            // The request is sent again once there is a permit. A throttle has lowered the limit, which is delay
            // enough. Where this machine has no room, it may have none at the lowest limit either.
            let delay = match failure {
                Failure::Throttled(_) => retry_after.unwrap_or_default(),
                _ => delay(settings, false, 0, None, self.random.random()),
            };
            return Some((delay.min(settings.max_backoff), Next::Requeue(failure.clone())));
        }
        if settings.is_only_side && !is_given_up(settings, request, failure) {
            turn.actions.push(Action::Warn(Warning::Request(failure.clone())));
            let delay =
                delay(settings, false, request.failed - 1, retry_after, self.random.random());
            return Some((delay.min(settings.max_backoff), Next::Requeue(failure.clone())));
        }
        if settings.is_only_side || request.failed >= settings.attempts || !failure.is_retryable() {
            return None;
        }
        let (is_limit, random) = (failure.is_limit(), self.random.random());
        let delay = delay(settings, is_limit, request.failed - 1, retry_after, random);
        let remote = delay + turn.admission.expected_latency();
        let local_is_sooner = request.local_time().is_some_and(|local| local <= remote);
        (!local_is_sooner && turn.admission.may_retry(failure)).then_some((delay, Next::Retry))
    }

    /// Returns whether a request that failed in this way waits for room. Such a failure does not count as an attempt.
    fn waits_for_room(&self, id: u64, failure: &Failure) -> bool {
        match self.settings.is_only_side {
            true => failure.is_limit(),
            false => {
                let request = self.requests.get(&id);
                failure.may_wait_for_room()
                    && request.is_some_and(|request| request.is_remote_only())
            }
        }
    }

    /// Delivers the answer to an attempt. Other attempts are given up.
    fn deliver(&mut self, turn: &mut Turn<'_, I>, id: AttemptId, is_hedge: bool) {
        let Some(mut request) = self.requests.remove(&id.request) else { return };
        give_up(turn, id.request, &mut request);
        let Request { items, body, usd, records, .. } = *request;
        turn.admission.not_too_large(records);
        let usd = usd / records as f64;
        turn.actions.push(Action::Deliver { attempt: id, items, body, usd, is_hedge });
    }

    /// Ends a request without an answer. One that is too large is sent again as two halves, and one that has
    /// to wait for a permit is sent again as it is. Otherwise its records are returned.
    ///
    /// Where workers cannot compute the records, a request is sent again until it is given up, and then as two
    /// halves. Only a record that is given up by itself is returned.
    pub(super) fn end(&mut self, turn: &mut Turn<'_, I>, id: u64, failure: Failure) {
        let waits_for_room = self.waits_for_room(id, &failure);
        let Some(mut request) = self.requests.remove(&id) else { return };
        give_up(turn, id, &mut request);
        if request.purpose != Purpose::Records {
            return;
        }
        let records = request.records;
        if failure.is_size() {
            turn.admission.too_large(turn.now, records);
        }
        let is_only_side = self.settings.is_only_side && failure != Failure::Closed;
        let is_given_up = is_given_up(&self.settings, &request, &failure);
        if waits_for_room || is_only_side && !is_given_up {
            let failed = if is_only_side { request.failed } else { 0 };
            return self.again.push_back(with_failed(request.items, failed));
        }
        turn.actions.push(Action::Warn(Warning::Request(failure.clone())));
        if records > 1 && (failure.is_size() || is_only_side) {
            let failed = |half: &Vec<I>| match half.iter().map(Item::records).sum() {
                // A single record has all attempts again, and a larger half has one.
                0..=1 => 0,
                _ if failure.is_size() => 0,
                2.. => self.settings.attempts - 1,
            };
            let halves = request.into_halves().map(|half| {
                let failed = failed(&half);
                with_failed(half, failed)
            });
            return self.again.extend(halves);
        }
        turn.admission.counters.failed += u64::from(failure != Failure::DoneLocally);
        let usd = request.usd / records as f64;
        turn.actions.push(Action::Return { items: request.items, usd, failure });
    }

    /// A request without records has ended.
    fn probe_ended(&mut self, turn: &mut Turn<'_, I>, id: u64, failure: Option<Failure>) {
        let Some(request) = self.requests.remove(&id) else { return };
        let health = turn.admission.health_mut();
        match (request.purpose, failure) {
            (Purpose::Probe, failure) => health.probed(turn.now, failure.is_none()),
            (Purpose::StartProbe { .. }, Some(failure)) if !failure.is_limit() => {
                health.start_open(turn.now);
                health.mark_started();
                turn.actions.push(Action::Warn(Warning::Endpoint(failure)));
            }
            (Purpose::StartProbe { is_first: true }, _) => {
                health.mark_proven();
                self.start_probe(turn, false);
            }
            (Purpose::StartProbe { is_first: false }, _) => health.mark_started(),
            // A later request finds out what is wrong.
            (Purpose::Records | Purpose::WarmUp, _) => {}
        }
    }
}

/// Returns whether a request whose records workers cannot compute is given up or split after this failure, and not sent
/// again as it is.
fn is_given_up<I: Item>(settings: &Settings, request: &Request<I>, failure: &Failure) -> bool {
    match failure {
        // The request was not at fault.
        Failure::BreakerOpen | Failure::OverBudget => false,
        failure if failure.is_limit() => false,
        failure => failure.is_size() || request.failed >= settings.attempts,
    }
}

/// Returns work items that remember how many attempts have failed.
fn with_failed<I: Item>(mut items: Vec<I>, failed: u32) -> Vec<I> {
    items.iter_mut().for_each(|item| item.part_mut().failed = failed);
    items
}

/// Gives up the attempts of a request. They may go on at the service, and are billed.
fn give_up<I: Item>(turn: &mut Turn<'_, I>, id: u64, request: &mut Request<I>) {
    for attempt in [request.first.take(), request.hedge.take()].into_iter().flatten() {
        let took = attempt.in_flight.time_on_wire(turn.now);
        request.usd += turn.admission.bill(turn.now, Billed::GivenUp, took);
        let outcome = AttemptOutcome::Abandoned;
        turn.admission.finish_attempt(turn.now, attempt.in_flight, outcome);
        turn.actions.push(Action::Cancel(attempt.id(id)));
    }
}
