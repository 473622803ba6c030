//! The outcome of a simulation.

use crate::batch::{Nanos, Span};
use crate::bridge::Counters;
use crate::observe::{Counts, Latencies};
use crate::policy::Route;

/// The outcome of a policy on a stream.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Each stage of the graph.
    pub stages: Vec<StageOutcome>,
    /// Records of the last stage by the place where their results were computed.
    pub counts: Counts,
    /// Time from schedule to result of the last stage, over all records.
    pub latency: Latencies,
    /// The same for records that were scheduled while the stream exceeded the workers' rate.
    pub burst_latency: Latencies,
    /// Results that came after they were due.
    pub late: u64,
    /// Records that workers finished in time, returned ones included.
    pub local_in_time: u64,
    /// The bridge's counters, but for what was billed and the cold starts: these are the service's own figures.
    pub counters: Counters,
    /// The largest number of environments at a time.
    pub environments: usize,
    /// Cost in US dollars.
    pub usd: f64,
    /// Time for which sources had to wait, summed over the workers.
    pub backpressured: Nanos,
    /// The largest backlog of the workers, queued and in flight.
    pub peak_backlog: usize,
    /// When the last result was emitted.
    pub ended: Nanos,
    /// What happened in each tick.
    pub timeline: Timeline,
}

/// The outcome of a policy at a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageOutcome {
    /// Records that it received.
    pub records: u64,
    /// Records that the remote side computed.
    pub remote: u64,
}

/// What happened in each tick.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Records that were handed to the bridge.
    pub sent: Vec<u32>,
    /// Records that were scheduled in this tick and were late.
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

/// Results of one computation.
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
            self.local_in_time += (records - late) as u64;
        }
        Timeline::add(&mut self.timeline.late, scheduled.first / super::TICK, late);
        self.ended = self.ended.max(now);
    }

    /// Completes the outcome after the last result: adds the results of bursts to those of all records.
    pub(super) fn finish(&mut self) {
        self.latency.add(&self.burst_latency);
    }

    /// Returns the share of the last stage's records that the remote side computed.
    pub fn offloaded_share(&self) -> f64 {
        self.counts.remote as f64 / self.counts.done().max(1) as f64
    }

    /// Returns the share of the records that were late.
    pub fn late_share(&self) -> f64 {
        self.late as f64 / self.counts.done().max(1) as f64
    }

    /// Returns the records that workers finished in time, as a share of those that the optimum keeps on the
    /// workers. None with several stages: only the results of the last one have a due time.
    pub fn local_of_optimum(&self, optimum: &super::Optimum) -> Option<f64> {
        let is_one = self.stages.len() == 1;
        is_one.then(|| self.local_in_time as f64 / optimum.local.max(1.0))
    }
}
