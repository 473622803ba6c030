//! Requests until they are answered or their records are returned. Like the bridge's own, they are retried,
//! hedged when they are late, and given up when no record is pending any more. Each record of each work item
//! is answered once.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use super::attempts::{Attempts, Event, Purpose};
use super::batcher::WorkItem;
use crate::batch::Nanos;
use crate::bridge::{Failure, LATE_CHECK_INTERVAL, LocalLoad, abandon_after, delay};

/// What a worker is told of records that it handed over.
pub(super) struct Reply {
    pub id: u64,
    pub range: Range<usize>,
    /// Whether the records have results. Otherwise they are returned.
    pub is_done: bool,
}

/// A request until it is answered or its records are returned.
struct Request {
    items: Vec<WorkItem>,
    records: usize,
    /// The first attempt in flight, and the hedge.
    first: Option<u64>,
    second: Option<u64>,
    tried: u32,
    /// Whether it waits before a retry.
    backs_off: bool,
    /// The last failure, if no retry follows.
    failed: Option<Failure>,
    /// When an attempt counts as failed.
    overdue_at: Nanos,
    is_overdue: bool,
    /// When records that are left to the remote side are returned.
    abandoned_at: Nanos,
}

impl Request {
    fn new(items: Vec<WorkItem>, records: usize) -> Self {
        Request {
            items,
            records,
            first: None,
            second: None,
            tried: 0,
            backs_off: false,
            failed: None,
            overdue_at: 0,
            is_overdue: false,
            abandoned_at: 0,
        }
    }

    /// Returns whether any record is pending.
    fn is_open(&self) -> bool {
        self.items.iter().any(WorkItem::is_open)
    }
}

/// All requests, the loads of the workers, and the replies to them.
pub(super) struct Requests {
    requests: HashMap<u64, Request>,
    local_loads: Vec<LocalLoad>,
    replies: Vec<VecDeque<Reply>>,
    /// Throttled work items that wait for room again.
    back: Vec<WorkItem>,
}

impl Requests {
    pub(super) fn new(workers: usize) -> Self {
        Requests {
            requests: HashMap::new(),
            local_loads: (0..workers).map(|_| LocalLoad::default()).collect(),
            replies: (0..workers).map(|_| VecDeque::new()).collect(),
            back: Vec::new(),
        }
    }

    /// Returns the load of a worker.
    pub(super) fn local_load(&self, worker: usize) -> &LocalLoad {
        &self.local_loads[worker]
    }

