//! The bridge in simulated time: its real admission, and a model of the rest.
//!
//! The bridge's own [`Admission`](crate::bridge::Admission) decides what may be sent, how many environments
//! are started, when a request is late or counts as failed, and what the workers are told. The asynchronous
//! parts of the bridge are modelled: the [`Batcher`] that fills requests, the [`Attempts`] to the service,
//! and the [`Requests`].

use std::time::Duration;

use rand::rngs::StdRng;

use super::attempts::{Attempts, Event, Purpose};
use super::batcher::{Batcher, WorkItem};
use super::lambda::Lambda;
use super::requests::{Reply, Requests};
use crate::batch::Nanos;
use crate::bridge::{Counters, LatencyEstimate, Settings};
use crate::policy::{Rates, RemoteLatency};

pub(super) struct Bridge {
    batcher: Batcher,
    attempts: Attempts,
    requests: Requests,
    expected: f64,
    /// Time of the last action. All events before it have been processed.
    clock: Nanos,
    local_record_time: Duration,
}

impl Bridge {
    /// Creates a bridge whose two start-up probes have returned.
    pub(super) fn new(settings: Settings, lambda: Lambda, workers: usize, random: StdRng) -> Self {
        let mut attempts = Attempts::new(settings, lambda, random);
        attempts.probe_at_start();
        Bridge {
            batcher: Batcher::default(),
            attempts,
            requests: Requests::new(workers),
            expected: 0.0,
            clock: 0,
            local_record_time: Duration::ZERO,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.attempts.settings
    }

    pub(super) fn counters(&self) -> Counters {
        self.attempts.counters
    }

    /// Returns the largest number of environments at a time, and the number of cold starts.
    pub(super) fn environments(&self) -> (usize, u64) {
        self.attempts.environments()
    }

    fn latency_estimate(&self) -> LatencyEstimate {
        let admission = &self.attempts.admission;
        LatencyEstimate::new(
            admission.timing().has_processed_records(),
            self.local_record_time,
            admission.max_records(),
        )
    }

    /// Returns what a worker sees of the remote side at `now`.
    pub(super) fn rates(&self, now: Nanos) -> Rates {
        let (admission, timing, latency_estimate) =
            (&self.attempts.admission, self.attempts.admission.timing(), self.latency_estimate());
        let nanos = |time: Duration| time.as_nanos() as Nanos;
        Rates {
            room: admission.queue_limit().saturating_sub(self.batcher.records()),
            warm_room: admission.warm_room().saturating_sub(self.batcher.records()),
            batch: admission.max_records(),
            remote: RemoteLatency {
                median: nanos(latency_estimate.request(timing.known_median())),
                p99: nanos(latency_estimate.request(timing.known_p99(now))),
                cold_start: nanos(latency_estimate.request(timing.known_cold())),
                failure_rate: admission.failure_rate(),
            },
            ..Rates::default()
        }
    }

    /// Returns whether records may wait for room.
    pub(super) fn is_available(&self) -> bool {
        self.attempts.admission.is_available()
    }

    /// Returns the age from which a work item is late.
    pub(super) fn late(&self) -> Nanos {
        (self.attempts.admission.timing().late() + self.attempts.settings.linger).as_nanos()
            as Nanos
    }

    /// Sets the load of a worker; `waiting` is None if it leaves its records to the remote side.
    pub(super) fn set_local_load(
        &mut self,
        worker: usize,
        waiting: Option<usize>,
        rate: Option<f64>,
    ) {
        match waiting {
            Some(waiting) => self.requests.local_load(worker).set(waiting, rate),
            None => self.requests.local_load(worker).set_remote_only(),
        }
        if let Some(rate) = rate {
            self.local_record_time = Duration::from_secs_f64(1.0 / rate.max(1e-9));
        }
    }

    /// Announces that `records_per_second` are expected soon.
    pub(super) fn expect(&mut self, records_per_second: f64) {
        self.expected = self.expected.max(records_per_second);
    }

    /// Receives a work item.
    pub(super) fn send(&mut self, item: WorkItem) {
        self.batcher.push(item);
    }

    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.requests.reply(worker)
    }

    /// Processes all events until `now`.
    pub(super) fn advance(&mut self, now: Nanos) {
        loop {
            let event = self.attempts.next_at();
            let next = [event, self.wake_up()].into_iter().flatten().min();
            let Some(due) = next.filter(|due| *due <= now) else { break };
            let at = due.max(self.clock);
            self.clock = at;
            if event == Some(due)
                && let Some(event) = self.attempts.next_event()
            {
                self.handle(at, event);
            }
            self.pump(at);
        }
        self.clock = now;
    }

    fn handle(&mut self, now: Nanos, event: Event) {
        let Bridge { attempts, requests, .. } = self;
        match event {
            Event::Check(request) => requests.check(attempts, now, request),
            Event::Retry(request) => requests.retry(attempts, now, request),
            Event::Answer(attempt) => {
                if let Some((Purpose::Records { request, is_second }, result)) =
                    attempts.answer(now, attempt)
                {
                    requests.attempt_finished(attempts, now, request, is_second, result);
                }
            }
        }
        for item in requests.take_back() {
            self.batcher.put_back(item);
        }
    }

    fn linger(&self) -> Nanos {
        self.attempts.settings.linger.as_nanos() as Nanos
    }

    /// Returns when the batcher has to check again without an event.
    fn wake_up(&self) -> Option<Nanos> {
        let oldest = self.batcher.oldest().filter(|_| self.may_send());
        let oldest = oldest.map(|oldest| oldest + self.linger());
        [oldest, self.attempts.admission.next_wakeup()].into_iter().flatten().min()
    }

    fn may_send(&self) -> bool {
        self.attempts.admission.may_send(self.batcher.is_warm_only())
    }

    /// Does what the batcher does when it is notified.
    pub(super) fn pump(&mut self, now: Nanos) {
        let admission = &mut self.attempts.admission;
        admission.observe_demand(now, self.batcher.take_more());
        let expected = std::mem::take(&mut self.expected);
        admission.refresh_budget(now);
        if admission.health().is_open() || !admission.can_afford() {
            for item in self.batcher.take_all() {
                self.requests.give(item, false);
            }
        } else if expected >= 1.0 {
            self.warm_up(now, expected);
        }
        if self.attempts.admission.start_probe_if_due(now) {
            self.attempts.counters.probes += 1;
            self.attempts.send(now, Purpose::Probe, 0);
        }
        while self.may_send() && self.is_ready(now) {
            let (items, records) = self.batcher.cut(self.attempts.admission.max_records());
            if records > 0 {
                self.requests.go(&mut self.attempts, now, items, records);
            }
        }
    }

    /// Starts the environments that `records_per_second` need.
    fn warm_up(&mut self, now: Nanos, records_per_second: f64) {
        let work = self.latency_estimate().work();
        for _ in 0..self.attempts.admission.warm_ups_needed(now, records_per_second, work) {
            self.attempts.counters.warm_ups += 1;
            self.attempts.send(now, Purpose::WarmUp, 0);
        }
    }

    /// Returns whether a request should be sent: it is full, nothing else is in flight, or it has waited for
    /// the linger.
    fn is_ready(&self, now: Nanos) -> bool {
        self.batcher.oldest().is_some_and(|oldest| {
            self.batcher.is_urgent()
                || self.batcher.records() >= self.attempts.admission.max_records()
                || self.attempts.is_idle()
                || now >= oldest + self.linger()
        })
    }

    /// Ends the simulation: what is in flight is billed.
    pub(super) fn finish(&mut self) {
        self.attempts.finish(self.clock);
    }
}
