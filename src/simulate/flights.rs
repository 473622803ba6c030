//! Requests until they are answered or come home: as the bridge's own, they are tried again, sent a
//! second time where they are late, and given up where nobody wants them any more. Each record of each
//! part is answered once.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use super::lane::WorkItem;
use super::line::{Event, Line, Purpose};
use crate::batch::Nanos;
use crate::bridge::{Failure, LocalLoad, delay, lost};

/// What a worker hears of records that it handed over.
pub(super) struct Reply {
    pub id: u64,
    pub range: Range<usize>,
    /// They were done; or else they come home.
    pub is_done: bool,
}

/// A request until it is answered or comes home.
struct Flight {
    parts: Vec<WorkItem>,
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
    /// What is left to the remote side comes home from then on.
    lost_at: Nanos,
}

impl Flight {
    fn new(parts: Vec<WorkItem>, records: usize) -> Self {
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
            lost_at: 0,
        }
    }

    /// Whether any of it is still to be done.
    fn is_open(&self) -> bool {
        self.parts.iter().any(WorkItem::is_open)
    }
}

/// How often a late request looks whether it is still wanted: as the bridge does.
const LOOK: Nanos = 20_000_000;

/// The flights, and what their workers say and hear.
pub(super) struct Flights {
    flights: HashMap<u64, Flight>,
    homes: Vec<LocalLoad>,
    replies: Vec<VecDeque<Reply>>,
    /// Parts that were throttled and wait for room again.
    back: Vec<WorkItem>,
}

impl Flights {
    pub(super) fn new(workers: usize) -> Self {
        Flights {
            flights: HashMap::new(),
            homes: (0..workers).map(|_| LocalLoad::default()).collect(),
            replies: (0..workers).map(|_| VecDeque::new()).collect(),
            back: Vec::new(),
        }
    }

    /// How busy a worker is.
    pub(super) fn home(&self, worker: usize) -> &LocalLoad {
        &self.homes[worker]
    }

    /// What a worker has not heard yet.
    pub(super) fn reply(&mut self, worker: usize) -> Option<Reply> {
        self.replies[worker].pop_front()
    }

    /// A request goes.
    pub(super) fn go(&mut self, line: &mut Line, now: Nanos, parts: Vec<WorkItem>, records: usize) {
        line.counted.requests += 1;
        let id = line.next_id();
        self.flights.insert(id, Flight::new(parts, records));
        self.begin(line, now, id, false);
        let late = line.gate.timing().late().as_nanos() as Nanos;
        line.at(now + late, Event::Look(id));
    }

