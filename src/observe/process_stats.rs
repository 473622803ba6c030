//! The figures of all workers of a process.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::series::Level;
use super::worker_stats::{Sent, WorkerStats};
use super::{Counts, Latencies, LiveSnapshot, Report, TimeSlots};
use crate::batch::Nanos;
use crate::policy::Route;
use crate::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Relaxed, Release},
};
use crate::sync::{Mutex, MutexGuard};

/// The number of records that the workers hold.
#[derive(Debug, Default)]
struct Backlog {
    /// Queued and in flight.
    now: AtomicUsize,
    /// In flight.
    in_flight: AtomicUsize,
    /// The highest backlog of each second of the run.
    peaks: Mutex<Vec<u64>>,
    /// The highest backlog of the current second.
    peak: AtomicUsize,
    /// The highest backlog of all seconds that have ended.
    highest: AtomicUsize,
}

/// The figures of all workers of a process. Clones share the figures.
#[derive(Clone, Debug)]
pub struct ProcessStats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workers: Vec<Arc<WorkerStats>>,
    backlog: Backlog,
    /// The levels at the end of each slot of time.
    levels: Mutex<TimeSlots<Level>>,
    /// One past the last committed epoch, and when it was committed.
    committed: AtomicU64,
    last_commit: AtomicU64,
    /// The offered rate of the last complete epoch, as the bits of an `f64`.
    offered: AtomicU64,
    /// The highest offered rate of all complete epochs.
    offered_peak: AtomicU64,
}

impl ProcessStats {
    /// Creates the figures of `workers` workers. With a `series`, they are also counted by slots of time.
    pub fn new(workers: usize, series: bool) -> Self {
        ProcessStats::watched(workers, series, false, None)
    }

    /// Creates the figures of `workers` workers. If they are `watched`, [`ProcessStats::snapshot`] has latencies. Results
    /// that come more than `deadline` after their schedule are late.
    pub fn watched(
        workers: usize,
        series: bool,
        watched: bool,
        deadline: Option<Duration>,
    ) -> Self {
        let deadline = deadline.map(|deadline| deadline.as_nanos() as Nanos);
        let worker = |_| Arc::new(WorkerStats::new(deadline, watched, series));
        ProcessStats(Arc::new(Inner {
            workers: (0..workers).map(worker).collect(),
            levels: Mutex::default(),
            backlog: Backlog::default(),
            offered: AtomicU64::new(0),
            offered_peak: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            last_commit: AtomicU64::new(0),
        }))
    }

    /// Returns the figures of a worker.
    pub fn worker(&self, index: usize) -> Arc<WorkerStats> {
        Arc::clone(&self.0.workers[index])
    }

    /// Notes that a worker holds `now` records. It held `before`.
    pub fn backlog_changed(&self, before: usize, now: usize) {
        if before == now {
            return;
        }
        let backlog = &self.0.backlog;
        let change = now.wrapping_sub(before);
        let sum = backlog.now.fetch_add(change, Relaxed).wrapping_add(change);
        if now > before {
            backlog.peak.fetch_max(sum, Release);
        }
    }

    /// Notes that a worker has `now` records in flight. It had `before`.
    pub fn in_flight_changed(&self, before: usize, now: usize) {
        if before != now {
            self.0.backlog.in_flight.fetch_add(now.wrapping_sub(before), Relaxed);
        }
    }

    /// Notes the levels at `now`, the end of a slot. `cost_usd` is what was billed until then, in
    /// US dollars.
    pub fn sample(&self, now: Nanos, cost_usd: f64) {
        let in_flight = self.0.backlog.in_flight.load(Relaxed) as u64;
        let level = Level {
            // The two counters are not read at the same instant.
            queued: (self.backlog() as u64).saturating_sub(in_flight),
            in_flight,
            backpressured_ns: self.backpressured(),
            cost_usd,
            true_rate: self.0.workers.iter().map(|worker| worker.last_true_rate()).sum(),
            taken: true,
        };
        *self.levels().ending_at(now) = level;
    }

    /// Returns the levels of all slots until now. No worker waits for it.
    pub fn levels_so_far(&self) -> TimeSlots<Level> {
        self.levels().clone()
    }

    fn levels(&self) -> MutexGuard<'_, TimeSlots<Level>> {
        self.0.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of records that are queued or in flight.
    pub fn backlog(&self) -> usize {
        self.0.backlog.now.load(Relaxed)
    }

    /// Ends second `second` of the run, and keeps its highest backlog.
    pub fn end_second(&self, second: usize) {
        let backlog = &self.0.backlog;
        // The next second begins with what the workers hold. A change that comes between the two belongs to
        // both seconds.
        let peak = backlog.peak.swap(0, AcqRel);
        backlog.peak.fetch_max(backlog.now.load(Relaxed), Relaxed);
        backlog.highest.fetch_max(peak, Relaxed);
        let peak = peak as u64;
        let mut peaks = backlog.peaks.lock().unwrap_or_else(PoisonError::into_inner);
        if peaks.len() <= second {
            peaks.resize(second + 1, 0);
        }
        peaks[second] = peaks[second].max(peak);
    }

