//! What the bridge counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The bridge's counters at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Distinct batches that were sent.
    pub requests: u64,
    /// HTTP sends.
    pub attempts: u64,
    /// Answers that said "too many".
    pub throttled: u64,
    /// Second sends of requests that were late.
    pub hedged: u64,
    /// Attempts that were given up before they were answered: they may have run, and are billed.
    pub abandoned: u64,
    /// Records in answers that came after the records were done.
    pub superseded: u64,
    /// Empty requests: at the start, and while the breaker is open.
    pub probes: u64,
    /// Empty requests that start environments ahead.
    pub warm_ups: u64,
    /// How often the breaker opened.
    pub breaker_opened: u64,
    /// Requests that came home.
    pub failed: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Records sent, once each.
    pub records_sent: u64,
    /// Records that came back with a result.
    pub records_done: u64,
    /// Bytes of requests.
    pub bytes_out: u64,
    /// Bytes of answers.
    pub bytes_in: u64,
    /// Billed time in microseconds, as the service says or as the attempt lasted.
    pub billed_us: u64,
    /// Attempts that are billed: all that may have run.
    pub billed: u64,
    /// Those of them whose billed time the service said.
    pub metered: u64,
    /// What it said, in microseconds.
    pub metered_us: u64,
    /// What it would have been taken for without the service's word: how long those attempts lasted.
    pub estimated_us: u64,
    /// Answers from an environment that was started for the request.
    pub cold_starts: u64,
    /// CPU time of the bridge's thread, in nanoseconds.
    pub cpu_ns: u64,
    /// For how long the budget was spent, in microseconds.
    pub over_budget_us: u64,
}

/// The same, while they count.
#[derive(Debug, Default)]
pub(super) struct LiveCounters {
    pub requests: AtomicU64,
    pub attempts: AtomicU64,
    pub throttled: AtomicU64,
    pub hedged: AtomicU64,
    pub abandoned: AtomicU64,
    pub superseded: AtomicU64,
    pub probes: AtomicU64,
    pub warm_ups: AtomicU64,
    pub breaker_opened: AtomicU64,
    pub failed: AtomicU64,
    pub in_flight: AtomicU64,
    pub records_sent: AtomicU64,
    pub records_done: AtomicU64,
    pub bytes_out: AtomicU64,
    pub bytes_in: AtomicU64,
    pub billed_us: AtomicU64,
    pub billed: AtomicU64,
    pub metered: AtomicU64,
    pub metered_us: AtomicU64,
    pub estimated_us: AtomicU64,
    pub cold_starts: AtomicU64,
    pub cpu_ns: AtomicU64,
}

impl LiveCounters {
    pub(super) fn add(&self, counter: impl Fn(&LiveCounters) -> &AtomicU64, amount: u64) {
        counter(self).fetch_add(amount, Relaxed);
    }

    pub(super) fn snapshot(&self) -> Counters {
        Counters {
            requests: self.requests.load(Relaxed),
            attempts: self.attempts.load(Relaxed),
            throttled: self.throttled.load(Relaxed),
            hedged: self.hedged.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            superseded: self.superseded.load(Relaxed),
            probes: self.probes.load(Relaxed),
            warm_ups: self.warm_ups.load(Relaxed),
            breaker_opened: self.breaker_opened.load(Relaxed),
            failed: self.failed.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            records_sent: self.records_sent.load(Relaxed),
            records_done: self.records_done.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            billed_us: self.billed_us.load(Relaxed),
            billed: self.billed.load(Relaxed),
            metered: self.metered.load(Relaxed),
            metered_us: self.metered_us.load(Relaxed),
            estimated_us: self.estimated_us.load(Relaxed),
            cold_starts: self.cold_starts.load(Relaxed),
            cpu_ns: self.cpu_ns.load(Relaxed),
            over_budget_us: 0,
        }
    }
}