    /// Sends an attempt of a flight.
    fn begin(&mut self, line: &mut Line, now: Nanos, id: u64, is_second: bool) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        line.counted.attempts += 1;
        let purpose = Purpose::Records { flight: id, is_second };
        let (attempt, sent) = line.send(now, purpose, flight.records);
        if is_second {
            flight.second = Some(attempt);
        } else {
            let dead = line.gate.dead(sent);
            let dead_at = now + dead.as_nanos() as Nanos;
            flight.lost_at = now + lost(dead).as_nanos() as Nanos;
            (flight.first, flight.dead_at, flight.is_dead) = (Some(attempt), dead_at, false);
            flight.backs_off = false;
        }
    }

    /// An attempt of a flight has come back.
    pub(super) fn came(
        &mut self,
        line: &mut Line,
        now: Nanos,
        id: u64,
        is_second: bool,
        result: Result<(), Failure>,
    ) {
        match result {
            Ok(()) => self.land(line, now, id, None),
            Err(failure) => {
                line.counted.throttled += u64::from(failure == Failure::Throttled);
                self.has_failed(line, now, id, is_second, failure);
            }
        }
    }

    /// An attempt of a flight has failed: another one follows, is there, or the records come home.
    fn has_failed(
        &mut self,
        line: &mut Line,
        now: Nanos,
        id: u64,
        is_second: bool,
        failure: Failure,
    ) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if is_second {
            flight.second = None;
            if let Some(failure) = flight.failed.take() {
                self.land(line, now, id, Some(failure));
            }
            return;
        }
        flight.first = None;
        flight.tried += 1;
        let tried = flight.tried;
        let again = self.again(line, id, tried, &failure);
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if let Some(delay) = again {
            flight.backs_off = true;
            line.at(now + delay.as_nanos() as Nanos, Event::Retry(id));
        } else if flight.second.is_some() {
            flight.failed = Some(failure);
        } else {
            self.land(line, now, id, Some(failure));
        }
    }

    /// After what time a flight is tried again, if it is worth it.
    fn again(&self, line: &mut Line, id: u64, tried: u32, failure: &Failure) -> Option<Duration> {
        if tried >= line.settings.attempts || !failure.is_worth_another_attempt() {
            return None;
        }
        let throttled = *failure == Failure::Throttled;
        // It goes again once there is a place for it.
        if throttled && self.flights.get(&id).is_some_and(|flight| self.are_left(&flight.parts)) {
            return None;
        }
        let random = line.draw();
        let delay = delay(&line.settings, throttled, tried - 1, None, random);
        let remote = delay + line.gate.next();
        let home_is_sooner = self.home_time(id).is_some_and(|home| home <= remote);
        (!home_is_sooner && line.gate.may_retry(failure)).then_some(delay)
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

    /// A flight has backed off, and is tried again if that is still of use.
    pub(super) fn retry(&mut self, line: &mut Line, now: Nanos, id: u64) {
        let Some(flight) = self.flights.get(&id) else { return };
        if !flight.is_open() {
            self.land(line, now, id, Some(Failure::DoneAtHome));
        } else if line.gate.health().is_open() {
            self.land(line, now, id, Some(Failure::BreakerOpen));
        } else {
            self.begin(line, now, id, false);
        }
    }

    /// A late request looks whether it is still wanted, whether it counts as dead, and whether it
    /// should be sent a second time.
    pub(super) fn look(&mut self, line: &mut Line, now: Nanos, id: u64) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if flight.first.is_some() && !flight.is_dead && now >= flight.dead_at {
            flight.is_dead = true;
            line.gate.health_mut().failed(now);
        }
        if flight.is_dead && now >= flight.lost_at {
            let is_left = |part: &&WorkItem| self.homes[part.worker].leaves_all();
            for part in flight.parts.iter().filter(is_left) {
                answer(&mut self.replies, part, false);
            }
        }
        let (dead_at, is_dead) = (flight.dead_at, flight.is_dead);
        let may_hedge = flight.second.is_none() && flight.failed.is_none();
        if !flight.is_open() && (is_dead || flight.backs_off) {
            return self.land(line, now, id, Some(Failure::DoneAtHome));
        }
        if line.gate.health().is_open() {
            return self.land(line, now, id, Some(Failure::BreakerOpen));
        }
        if may_hedge
            && self.home_time(id).is_some_and(|home| home > line.gate.next())
            && line.gate.may_hedge()
        {
            line.counted.hedged += 1;
            self.begin(line, now, id, true);
        }
        let next = now + LOOK;
        let next = if is_dead || dead_at <= now { next } else { next.min(dead_at) };
        line.at(next, Event::Look(id));
    }

    /// A flight is over: with an answer, or with a failure. Whatever else is in flight of it is given
    /// up.
    fn land(&mut self, line: &mut Line, now: Nanos, id: u64, failure: Option<Failure>) {
        let Some(flight) = self.flights.remove(&id) else { return };
        for attempt in [flight.first, flight.second].into_iter().flatten() {
            line.give_up(now, attempt);
        }
        let is_done = failure.is_none();
        if is_done {
            line.gate.not_too_large(flight.records);
        }
        if failure == Some(Failure::Throttled) && self.are_left(&flight.parts) {
            return self.back.extend(flight.parts.into_iter().rev());
        }
        line.counted.failed +=
            u64::from(failure.is_some_and(|failure| failure != Failure::DoneAtHome));
        for part in flight.parts {
            self.give(part, is_done);
        }
    }

    /// Whether their workers leave them to the remote side.
    fn are_left(&self, parts: &[WorkItem]) -> bool {
        parts.iter().all(|part| self.homes[part.worker].leaves_all())
    }

    /// What was throttled and is to be sent again, the last first.
    pub(super) fn take_back(&mut self) -> Vec<WorkItem> {
        std::mem::take(&mut self.back)
    }

    /// Answers what is still open of a part.
    pub(super) fn give(&mut self, part: WorkItem, is_done: bool) {
        answer(&mut self.replies, &part, is_done);
    }
}

fn answer(replies: &mut [VecDeque<Reply>], part: &WorkItem, is_done: bool) {
    for range in part.open.take(&part.range) {
        replies[part.worker].push_back(Reply { id: part.id, range, is_done });
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

    /// Sends two parts to a service that fails so often, lets everything happen, and answers the
    /// records that were done and those that came home.
    fn fly(failure_rate: f64) -> (Line, usize, usize) {
        let lambda = Lambda { failure_rate, ..Lambda::default() };
        let mut line = Line::new(Settings::default(), lambda, StdRng::seed_from_u64(7));
        line.gate.health_mut().proves();
        let mut flights = Flights::new(2);
        let part = |worker| {
            let open = Rc::new(PendingRanges::new(0..500));
            WorkItem {
                worker,
                id: 9,
                range: 0..500,
                open,
                warm_only: false,
                at_once: false,
                handed_over: 0,
            }
        };
        let parts = vec![part(0), part(1)];
        // The worker does some of its records itself meanwhile.
        let done = parts[1].open.take_front(100);
        flights.go(&mut line, 0, parts, 1_000);
        while let Some(now) = line.next_at() {
            match line.next_event() {
                Some(Event::Answer(id)) => {
                    if let Some((Purpose::Records { flight, is_second }, result)) =
                        line.answer(now, id)
                    {
                        flights.came(&mut line, now, flight, is_second, result);
                    }
                }
                Some(Event::Look(id)) => flights.look(&mut line, now, id),
                Some(Event::Retry(id)) => flights.retry(&mut line, now, id),
                None => {}
            }
        }
        assert_eq!(done, Some(0..100));
        assert!(flights.flights.is_empty() && line.is_idle());
        let replies = std::iter::from_fn(|| flights.reply(0).or_else(|| flights.reply(1)));
        let (done, home): (Vec<_>, Vec<_>) = replies.partition(|reply| reply.is_done);
        let records = |replies: Vec<Reply>| replies.iter().map(|reply| reply.range.len()).sum();
        (line, records(done), records(home))
    }

    #[test]
    fn each_record_is_answered_once() {
        let (line, done, home) = fly(0.0);
        assert_eq!((done, home, line.counted.failed), (900, 0, 0));
        let (line, done, home) = fly(1.0);
        assert_eq!((done, home, line.counted.failed), (0, 900, 1));
        assert!(line.counted.attempts > 1, "it was tried again");
    }
}
