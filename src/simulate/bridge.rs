//! The bridge in simulated time: the real gate, and a model of what stands around it.
//!
//! What may be sent, how many environments are started, when a request is late or dead, and what
//! the workers are told of it is decided by the bridge's own [`Gate`]. Modelled here is what is
//! asynchronous there: the lane that fills requests, and the flight of each of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::lambda::{Invocation, Lambda, Service};
use crate::batch::Nanos;
use crate::bridge::{Came, Failure, Gate, HomeLoad, Open, Outlook, Sent, Settings, delay};
use crate::policy::{Rates, Times};

/// Records that a worker hands over.
pub(super) struct Part {
    pub worker: usize,
    /// The worker's own number of it.
    pub id: u64,
    pub range: Range<usize>,
    pub open: Rc<Open>,
    pub warm_only: bool,
    pub handed_over: Nanos,
}

impl Part {
    fn is_open(&self) -> bool {
        self.open.any(&self.range)
    }
}

/// What a worker hears of records that it handed over.
pub(super) struct Reply {
    pub id: u64,
    pub range: Range<usize>,
    /// They were done; or else they come home.
    pub is_done: bool,
}

/// A request until it is answered or comes home.
struct Flight {
    parts: Vec<Part>,
    records: usize,
    /// Its attempts in flight.
    first: Option<u64>,
    second: Option<u64>,
    tried: u32,
    /// A first attempt will follow.
    backs_off: bool,
    /// Why there is no first attempt any more.
    failed: Option<Failure>,
    /// An attempt counts as dead from then on, or did.
    dead_at: Nanos,
    is_dead: bool,
}

/// What an attempt is for.
#[derive(Clone, Copy)]
enum Purpose {
    Records { flight: u64, is_second: bool },
    WarmUp,
    Probe,
}

struct Attempt {
    purpose: Purpose,
    sent: Sent,
    since: Nanos,
    invocation: Invocation,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answer(u64),
    Look(u64),
    Retry(u64),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub requests: u64,
    pub attempts: u64,
    pub hedged: u64,
    pub throttled: u64,
    pub failed: u64,
    pub probes: u64,
    pub warm_ups: u64,
    pub billed: u64,
    pub billed_ms: f64,
}

/// How often a late request looks whether it is still wanted: as the bridge does.
const LOOK: Nanos = 20_000_000;

pub(super) struct Bridge {
    settings: Settings,
    gate: Gate,
    service: Service,
    random: StdRng,
    waiting: VecDeque<Part>,
    /// Records that wait here, and those that came since the gate was last told.
    records: usize,
    more: usize,
    expected: f64,
    flights: HashMap<u64, Flight>,
    attempts: HashMap<u64, Attempt>,
    events: BinaryHeap<Reverse<(Nanos, Event)>>,
    /// When it last did something: what was due before is done then.
    clock: Nanos,
    next_id: u64,
    replies: Vec<VecDeque<Reply>>,
    homes: Vec<HomeLoad>,
    record_takes: Duration,
    counted: Counted,
}

impl Bridge {
    /// A bridge that has just been started: its two probes have come back.
    pub(super) fn new(settings: Settings, lambda: Lambda, workers: usize, random: StdRng) -> Self {
        let mut bridge = Bridge {
            gate: Gate::new(settings.clone()),
            service: Service::new(lambda),
            settings,
            random,
            waiting: VecDeque::new(),
            records: 0,
            more: 0,
            expected: 0.0,
            flights: HashMap::new(),
            attempts: HashMap::new(),
            events: BinaryHeap::new(),
            clock: 0,
            next_id: 0,
            replies: (0..workers).map(|_| VecDeque::new()).collect(),
            homes: (0..workers).map(|_| HomeLoad::default()).collect(),
            record_takes: Duration::ZERO,
            counted: Counted::default(),
        };
        bridge.probe_at_start();
        bridge
    }