    /// Returns the next reply for a worker.
    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.replies[worker].pop_front()
    }

    /// Sends a request.
    pub(super) fn go(
        &mut self,
        attempts: &mut Attempts,
        now: Nanos,
        items: Vec<WorkItem>,
        records: usize,
    ) {
        attempts.counters.requests += 1;
        let id = attempts.next_id();
        self.requests.insert(id, Request::new(items, records));
        self.begin(attempts, now, id, false);
        let late = attempts.admission.timing().late().as_nanos() as Nanos;
        attempts.at(now + late, Event::Check(id));
    }

    /// Starts an attempt of a request.
    fn begin(&mut self, attempts: &mut Attempts, now: Nanos, id: u64, is_second: bool) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        attempts.counters.attempts += 1;
        let purpose = Purpose::Records { request: id, is_second };
        let (attempt, sent) = attempts.send(now, purpose, request.records);
        if is_second {
            request.second = Some(attempt);
        } else {
            let dead = attempts.admission.failure_timeout(sent);
            let overdue_at = now + dead.as_nanos() as Nanos;
            request.abandoned_at = now + abandon_after(dead).as_nanos() as Nanos;
            (request.first, request.overdue_at, request.is_overdue) =
                (Some(attempt), overdue_at, false);
            request.backs_off = false;
        }
    }

    /// Processes the end of an attempt.
    pub(super) fn attempt_finished(
        &mut self,
        attempts: &mut Attempts,
        now: Nanos,
        id: u64,
        is_second: bool,
        result: Result<(), Failure>,
    ) {
        match result {
            Ok(()) => self.finish(attempts, now, id, None),
            Err(failure) => {
                attempts.counters.throttled += u64::from(matches!(failure, Failure::Throttled(_)));
                self.has_failed(attempts, now, id, is_second, failure);
            }
        }
    }

    /// Processes the failure of an attempt: a retry follows, another attempt is in flight, or the records are
    /// returned.
    fn has_failed(
        &mut self,
        attempts: &mut Attempts,
        now: Nanos,
        id: u64,
        is_second: bool,
        failure: Failure,
    ) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if is_second {
            request.second = None;
            if let Some(failure) = request.failed.take() {
                self.finish(attempts, now, id, Some(failure));
            }
            return;
        }
        request.first = None;
        request.tried += 1;
        let tried = request.tried;
        let again = self.again(attempts, id, tried, &failure);
        let Some(request) = self.requests.get_mut(&id) else { return };
        if let Some(delay) = again {
            request.backs_off = true;
            attempts.at(now + delay.as_nanos() as Nanos, Event::Retry(id));
        } else if request.second.is_some() {
            request.failed = Some(failure);
        } else {
            self.finish(attempts, now, id, Some(failure));
        }
    }

    /// Returns the delay before a retry, if a retry is worthwhile.
    fn again(
        &self,
        attempts: &mut Attempts,
        id: u64,
        tried: u32,
        failure: &Failure,
    ) -> Option<Duration> {
        if tried >= attempts.settings.attempts || !failure.is_retryable() {
            return None;
        }
        let throttled = matches!(failure, Failure::Throttled(_));
        // The work items are sent again once there is room.
        if throttled
            && self.requests.get(&id).is_some_and(|request| self.are_remote_only(&request.items))
        {
            return None;
        }
        let random = attempts.draw();
        let delay = delay(&attempts.settings, throttled, tried - 1, None, random);
        let remote = delay + attempts.admission.expected_latency();
        let local_is_sooner = self.local_time(id).is_some_and(|home| home <= remote);
        (!local_is_sooner && attempts.admission.may_retry(failure)).then_some(delay)
    }

    /// Returns when the workers would have computed the last of the request's records.
    fn local_time(&self, id: u64) -> Option<Duration> {
        let request = self.requests.get(&id)?;
        let mut records = vec![0; self.local_loads.len()];
        for item in &request.items {
            records[item.worker] += item.range.len();
        }
        let workers = self.local_loads.iter().zip(records).filter(|(_, records)| *records > 0);
        let times = workers.map(|(home, records)| home.time_for(records));
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Retries a request after its backoff, if any record is still pending.
    pub(super) fn retry(&mut self, attempts: &mut Attempts, now: Nanos, id: u64) {
        let Some(request) = self.requests.get(&id) else { return };
        if !request.is_open() {
            self.finish(attempts, now, id, Some(Failure::DoneLocally));
        } else if attempts.admission.health().is_open() {
            self.finish(attempts, now, id, Some(Failure::BreakerOpen));
        } else {
            self.begin(attempts, now, id, false);
        }
    }

    /// Checks a late request: whether its records are pending, whether it counts as failed, and whether to
    /// hedge.
    pub(super) fn check(&mut self, attempts: &mut Attempts, now: Nanos, id: u64) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        if request.first.is_some() && !request.is_overdue && now >= request.overdue_at {
            request.is_overdue = true;
            attempts.admission.health_mut().failed(now);
        }
        if request.is_overdue && now >= request.abandoned_at {
            let is_remote_only = |item: &&WorkItem| self.local_loads[item.worker].is_remote_only();
            for item in request.items.iter().filter(is_remote_only) {
                answer(&mut self.replies, item, false);
            }
        }
        let (overdue_at, is_overdue) = (request.overdue_at, request.is_overdue);
        let may_hedge = request.second.is_none() && request.failed.is_none();
        if !request.is_open() && (is_overdue || request.backs_off) {
            return self.finish(attempts, now, id, Some(Failure::DoneLocally));
        }
        if attempts.admission.health().is_open() {
            return self.finish(attempts, now, id, Some(Failure::BreakerOpen));
        }
        if may_hedge
            && self.local_time(id).is_some_and(|home| home > attempts.admission.expected_latency())
            && attempts.admission.may_hedge()
        {
            attempts.counters.hedged += 1;
            self.begin(attempts, now, id, true);
        }
        let next = now + LATE_CHECK_INTERVAL.as_nanos() as Nanos;
        let next = if is_overdue || overdue_at <= now { next } else { next.min(overdue_at) };
        attempts.at(next, Event::Check(id));
    }

    /// Ends a request with an answer or a failure. Its other attempts are given up.
    fn finish(&mut self, attempts: &mut Attempts, now: Nanos, id: u64, failure: Option<Failure>) {
        let Some(request) = self.requests.remove(&id) else { return };
        for attempt in [request.first, request.second].into_iter().flatten() {
            attempts.give_up(now, attempt);
        }
        let is_done = failure.is_none();
        if is_done {
            attempts.admission.not_too_large(request.records);
        }
        if matches!(failure, Some(Failure::Throttled(_))) && self.are_remote_only(&request.items) {
            return self.back.extend(request.items.into_iter().rev());
        }
        attempts.counters.failed +=
            u64::from(failure.is_some_and(|failure| failure != Failure::DoneLocally));
        for item in request.items {
            self.give(item, is_done);
        }
    }

    /// Returns whether the workers leave these records to the remote side.
    fn are_remote_only(&self, items: &[WorkItem]) -> bool {
        items.iter().all(|item| self.local_loads[item.worker].is_remote_only())
    }

    /// Returns the throttled work items that are to be sent again, the last ones first.
    pub(super) fn take_back(&mut self) -> Vec<WorkItem> {
        std::mem::take(&mut self.back)
    }

    /// Answers the pending records of a work item.
    pub(super) fn give(&mut self, item: WorkItem, is_done: bool) {
        answer(&mut self.replies, &item, is_done);
    }
}

