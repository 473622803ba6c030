//! What came of a policy.

use crate::batch::{Nanos, Span};
use crate::observe::{Counts, Latencies};
use crate::policy::Route;

/// What came of a policy on a stream.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Records, by where their results were made.
    pub counts: Counts,
    /// From schedule to result, over all records.
    pub latency: Latencies,
    /// Over those that were scheduled while more came than the workers do.
    pub burst_latency: Latencies,
    /// Results that came after they were due.
    pub late: u64,
    /// Records that workers did in time, those among them that had been sent away included.
    pub home_in_time: u64,
    /// Distinct batches sent.
    pub requests: u64,
    /// Sends.
    pub attempts: u64,
    /// Second sends of late requests.
    pub hedged: u64,
    /// Throttled sends.
    pub throttled: u64,
    /// Requests that came home.
    pub failed: u64,
    /// Empty requests: at the start and while the breaker is open, and to start environments.
    pub probes: u64,
    /// See `probes`.
    pub warm_ups: u64,
    /// Environments there were at most.
    pub environments: usize,
    /// Environments that were started.
    pub cold_starts: u64,
    /// Billed milliseconds.
    pub billed_ms: f64,
    /// US dollars.
    pub usd: f64,
    /// Time for which sources had to wait, summed over workers.
    pub backpressured: Nanos,
    /// The most records that workers held, in the queue and away.
    pub peak_backlog: usize,
    /// When the last result was there.
    pub ended: Nanos,
    /// Tick by tick.
    pub timeline: Timeline,
}

/// What happened in each tick.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Records that were handed over to the remote side.
    pub sent: Vec<u32>,
    /// Records that were scheduled then, and came after they were due.
    pub late: Vec<u32>,
}

impl Timeline {
    pub(super) fn add(ticks: &mut Vec<u32>, tick: u64, records: usize) {
        let tick = tick as usize;
        if records > 0 {
            if ticks.len() <= tick {
                ticks.resize(tick + 1, 0);
            }
            ticks[tick] += records as u32;
        }
    }
}

/// Results that are there.
pub(super) struct Made {
    pub path: Route,
    pub scheduled: Span,
    pub records: usize,
    pub late: usize,
    pub is_burst: bool,
}

impl Outcome {
    pub(super) fn note(&mut self, now: Nanos, made: &Made) {
        let &Made { path, scheduled, records, late, is_burst } = made;
        self.counts.count(path, records as u64);
        let latency = if is_burst { &mut self.burst_latency } else { &mut self.latency };
        latency.record(scheduled, records, now);
        self.late += late as u64;
        if !path.is_remote() {
            self.home_in_time += (records - late) as u64;
        }
        Timeline::add(&mut self.timeline.late, scheduled.first / super::TICK, late);
        self.ended = self.ended.max(now);
    }

    /// Once all is there: what came in bursts is a part of all.
    pub(super) fn finish(&mut self) {
        self.latency.add(&self.burst_latency);
    }

    /// The share of the records that the remote side did.
    pub fn offloaded_share(&self) -> f64 {
        self.counts.remote as f64 / self.counts.done().max(1) as f64
    }

    /// The share that was late.
    pub fn late_share(&self) -> f64 {
        self.late as f64 / self.counts.done().max(1) as f64
    }

    /// The share that workers did in time of what the optimum does at home.
    pub fn home_of_optimum(&self, optimum: &super::Optimum) -> f64 {
        self.home_in_time as f64 / optimum.home.max(1.0)
    }
}