    /// The stream begins when the probes are back: so they take no time of it.
    fn probe_at_start(&mut self) {
        for _ in 0..2 {
            self.counted.probes += 1;
            let sent = self.gate.goes(0);
            let Invocation { at, billed_ms, result } =
                self.service.invoke(0, 0, self.settings.timeout, &mut self.random);
            self.service.settle();
            self.bill(0, billed_ms);
            let took = Duration::from_nanos(at);
            match result {
                Ok(cold) => self.gate.came(0, sent, Came::Probe { took, cold }),
                Err(Failure::Throttled) => self.gate.came(0, sent, Came::ProbeFailed),
                Err(_) => {
                    self.gate.came(0, sent, Came::ProbeFailed);
                    return self.gate.begins_open(0);
                }
            }
            self.gate.proves();
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn counted(&self) -> Counted {
        self.counted
    }

    /// Environments there were at most, and those that were started.
    pub(super) fn environments(&self) -> (usize, u64) {
        (self.service.most, self.service.cold_starts)
    }

    fn outlook(&self) -> Outlook {
        let (has_worked, records) = (self.gate.has_worked(), self.gate.most_records());
        Outlook::new(has_worked, self.record_takes, records, self.settings.linger)
    }

    /// What a worker sees of the remote side, at `now`.
    pub(super) fn rates(&self, now: Nanos) -> Rates {
        let outlook = self.outlook();
        let nanos = |time: Duration| time.as_nanos() as Nanos;
        Rates {
            room: self.gate.may_wait().saturating_sub(self.records),
            warm_room: self.gate.warm_room().saturating_sub(self.records),
            batch: self.gate.most_records(),
            remote: Times {
                typical: nanos(outlook.request(self.gate.known_typical())),
                longest: nanos(outlook.part(self.gate.known_longest(now))),
                cold: nanos(outlook.request(self.gate.known_cold())),
            },
            ..Rates::default()
        }
    }

    /// From which age on a part is late.
    pub(super) fn late(&self) -> Nanos {
        (self.gate.late() + self.settings.linger).as_nanos() as Nanos
    }

    /// A worker says how busy it is.
    pub(super) fn is_at_home(&mut self, worker: usize, waiting: usize, rate: Option<f64>) {
        self.homes[worker].set(waiting, rate);
        if let Some(rate) = rate {
            self.record_takes = Duration::from_secs_f64(1.0 / rate.max(1e-9));
        }
    }

    /// So many records a second are expected soon.
    pub(super) fn expect(&mut self, records_per_second: f64) {
        self.expected = self.expected.max(records_per_second);
    }

    /// Takes a part in.
    pub(super) fn send(&mut self, part: Part) {
        self.records += part.range.len();
        self.more += part.range.len();
        self.waiting.push_back(part);
    }

    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.replies[worker].pop_front()
    }

    /// Lets everything happen that happens until `now`.
    pub(super) fn advance(&mut self, now: Nanos) {
        loop {
            let event = self.events.peek().map(|Reverse((at, _))| *at);
            let next = [event, self.wake_up()].into_iter().flatten().min();
            let Some(due) = next.filter(|due| *due <= now) else { break };
            let at = due.max(self.clock);
            self.clock = at;
            if event == Some(due)
                && let Some(Reverse((_, event))) = self.events.pop()
            {
                match event {
                    Event::Answer(attempt) => self.answer(at, attempt),
                    Event::Look(flight) => self.look(at, flight),
                    Event::Retry(flight) => self.retry(at, flight),
                }
            }
            self.pump(at);
        }
        self.clock = now;
    }

    /// When the lane looks again by itself.
    fn wake_up(&self) -> Option<Nanos> {
        let linger = self.settings.linger.as_nanos() as Nanos;
        let oldest = self.waiting.front().filter(|_| self.may_send());
        let oldest = oldest.map(|part| part.handed_over + linger);
        [oldest, self.gate.next_look()].into_iter().flatten().min()
    }

    fn may_send(&self) -> bool {
        self.gate.may_send(self.waiting.back().is_some_and(|part| part.warm_only))
    }

    /// What the lane does when it wakes.
    pub(super) fn pump(&mut self, now: Nanos) {
        self.gate.wanted(now, std::mem::take(&mut self.more));
        let expected = std::mem::take(&mut self.expected);
        self.gate.look(now);
        if self.gate.is_open() || !self.gate.affords() {
            self.records = 0;
            for part in std::mem::take(&mut self.waiting) {
                self.give(part, false);
            }
        } else if expected >= 1.0 {
            let work = self.outlook().work();
            for _ in 0..self.gate.warms_up(now, expected, work) {
                self.counted.warm_ups += 1;
                self.attempt(now, Purpose::WarmUp, 0);
            }
        }
        if self.gate.begins_probe(now) {
            self.counted.probes += 1;
            self.attempt(now, Purpose::Probe, 0);
        }
        let linger = self.settings.linger.as_nanos() as Nanos;
        while self.may_send() {
            let Some(oldest) = self.waiting.front() else { break };
            let is_ready = self.records >= self.gate.most_records()
                || self.attempts.is_empty()
                || now >= oldest.handed_over + linger;
            if !is_ready {
                break;
            }
            self.fill(now);
        }
    }

    /// Sends a request of what waits, if any of it is still to be done.
    fn fill(&mut self, now: Nanos) {
        let (mut parts, mut records) = (Vec::new(), 0);
        let most = self.gate.most_records();
        while let Some(part) = self.waiting.front_mut().filter(|_| records < most) {
            if !part.is_open() {
                self.records -= part.range.len();
                self.waiting.pop_front();
                continue;
            }
            let fit = (most - records).min(part.range.len());
            let range = part.range.start..part.range.start + fit;
            part.range.start = range.end;
            let Part { worker, id, warm_only, handed_over, .. } = *part;
            let open = Rc::clone(&part.open);
            if part.range.is_empty() {
                self.waiting.pop_front();
            }
            records += fit;
            parts.push(Part { worker, id, range, open, warm_only, handed_over });
        }
        self.records -= records;
        if records == 0 {
            return;
        }
        self.counted.requests += 1;
        let id = self.next_id();
        self.flights.insert(
            id,
            Flight {
                parts,
                records,
                first: None,
                second: None,
                tried: 0,
                backs_off: false,
                failed: None,
                dead_at: 0,
                is_dead: false,
            },
        );
        self.begin(now, id, false);
        let late = self.gate.late().as_nanos() as Nanos;
        self.events.push(Reverse((now + late, Event::Look(id))));
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends an attempt of a flight.
    fn begin(&mut self, now: Nanos, id: u64, is_second: bool) {
        let Some(flight) = self.flights.get(&id) else { return };
        self.counted.attempts += 1;
        let purpose = Purpose::Records { flight: id, is_second };
        let (attempt, sent) = self.attempt(now, purpose, flight.records);
        let dead_at = now + self.gate.dead(sent).as_nanos() as Nanos;
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if is_second {
            flight.second = Some(attempt);
        } else {
            (flight.first, flight.dead_at, flight.is_dead) = (Some(attempt), dead_at, false);
            flight.backs_off = false;
        }
    }

    fn attempt(&mut self, now: Nanos, purpose: Purpose, records: usize) -> (u64, Sent) {
        let sent = self.gate.goes(now);
        let timeout = match purpose {
            Purpose::Probe => self.gate.probe_timeout(),
            Purpose::WarmUp | Purpose::Records { .. } => self.settings.timeout,
        };
        let invocation = self.service.invoke(now, records, timeout, &mut self.random);
        let id = self.next_id();
        self.events.push(Reverse((invocation.at, Event::Answer(id))));
        self.attempts.insert(id, Attempt { purpose, sent, since: now, invocation });
        (id, sent)
    }

    fn bill(&mut self, now: Nanos, billed_ms: Option<f64>) {
        if let Some(billed_ms) = billed_ms {
            self.gate.pay(now, self.settings.cost.usd(1, billed_ms));
            self.counted.billed += 1;
            self.counted.billed_ms += billed_ms;
        }
    }

    fn answer(&mut self, now: Nanos, id: u64) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        let Attempt { purpose, sent, since, invocation } = attempt;
        let Invocation { billed_ms, result, .. } = invocation;
        self.bill(now, billed_ms);
        let took = Duration::from_nanos(now - since);
        if let Purpose::Records { flight, is_second } = purpose {
            return match result {
                Ok(cold) => {
                    self.gate.came(now, sent, Came::Well { took, cold });
                    self.land(now, flight, None);
                }
                Err(failure) => {
                    self.counted.throttled += u64::from(failure == Failure::Throttled);
                    self.gate.came(now, sent, Came::Failed(&failure));
                    self.has_failed(now, flight, is_second, failure);
                }
            };
        }
        let well = result.is_ok();
        self.gate.came(
            now,
            sent,
            result.map_or(Came::ProbeFailed, |cold| Came::Probe { took, cold }),
        );
        if matches!(purpose, Purpose::Probe) {
            self.gate.probed(now, well);
        }
    }

    /// An attempt of a flight has failed: another one follows, is there, or the records come home.
    fn has_failed(&mut self, now: Nanos, id: u64, is_second: bool, failure: Failure) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if is_second {
            flight.second = None;
            if let Some(failure) = flight.failed.take() {
                self.land(now, id, Some(failure));
            }
            return;
        }
        flight.first = None;
        flight.tried += 1;
        let tried = flight.tried;
        let mut again = None;
        if tried < self.settings.attempts && failure.is_worth_another_attempt() {
            let throttled = failure == Failure::Throttled;
            let random = self.random.random::<f64>();
            let delay = delay(&self.settings, throttled, tried - 1, None, random);
            let remote = delay + self.gate.next();
            let home_is_sooner = self.home_time(id).is_some_and(|home| home <= remote);
            if !home_is_sooner && self.gate.may_retry(&failure) {
                again = Some(delay);
            }
        }
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if let Some(delay) = again {
            flight.backs_off = true;
            self.events.push(Reverse((now + delay.as_nanos() as Nanos, Event::Retry(id))));
        } else if flight.second.is_some() {
            flight.failed = Some(failure);
        } else {
            self.land(now, id, Some(failure));
        }
    }

