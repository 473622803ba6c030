//! A request that is in flight or waits before a retry, and when something has to be done about it.

use std::time::Duration;

use super::{AttemptId, Item};
use crate::batch::Nanos;
use crate::bridge::{Failure, InFlightAttempt, LocalLoad};

/// Interval in which a late request checks whether its records are still pending.
pub(crate) const LATE_CHECK_INTERVAL: Nanos = 20_000_000;

/// Where workers leave their records to the remote side, the records of a request are returned at this many
/// times the age at which it counts as failed.
const ABANDONED_AFTER: Nanos = 4;

/// Why a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It has records.
    Records,
    /// It starts an environment.
    WarmUp,
    /// It finds out whether the remote side has recovered, while the breaker is open.
    Probe,
    /// It is the first or the second probe at the start.
    StartProbe { is_first: bool },
}

/// What a request waits for after a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt.
    Retry,
    /// It is sent again as a new request, once there is a permit.
    Requeue(Failure),
}

/// Another attempt of a request, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Again {
    Retry(u64),
    Hedge(u64),
}

/// An attempt in flight.
#[derive(Debug)]
pub(super) struct Attempt {
    pub number: u32,
    pub in_flight: InFlightAttempt,
    /// Age on the wire from which it counts as failed.
    pub failure_timeout: Nanos,
    /// How long it may take on the wire, and as long before that.
    pub timeout: Nanos,
    pub is_overdue: bool,
    /// Whether its records were returned although it goes on.
    pub is_abandoned: bool,
}

impl Attempt {
    /// Returns when it times out.
    pub(super) fn times_out_at(&self) -> Nanos {
        self.in_flight.on_wire.unwrap_or(self.in_flight.at) + self.timeout
    }

    /// Returns when it counts as failed, if it is on the wire.
    pub(super) fn overdue_at(&self) -> Option<Nanos> {
        Some(self.in_flight.on_wire? + self.failure_timeout)
    }

    /// Returns when its records are returned to workers that leave them to the remote side.
    pub(super) fn abandoned_at(&self) -> Option<Nanos> {
        Some(self.in_flight.on_wire? + ABANDONED_AFTER * self.failure_timeout)
    }
}

/// A request until it is answered or its records are returned.
#[derive(Debug)]
pub(super) struct Request<I: Item> {
    pub purpose: Purpose,
    pub items: Vec<I>,
    pub records: usize,
    pub body: Option<I::Body>,
    /// The attempt in flight, and the hedge.
    pub first: Option<Attempt>,
    pub hedge: Option<Attempt>,
    /// Number of attempts so far, and of those that failed, hedges not counted. Where workers cannot compute the
    /// records, failed attempts of earlier requests with them count too.
    pub attempts: u32,
    pub failed: u32,
    /// What it waits for, and until when.
    pub waits: Option<(Nanos, Next)>,
    /// Why no attempt follows, while the hedge is still in flight.
    pub failure: Option<Failure>,
    /// Whether an attempt has been in flight for so long that it counts as failed.
    pub is_overdue: bool,
    /// Whether an attempt is or was on the wire.
    pub was_on_wire: bool,
    /// What its attempts cost so far.
    pub usd: f64,
    /// From when on it is late, and when it is checked next.
    pub late_at: Nanos,
    pub check_at: Nanos,
    /// When the machine looks at it next.
    pub due_at: Nanos,
}

impl<I: Item> Request<I> {
    pub(super) fn new(
        purpose: Purpose,
        items: Vec<I>,
        records: usize,
        body: Option<I::Body>,
    ) -> Self {
        let failed = items.iter().map(|item| item.part().failed).max().unwrap_or_default();
        Request {
            purpose,
            items,
            records,
            body,
            first: None,
            hedge: None,
            attempts: 0,
            failed,
            waits: None,
            failure: None,
            is_overdue: false,
            was_on_wire: false,
            usd: 0.0,
            late_at: Nanos::MAX,
            check_at: Nanos::MAX,
            due_at: Nanos::MAX,
        }
    }

    /// Returns the attempt with this number, and whether it is the hedge.
    pub(super) fn attempt_mut(&mut self, number: u32) -> Option<(&mut Attempt, bool)> {
        [(&mut self.first, false), (&mut self.hedge, true)]
            .into_iter()
            .filter_map(|(attempt, is_hedge)| Some((attempt.as_mut()?, is_hedge)))
            .find(|(attempt, _)| attempt.number == number)
    }

    /// Removes the attempt with this number. Returns it, and whether it is the hedge.
    pub(super) fn take_attempt(&mut self, number: u32) -> Option<(Attempt, bool)> {
        let is_hedge = self.attempt_mut(number)?.1;
        let attempt = if is_hedge { self.hedge.take() } else { self.first.take() };
        attempt.map(|attempt| (attempt, is_hedge))
    }

    pub(super) fn attempts_in_flight(&self) -> usize {
        usize::from(self.first.is_some()) + usize::from(self.hedge.is_some())
    }

    pub(super) fn attempts_mut(&mut self) -> impl Iterator<Item = &mut Attempt> {
        self.first.iter_mut().chain(&mut self.hedge)
    }

    /// Returns whether any record is pending.
    pub(super) fn is_pending(&self) -> bool {
        self.items.iter().any(Item::is_pending)
    }

    /// Returns whether all workers leave their records to the remote side.
    pub(super) fn is_remote_only(&self) -> bool {
        self.items.iter().all(|item| item.local_load().is_remote_only())
    }

    /// Returns when the workers would have computed the last of the records. None if that is not known.
    pub(super) fn local_time(&self) -> Option<Duration> {
        let mut workers: Vec<(&LocalLoad, usize)> = Vec::new();
        for item in &self.items {
            match workers.iter_mut().find(|(load, _)| std::ptr::eq(*load, item.local_load())) {
                Some((_, records)) => *records += item.records(),
                None => workers.push((item.local_load(), item.records())),
            }
        }
        let times = workers.into_iter().map(|(load, records)| load.time_for(records));
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Returns when something has to be done about it.
    pub(super) fn next_due(&self) -> Nanos {
        let has_records = self.purpose == Purpose::Records;
        let of_attempt = |attempt: &Attempt| {
            let overdue = attempt.overdue_at().filter(|_| has_records && !attempt.is_overdue);
            let abandoned = attempt.abandoned_at().filter(|_| has_records && !attempt.is_abandoned);
            [Some(attempt.times_out_at()), overdue, abandoned].into_iter().flatten().min()
        };
        let attempts = self.first.iter().chain(&self.hedge).filter_map(of_attempt);
        let waits = self.waits.as_ref().map(|(until, _)| *until);
        attempts.chain(waits).min().unwrap_or(Nanos::MAX).min(self.check_at)
    }

    /// Splits the work items into two halves.
    pub(super) fn into_halves(self) -> [Vec<I>; 2] {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut left = self.records / 2;
        for mut item in self.items {
            let taken = item.split(left);
            left -= taken.records();
            for (item, half) in [(taken, &mut first), (item, &mut second)] {
                if item.records() > 0 {
                    half.push(item);
                }
            }
        }
        [first, second]
    }
}

impl Attempt {
    pub(super) fn id(&self, request: u64) -> AttemptId {
        AttemptId { request, number: self.number }
    }
}