fn answer(replies: &mut [VecDeque<Reply>], item: &WorkItem, is_done: bool) {
    for range in item.open.take(&item.range) {
        replies[item.worker].push_back(Reply { id: item.id, range, is_done });
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::bridge::{PendingRanges, Settings};
    use crate::simulate::Lambda;

    /// Sends two work items to a service that fails at this rate, and processes all events. Returns the
    /// numbers of records with a result and of returned records.
    fn fly(failure_rate: f64) -> (Attempts, usize, usize) {
        let lambda = Lambda { failure_rate, ..Lambda::default() };
        let mut attempts = Attempts::new(Settings::default(), lambda, StdRng::seed_from_u64(7));
        attempts.admission.health_mut().mark_proven();
        let mut requests = Requests::new(2);
        let item = |worker| {
            let open = Rc::new(PendingRanges::new(0..500));
            WorkItem {
                worker,
                id: 9,
                range: 0..500,
                open,
                warm_only: false,
                urgent: false,
                submitted_at: 0,
            }
        };
        let items = vec![item(0), item(1)];
        // The worker computes some of the records itself.
        let done = items[1].open.take_front(100);
        requests.go(&mut attempts, 0, items, 1_000);
        while let Some(now) = attempts.next_at() {
            match attempts.next_event() {
                Some(Event::Answer(id)) => {
                    if let Some((Purpose::Records { request, is_second }, result)) =
                        attempts.answer(now, id)
                    {
                        requests.attempt_finished(&mut attempts, now, request, is_second, result);
                    }
                }
                Some(Event::Check(id)) => requests.check(&mut attempts, now, id),
                Some(Event::Retry(id)) => requests.retry(&mut attempts, now, id),
                None => {}
            }
        }
        assert_eq!(done, Some(0..100));
        assert!(requests.requests.is_empty() && attempts.is_idle());
        let replies = std::iter::from_fn(|| requests.reply(0).or_else(|| requests.reply(1)));
        let (done, home): (Vec<_>, Vec<_>) = replies.partition(|reply| reply.is_done);
        let records = |replies: Vec<Reply>| replies.iter().map(|reply| reply.range.len()).sum();
        (attempts, records(done), records(home))
    }

    #[test]
    fn every_record_is_answered_once() {
        let (attempts, done, home) = fly(0.0);
        assert_eq!((done, home, attempts.counters.failed), (900, 0, 0));
        let (attempts, done, home) = fly(1.0);
        assert_eq!((done, home, attempts.counters.failed), (0, 900, 1));
        assert!(attempts.counters.attempts > 1, "the request was retried");
    }
}
