//! The bridge in simulated time: the real gate, and a model of what stands around it.
//!
//! What may be sent, how many environments are started, when a request is late or dead, and what
//! the workers are told of it is decided by the bridge's own [`Gate`](crate::bridge::Gate). Modelled
//! is what is asynchronous there: the [`Lane`] that fills requests, the [`Line`] to the service, and
//! the [`Flights`] of the requests.

use std::time::Duration;

use rand::rngs::StdRng;

use super::flights::{Flights, Reply};
use super::lambda::Lambda;
use super::lane::{Lane, WorkItem};
use super::line::{Counted, Event, Line, Purpose};
use crate::batch::Nanos;
use crate::bridge::{Outlook, Settings};
use crate::policy::{Rates, RemoteLatency};

pub(super) struct Bridge {
    lane: Lane,
    line: Line,
    flights: Flights,
    expected: f64,
    /// When it last did something: what was due before is done then.
    clock: Nanos,
    record_takes: Duration,
}

impl Bridge {
    /// A bridge that has just been started: its two probes have come back.
    pub(super) fn new(settings: Settings, lambda: Lambda, workers: usize, random: StdRng) -> Self {
        let mut line = Line::new(settings, lambda, random);
        line.probe_at_start();
        Bridge {
            lane: Lane::default(),
            line,
            flights: Flights::new(workers),
            expected: 0.0,
            clock: 0,
            record_takes: Duration::ZERO,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.line.settings
    }

    pub(super) fn counted(&self) -> Counted {
        self.line.counted
    }

    /// Environments there were at most, and those that were started.
    pub(super) fn environments(&self) -> (usize, u64) {
        self.line.environments()
    }

    fn outlook(&self) -> Outlook {
        let gate = &self.line.gate;
        Outlook::new(gate.timing().has_worked(), self.record_takes, gate.most_records())
    }

    /// What a worker sees of the remote side, at `now`.
    pub(super) fn rates(&self, now: Nanos) -> Rates {
        let (gate, timing, outlook) = (&self.line.gate, self.line.gate.timing(), self.outlook());
        let nanos = |time: Duration| time.as_nanos() as Nanos;
        Rates {
            room: gate.may_wait().saturating_sub(self.lane.records()),
            warm_room: gate.warm_room().saturating_sub(self.lane.records()),
            batch: gate.most_records(),
            remote: RemoteLatency {
                median: nanos(outlook.request(timing.known_median())),
                p99: nanos(outlook.request(timing.known_p99(now))),
                cold_start: nanos(outlook.request(timing.known_cold())),
                failure_rate: gate.failure_rate(),
            },
            ..Rates::default()
        }
    }

    /// Whether records that wait for room will have it.
    pub(super) fn is_there(&self) -> bool {
        self.line.gate.is_there()
    }

    /// From which age on a part is late.
    pub(super) fn late(&self) -> Nanos {
        (self.line.gate.timing().late() + self.line.settings.linger).as_nanos() as Nanos
    }

    /// A worker says how busy it is; `waiting` is none if it leaves its records to the remote side.
    pub(super) fn is_at_home(&mut self, worker: usize, waiting: Option<usize>, rate: Option<f64>) {
        match waiting {
            Some(waiting) => self.flights.home(worker).set(waiting, rate),
            None => self.flights.home(worker).leave_all(),
        }
        if let Some(rate) = rate {
            self.record_takes = Duration::from_secs_f64(1.0 / rate.max(1e-9));
        }
    }

    /// So many records a second are expected soon.
    pub(super) fn expect(&mut self, records_per_second: f64) {
        self.expected = self.expected.max(records_per_second);
    }

    /// Takes a part in.
    pub(super) fn send(&mut self, part: WorkItem) {
        self.lane.push(part);
    }

    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.flights.reply(worker)
    }

    /// Lets everything happen that happens until `now`.
    pub(super) fn advance(&mut self, now: Nanos) {
        loop {
            let event = self.line.next_at();
            let next = [event, self.wake_up()].into_iter().flatten().min();
            let Some(due) = next.filter(|due| *due <= now) else { break };
            let at = due.max(self.clock);
            self.clock = at;
            if event == Some(due)
                && let Some(event) = self.line.next_event()
            {
                self.happens(at, event);
            }
            self.pump(at);
        }
        self.clock = now;
    }

    fn happens(&mut self, now: Nanos, event: Event) {
        let Bridge { line, flights, .. } = self;
        match event {
            Event::Look(flight) => flights.look(line, now, flight),
            Event::Retry(flight) => flights.retry(line, now, flight),
            Event::Answer(attempt) => {
                if let Some((Purpose::Records { flight, is_second }, result)) =
                    line.answer(now, attempt)
                {
                    flights.came(line, now, flight, is_second, result);
                }
            }
        }
        for part in flights.take_back() {
            self.lane.put_back(part);
        }
    }

    fn linger(&self) -> Nanos {
        self.line.settings.linger.as_nanos() as Nanos
    }

    /// When the lane looks again by itself.
    fn wake_up(&self) -> Option<Nanos> {
        let oldest = self.lane.oldest().filter(|_| self.may_send());
        let oldest = oldest.map(|oldest| oldest + self.linger());
        [oldest, self.line.gate.next_look()].into_iter().flatten().min()
    }

    fn may_send(&self) -> bool {
        self.line.gate.may_send(self.lane.is_warm_only())
    }

    /// What the lane does when it wakes.
    pub(super) fn pump(&mut self, now: Nanos) {
        let gate = &mut self.line.gate;
        gate.wanted(now, self.lane.take_more());
        let expected = std::mem::take(&mut self.expected);
        gate.look(now);
        if gate.health().is_open() || !gate.affords() {
            for part in self.lane.take_all() {
                self.flights.give(part, false);
            }
        } else if expected >= 1.0 {
            self.warm_up(now, expected);
        }
        if self.line.gate.begins_probe(now) {
            self.line.counted.probes += 1;
            self.line.send(now, Purpose::Probe, 0);
        }
        while self.may_send() && self.is_ready(now) {
            let (parts, records) = self.lane.cut(self.line.gate.most_records());
            if records > 0 {
                self.flights.go(&mut self.line, now, parts, records);
            }
        }
    }

    /// Starts the environments that so many records a second need.
    fn warm_up(&mut self, now: Nanos, records_per_second: f64) {
        let work = self.outlook().work();
        for _ in 0..self.line.gate.warms_up(now, records_per_second, work) {
            self.line.counted.warm_ups += 1;
            self.line.send(now, Purpose::WarmUp, 0);
        }
    }

    /// Whether there is a request to be sent: a full one, the only one, or one that has waited.
    fn is_ready(&self, now: Nanos) -> bool {
        self.lane.oldest().is_some_and(|oldest| {
            self.lane.is_at_once()
                || self.lane.records() >= self.line.gate.most_records()
                || self.line.is_idle()
                || now >= oldest + self.linger()
        })
    }

    /// Nothing is waited for any more: what is in flight is billed.
    pub(super) fn finish(&mut self) {
        self.line.finish(self.clock);
    }
}