    /// When a flight's records would be done at home, the last of its workers'.
    fn home_time(&self, id: u64) -> Option<Duration> {
        let flight = self.flights.get(&id)?;
        let mut records = vec![0; self.homes.len()];
        for part in &flight.parts {
            records[part.worker] += part.range.len();
        }
        let workers = self.homes.iter().zip(records).filter(|(_, records)| *records > 0);
        let times = workers.map(|(home, records)| home.time_for(records));
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn is_open(&self, id: u64) -> bool {
        self.flights.get(&id).is_some_and(|flight| flight.parts.iter().any(Part::is_open))
    }

    fn retry(&mut self, now: Nanos, id: u64) {
        if !self.flights.contains_key(&id) {
            return;
        }
        if !self.is_open(id) {
            self.land(now, id, Some(Failure::DoneAtHome));
        } else if self.gate.is_open() {
            self.land(now, id, Some(Failure::BreakerOpen));
        } else {
            self.begin(now, id, false);
        }
    }

    /// A late request looks whether it is still wanted, whether it counts as dead, and whether it
    /// should be sent a second time.
    fn look(&mut self, now: Nanos, id: u64) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if flight.first.is_some() && !flight.is_dead && now >= flight.dead_at {
            flight.is_dead = true;
            self.gate.is_dead(now);
        }
        let (dead_at, is_dead) = (flight.dead_at, flight.is_dead);
        let may_hedge = flight.second.is_none() && flight.failed.is_none();
        let backs_off = flight.backs_off;
        if !self.is_open(id) && (is_dead || backs_off) {
            return self.land(now, id, Some(Failure::DoneAtHome));
        }
        if self.gate.is_open() {
            return self.land(now, id, Some(Failure::BreakerOpen));
        }
        if may_hedge
            && self.home_time(id).is_some_and(|home| home > self.gate.next())
            && self.gate.may_hedge()
        {
            self.counted.hedged += 1;
            self.begin(now, id, true);
        }
        let next = now + LOOK;
        let next = if is_dead || dead_at <= now { next } else { next.min(dead_at) };
        self.events.push(Reverse((next, Event::Look(id))));
    }

