//! Attempts to the modelled service. Each one is reported to the admission once when it starts and once when
//! it ends, and is billed once, whatever its outcome is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::lambda::{Invocation, Lambda, Service};
use crate::batch::Nanos;
use crate::bridge::{Admission, AttemptOutcome, Counters, Failure, InFlightAttempt, Settings};

/// The purpose of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Purpose {
    Records { request: u64, is_second: bool },
    WarmUp,
    Probe,
}

struct Attempt {
    purpose: Purpose,
    sent: InFlightAttempt,
    since: Nanos,
    invocation: Invocation,
}

/// An event at a known time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// An attempt is answered.
    Answer(u64),
    /// A request checks whether it is late.
    Check(u64),
    /// A request is retried.
    Retry(u64),
}

pub(super) struct Attempts {
    pub settings: Settings,
    pub admission: Admission,
    pub counters: Counters,
    service: Service,
    random: StdRng,
    attempts: HashMap<u64, Attempt>,
    events: BinaryHeap<Reverse<(Nanos, Event)>>,
    next_id: u64,
}

impl Attempts {
    pub(super) fn new(settings: Settings, lambda: Lambda, random: StdRng) -> Self {
        Attempts {
            admission: Admission::new(settings.clone()),
            service: Service::new(lambda),
            settings,
            counters: Counters::default(),
            random,
            attempts: HashMap::new(),
            events: BinaryHeap::new(),
            next_id: 0,
        }
    }

    /// Sends the start-up probes that the budget covers, at most two. They take no time of the stream.
    pub(super) fn probe_at_start(&mut self) {
        for _ in 0..2 {
            if !self.admission.can_afford() {
                return self.admission.health_mut().mark_started();
            }
            self.counters.probes += 1;
            let sent = self.admission.start_attempt(0);
            let Invocation { at, billed_ms, result } =
                self.service.invoke(0, 0, self.settings.timeout, &mut self.random);
            self.service.settle();
            self.bill(0, billed_ms);
            let took = Duration::from_nanos(at);
            match result {
                Ok(cold) => {
                    self.admission.finish_attempt(0, sent, AttemptOutcome::Probe { took, cold })
                }
                Err(Failure::Throttled(_)) => {
                    self.admission.finish_attempt(0, sent, AttemptOutcome::ProbeFailed)
                }
                Err(_) => {
                    self.admission.finish_attempt(0, sent, AttemptOutcome::ProbeFailed);
                    return self.admission.health_mut().start_open(0);
                }
            }
            self.admission.health_mut().mark_proven();
        }
    }

    /// Returns the largest number of environments at a time, and the number of cold starts.
    pub(super) fn environments(&self) -> (usize, u64) {
        (self.service.most, self.service.cold_starts)
    }

    /// Returns whether nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Returns a random number from 0 to 1.
    pub(super) fn draw(&mut self) -> f64 {
        self.random.random()
    }

    /// Returns an unused id.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn at(&mut self, time: Nanos, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    /// Returns the time of the next event.
    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.events.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.events.pop().map(|Reverse((_, event))| event)
    }

    /// Sends an attempt.
    pub(super) fn send(
        &mut self,
        now: Nanos,
        purpose: Purpose,
        records: usize,
    ) -> (u64, InFlightAttempt) {
        let mut sent = self.admission.start_attempt(now);
        self.admission.mark_on_wire(now, &mut sent);
        let timeout = match purpose {
            Purpose::Probe => self.admission.timing().probe_timeout(),
            Purpose::WarmUp | Purpose::Records { .. } => self.settings.timeout,
        };
        let invocation = self.service.invoke(now, records, timeout, &mut self.random);
        let id = self.next_id();
        self.at(invocation.at, Event::Answer(id));
        self.attempts.insert(id, Attempt { purpose, sent, since: now, invocation });
        (id, sent)
    }

    /// Processes the answer to an attempt, unless the attempt was given up. Returns its purpose and its
    /// result.
    pub(super) fn answer(&mut self, now: Nanos, id: u64) -> Option<(Purpose, Result<(), Failure>)> {
        let Attempt { purpose, sent, since, invocation } = self.attempts.remove(&id)?;
        let Invocation { billed_ms, result, .. } = invocation;
        self.bill(now, billed_ms);
        let took = Duration::from_nanos(now - since);
        let came = match (&result, purpose) {
            (Ok(cold), Purpose::Records { .. }) => AttemptOutcome::Succeeded { took, cold: *cold },
            (Err(failure), Purpose::Records { .. }) => AttemptOutcome::Failed(failure),
            (Ok(cold), _) => AttemptOutcome::Probe { took, cold: *cold },
            (Err(_), _) => AttemptOutcome::ProbeFailed,
        };
        self.admission.finish_attempt(now, sent, came);
        if purpose == Purpose::Probe {
            self.admission.health_mut().probed(now, result.is_ok());
        }
        Some((purpose, result.map(|_| ())))
    }

    /// Gives an attempt up. It is billed all the same.
    pub(super) fn give_up(&mut self, now: Nanos, id: u64) {
        if let Some(attempt) = self.attempts.remove(&id) {
            self.admission.finish_attempt(now, attempt.sent, AttemptOutcome::Abandoned);
            self.bill(now, attempt.invocation.billed_ms);
        }
    }

    /// Gives up all attempts in flight, which are billed.
    pub(super) fn finish(&mut self, now: Nanos) {
        let attempts: Vec<_> = self.attempts.drain().collect();
        for (_, attempt) in attempts {
            self.bill(now, attempt.invocation.billed_ms);
        }
    }

    fn bill(&mut self, now: Nanos, billed_ms: Option<f64>) {
        if let Some(billed_ms) = billed_ms {
            self.admission.charge(now, self.settings.cost.usd(1, billed_ms));
            self.counters.billed += 1;
            self.counters.billed_us += (billed_ms * 1e3).round() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn attempts() -> Attempts {
        let random = StdRng::seed_from_u64(1);
        let mut attempts = Attempts::new(Settings::default(), Lambda::default(), random);
        attempts.probe_at_start();
        attempts
    }

    #[test]
    fn an_attempt_is_billed_once_whatever_its_outcome_is() {
        let mut attempts = attempts();
        let records = Purpose::Records { request: 1, is_second: false };
        let ids =
            [records, records, Purpose::WarmUp].map(|purpose| attempts.send(0, purpose, 10).0);
        assert!(!attempts.is_idle());
        attempts.give_up(1_000, ids[0]);
        let at = attempts.next_at().unwrap();
        assert!(attempts.answer(at, ids[0]).is_none(), "the attempt was given up");
        assert_eq!(attempts.answer(at, ids[1]), Some((records, Ok(()))));
        attempts.finish(at);
        assert!(attempts.is_idle());
        attempts.give_up(at, ids[2]);
        assert_eq!((attempts.counters.probes, attempts.counters.billed), (2, 5));
    }

    #[test]
    fn events_of_the_same_time_are_in_a_fixed_order() {
        let mut attempts = attempts();
        attempts.at(5, Event::Retry(1));
        attempts.at(5, Event::Check(3));
        attempts.at(5, Event::Answer(4));
        attempts.at(5, Event::Answer(2));
        let events: Vec<_> = std::iter::from_fn(|| attempts.next_event()).collect();
        let order = [Event::Answer(2), Event::Answer(4), Event::Check(3), Event::Retry(1)];
        assert!(events == order, "answers come first: an answered request is not late");
    }
}