    /// Returns the highest backlog of each second.
    pub fn peaks(&self) -> Vec<u64> {
        self.0.backlog.peaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that all epochs before `epoch` were committed by `now`.
    pub fn committed_before(&self, epoch: u64, now: Nanos) {
        self.0.committed.fetch_max(epoch, Relaxed);
        self.0.last_commit.fetch_max(now, Relaxed);
    }

    /// Returns when the last epoch was committed.
    pub fn last_commit(&self) -> Nanos {
        self.0.last_commit.load(Relaxed)
    }

    /// Returns one past the last committed epoch.
    pub fn committed(&self) -> u64 {
        self.0.committed.load(Relaxed)
    }

    /// Returns the number of records that are done, over all workers.
    pub fn counts(&self) -> Counts {
        self.sum(WorkerStats::counts)
    }

    /// Returns the number of late results, over all workers.
    pub fn late(&self) -> Counts {
        self.sum(WorkerStats::late)
    }

    fn sum(&self, counts: impl Fn(&WorkerStats) -> Counts) -> Counts {
        let mut sum = Counts::default();
        self.0.workers.iter().for_each(|worker| sum.add(&counts(worker)));
        sum
    }

    /// Returns the time for which sources had to wait, in nanoseconds, summed over workers.
    pub fn backpressured(&self) -> Nanos {
        self.0.workers.iter().flat_map(|worker| worker.waits.waited()).sum()
    }

    /// Notes the offered rate of an epoch that is complete, over the whole dataflow.
    pub fn offered(&self, records_per_second: f64) {
        let bits = records_per_second.to_bits();
        self.0.offered.store(bits, Relaxed);
        // Of two numbers that are not negative, the larger one has the larger bits.
        self.0.offered_peak.fetch_max(bits, Relaxed);
    }

    /// Returns the highest offered rate of all complete epochs, in records per second. 0 if there is none.
    pub fn offered_peak(&self) -> f64 {
        f64::from_bits(self.0.offered_peak.load(Relaxed))
    }

    /// Returns what the workers have counted until now. It has latencies only if the workers are watched, and the CPU
    /// time of their threads as of the call before. No worker waits for it.
    pub fn snapshot(&self) -> LiveSnapshot {
        // A result is counted as done before it is counted as late.
        let late = self.late();
        let counts = self.counts();
        let mut sum = LiveSnapshot { counts, late, ..LiveSnapshot::default() };
        self.0.workers.iter().for_each(|worker| worker.add_to(&mut sum));
        let backlog = &self.0.backlog;
        sum.backlog = self.backlog() as u64;
        sum.in_flight = backlog.in_flight.load(Relaxed) as u64;
        sum.peak_backlog = backlog.highest.load(Relaxed).max(backlog.peak.load(Relaxed)) as u64;
        sum.committed = self.committed();
        let offered = f64::from_bits(self.0.offered.load(Relaxed));
        sum.offered_eps = (offered > 0.0).then_some(offered);
        sum
    }

    /// Returns the number of remote results that workers computed too.
    pub fn verified(&self) -> u64 {
        self.0.workers.iter().map(|worker| worker.verified.load(Relaxed)).sum()
    }

    /// Returns the number of records that have left the source, with bad ones.
    pub fn emitted(&self) -> u64 {
        self.0.workers.iter().map(|worker| worker.emitted_so_far()).sum()
    }

    /// Returns the time of the schedule up to which the sources have emitted. None if there is no schedule.
    pub fn reached(&self) -> Option<Nanos> {
        self.0.workers.iter().filter_map(|worker| worker.reached()).max()
    }

    /// Returns the latencies since the last call.
    pub fn take_recent(&self) -> Latencies {
        let mut sum = Latencies::default();
        self.0.workers.iter().for_each(|worker| sum.add(&worker.take_recent()));
        sum
    }

    /// Returns when records were first and last handed to the remote side. None if they never were.
    pub fn sent(&self) -> Option<Sent> {
        self.0.workers.iter().filter_map(|worker| worker.when_sent()).reduce(Sent::with)
    }

    /// Puts the latencies and the slots of time into `report`.
    pub(super) fn report(&self, report: &mut Report) {
        report.by_route = vec![Latencies::default(); Route::ALL.len()];
        report.levels = self.levels().clone();
        self.0.workers.iter().for_each(|worker| worker.report(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;

    #[test]
    fn each_result_is_late_by_its_own_scheduled_time() {
        const MS: Nanos = 1_000_000;
        let deadline = Duration::from_millis(200);
        let stats = ProcessStats::watched(2, false, false, Some(deadline));
        // A thousand records, a tenth of a millisecond apart, of which some are due before 250 ms.
        let span = Span { first: 0, last: 999 * MS / 10 };
        stats.worker(0).results(Route::Local, span, 1_000, 250 * MS, false);
        stats.worker(1).results(Route::Hedged, span, 1_000, 200 * MS, false);
        stats.worker(1).results(Route::Returned, span, 1_000, 300 * MS, false);
        let counts = Counts { local: 500, home: 1_000, ..Counts::default() };
        assert_eq!(stats.late(), counts);
        let mut report = Report::default();
        report.add(&Report::of(&stats, 2));
        report.add(&Report::of(&stats, 2));
        assert_eq!((report.late.results(), report.on_time().results), (3_000, 6_000));
        assert_eq!(stats.snapshot().on_time_since(&LiveSnapshot::default()).late, 1_500);
    }
}