    /// A flight is over: with an answer, or with a failure. Whatever else is in flight of it is given
    /// up; it is billed all the same.
    fn land(&mut self, now: Nanos, id: u64, failure: Option<Failure>) {
        let Some(flight) = self.flights.remove(&id) else { return };
        for attempt in [flight.first, flight.second].into_iter().flatten() {
            if let Some(attempt) = self.attempts.remove(&attempt) {
                self.gate.came(now, attempt.sent, Came::GivenUp);
                self.bill(now, attempt.invocation.billed_ms);
            }
        }
        let is_done = failure.is_none();
        if is_done {
            self.gate.not_too_large(flight.records);
        }
        self.counted.failed +=
            u64::from(failure.is_some_and(|failure| failure != Failure::DoneAtHome));
        for part in flight.parts {
            self.give(part, is_done);
        }
    }

    /// Answers what is still open of a part.
    fn give(&mut self, part: Part, is_done: bool) {
        for range in part.open.take(&part.range) {
            self.replies[part.worker].push_back(Reply { id: part.id, range, is_done });
        }
    }

    /// Nothing is waited for any more: what is in flight is billed.
    pub(super) fn finish(&mut self) {
        let attempts: Vec<_> = self.attempts.drain().collect();
        for (_, attempt) in attempts {
            self.bill(self.clock, attempt.invocation.billed_ms);
        }
    }
}
