//! What workers are told of the remote side.

use std::time::Duration;

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What workers are told of the remote side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offer {
    /// How many records the bridge takes now.
    pub room: usize,
    /// How many of them will not meet a cold environment, as far as is known.
    pub warm_room: usize,
    /// Whether records may wait for room: the breaker is not open, the budget is not spent, and the bridge is
    /// not closed.
    pub is_available: bool,
    /// Whether workers cannot compute the records.
    pub is_only_side: bool,
    /// The number of records of a full request.
    pub max_records: usize,
    /// The median time of a request to a warm environment; zero before the first answer.
    pub median: Duration,
    /// The 99th percentile of that time, in which requests in flight count at their present age; zero before
    /// the first answer.
    pub p99: Duration,
    /// The median time of a request to a cold environment; zero before the first cold start.
    pub cold: Duration,
    /// The age from which a work item is late, so that its worker may compute the records itself.
    pub late: Duration,
    /// The share of the recent attempts that failed. Throttled ones count as failed.
    pub failure_rate: f64,
}

impl Offer {
    /// Whether records may wait for room, and there is none.
    pub(super) fn must_wait(&self) -> bool {
        self.room == 0 && (self.is_available || self.is_only_side)
    }

    /// Returns what is left of it while `waiting` records wait in the bridge, or once the bridge is closed.
    pub(crate) fn less(self, waiting: usize, is_closed: bool) -> Offer {
        Offer {
            room: if is_closed { 0 } else { self.room.saturating_sub(waiting) },
            warm_room: self.warm_room.saturating_sub(waiting),
            is_available: self.is_available && !is_closed,
            ..self
        }
    }
}

/// An [`Offer`] that workers read while the bridge changes it.
#[derive(Debug, Default)]
pub(super) struct LiveOffer {
    room: AtomicUsize,
    warm_room: AtomicUsize,
    is_available: AtomicBool,
    is_only_side: AtomicBool,
    max_records: AtomicUsize,
    median: AtomicU64,
    p99: AtomicU64,
    cold: AtomicU64,
    late: AtomicU64,
    /// Bits of an `f64`.
    failure_rate: AtomicU64,
}

impl LiveOffer {
    pub(super) fn store(&self, offer: &Offer) {
        let set = |to: &AtomicU64, time: Duration| to.store(time.as_nanos() as u64, Relaxed);
        self.room.store(offer.room, Relaxed);
        self.warm_room.store(offer.warm_room, Relaxed);
        self.is_available.store(offer.is_available, Relaxed);
        self.is_only_side.store(offer.is_only_side, Relaxed);
        self.max_records.store(offer.max_records, Relaxed);
        set(&self.median, offer.median);
        set(&self.p99, offer.p99);
        set(&self.cold, offer.cold);
        set(&self.late, offer.late);
        self.failure_rate.store(offer.failure_rate.to_bits(), Relaxed);
    }

    pub(super) fn load(&self) -> Offer {
        let time = |of: &AtomicU64| Duration::from_nanos(of.load(Relaxed));
        Offer {
            room: self.room.load(Relaxed),
            warm_room: self.warm_room.load(Relaxed),
            is_available: self.is_available.load(Relaxed),
            is_only_side: self.is_only_side.load(Relaxed),
            max_records: self.max_records.load(Relaxed),
            median: time(&self.median),
            p99: time(&self.p99),
            cold: time(&self.cold),
            late: time(&self.late),
            failure_rate: f64::from_bits(self.failure_rate.load(Relaxed)),
        }
    }
}
