//! What the workers of a process count while they run.
//!
//! A worker adds to its own [`WorkerStats`] once a batch; others read. The only lock is taken for
//! an addition or for taking a copy out, never across work.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::live_counters::LiveCounters;
use super::series::{Flow, Level};
use super::{Latencies, LiveSnapshot, Report, TimeSlots, WaitTimer};
use crate::batch::{Nanos, Span};
use crate::policy::Route;

/// Records by where their final result was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// On the worker.
    pub local: u64,
    /// By another worker of the process.
    pub peer: u64,
    /// By the remote side.
    pub remote: u64,
    /// Those of them that its second attempt made.
    pub hedged: u64,
    /// On the worker, after they were sent away.
    pub home: u64,
    /// Bad.
    pub bad: u64,
}

impl Counts {
    /// Counts `records` results that were made by `path`.
    pub fn count(&mut self, path: Route, records: u64) {
        match path {
            Route::Local => self.local += records,
            Route::Peer => self.peer += records,
            Route::Remote => self.remote += records,
            Route::Hedged => {
                self.remote += records;
                self.hedged += records;
            }
            Route::Returned => self.home += records,
        }
    }

    /// What was counted since it stood at `before`.
    pub fn since(&self, before: &Counts) -> Counts {
        Counts {
            local: self.local.saturating_sub(before.local),
            peer: self.peer.saturating_sub(before.peer),
            remote: self.remote.saturating_sub(before.remote),
            hedged: self.hedged.saturating_sub(before.hedged),
            home: self.home.saturating_sub(before.home),
            bad: self.bad.saturating_sub(before.bad),
        }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Counts) {
        let Counts { local, peer, remote, hedged, home, bad } = other;
        self.local += local;
        self.peer += peer;
        self.remote += remote;
        self.hedged += hedged;
        self.home += home;
        self.bad += bad;
    }

    /// Results that were made by `path`.
    pub fn by(&self, path: Route) -> u64 {
        match path {
            Route::Local => self.local,
            Route::Peer => self.peer,
            Route::Remote => self.remote - self.hedged,
            Route::Hedged => self.hedged,
            Route::Returned => self.home,
        }
    }

    /// Records with a result.
    pub fn results(&self) -> u64 {
        self.local + self.peer + self.remote + self.home
    }

    /// All records that are done.
    pub fn done(&self) -> u64 {
        self.results() + self.bad
    }
}

/// One worker's figures.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// How long after its schedule a result is due; without one none is ever late.
    deadline: Option<Nanos>,
    /// Records that are done, and the results among them that came later than they were due.
    done: Counters,
    late: Counters,
    distributions: Mutex<Distributions>,
    /// What is counted for those who look while the run lasts, if anybody may.
    tally: Option<LiveCounters>,
    /// For how long the source had records and had to wait.
    pub waits: WaitTimer,
    /// Nanoseconds in the task.
    pub useful: AtomicU64,
    /// Records that have left the source.
    emitted: AtomicU64,
    /// When the event is due that the source emits next, and one more; 0 while nobody knows.
    next_due: AtomicU64,
    /// CPU time of the worker's thread, as it was when somebody last asked, and whether somebody does.
    cpu: AtomicU64,
    cpu_is_asked: AtomicBool,
    /// Results of the remote side that were computed here too.
    pub verified: AtomicU64,
    /// When records were first handed to the remote side, and last; nothing if never.
    sent: Mutex<Option<Sent>>,
    /// Records a second of useful time, as the bits of an `f64`.
    true_rate: AtomicU64,
}

/// [`Counts`] that a worker adds to and anybody reads while it does.
#[derive(Debug, Default)]
struct Counters {
    by_path: [AtomicU64; Route::ALL.len()],
    bad: AtomicU64,
}

impl Counters {
    fn count(&self, path: Route, records: usize) {
        self.by_path[path as usize].fetch_add(records as u64, Relaxed);
    }

    fn bad(&self, records: usize) {
        self.bad.fetch_add(records as u64, Relaxed);
    }

    fn read(&self) -> Counts {
        let mut counts = Counts { bad: self.bad.load(Relaxed), ..Counts::default() };
        for (path, records) in Route::ALL.iter().zip(&self.by_path) {
            counts.count(*path, records.load(Relaxed));
        }
        counts
    }
}

#[derive(Debug, Default)]
struct Distributions {
    /// From schedule to result, by the path's number, over the whole run.
    by_path: [Latencies; Route::ALL.len()],
    /// Of what was scheduled during the burst.
    burst: Latencies,
    /// Since somebody last looked.
    recent: Latencies,
    /// What happened when, if somebody wants to know.
    flow: Option<TimeSlots<Flow>>,
    /// From schedule to commit.
    commit: Latencies,
}

/// From when to when records were handed to the remote side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The first ones.
    pub first: Nanos,
    /// The last ones.
    pub last: Nanos,
}

impl Sent {
    /// Both together.
    pub fn with(self, other: Sent) -> Sent {
        Sent { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

impl WorkerStats {
    /// Records were handed to the remote side at `now`.
    pub fn sent(&self, now: Nanos) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Sent { first: now, last: now };
        *sent = Some(sent.map_or(now, |sent| sent.with(now)));
    }

    /// Counts `records` results that were made by `path` at `now`, of records that were scheduled at
    /// `scheduled`, `in_burst` or not.
    pub fn results(
        &self,
        path: Route,
        scheduled: Span,
        records: usize,
        now: Nanos,
        in_burst: bool,
    ) {
        self.done.count(path, records);
        if let Some(deadline) = self.deadline {
            self.late.count(path, scheduled.late(now, deadline, records));
        }
        if let Some(tally) = &self.tally {
            tally.results(path, scheduled, records, now);
        }
        let mut distributions = self.lock();
        distributions.by_path[path as usize].record(scheduled, records, now);
        distributions.recent.record(scheduled, records, now);
        if in_burst {
            distributions.burst.record(scheduled, records, now);
        }
        if let Some(flow) = &mut distributions.flow {
            Flow::results(flow, path, scheduled, records, now);
        }
    }

    /// Counts records that were found to be bad at `now`.
    pub fn bad(&self, records: usize, now: Nanos) {
        self.done.bad(records);
        if let Some(flow) = &mut self.lock().flow {
            flow.at(now).bad(records);
        }
    }

    /// Counts records that the source found to be bad at `now`: they go no further.
    pub fn bad_at_source(&self, records: usize, now: Nanos) {
        self.emitted(records as u64);
        self.bad(records, now);
    }

    /// So many more records have left the source.
    pub fn emitted(&self, records: u64) {
        self.emitted.fetch_add(records, Relaxed);
    }

    /// The worker does so many records a second of useful time.
    pub fn true_rate(&self, records_per_second: f64) {
        self.true_rate.store(records_per_second.to_bits(), Relaxed);
    }

    /// Counts records whose epoch was committed at `now`.
    pub fn committed(&self, spans: impl Iterator<Item = (Span, usize)>, now: Nanos) {
        let mut distributions = self.lock();
        for (scheduled, records) in spans {
            distributions.commit.record(scheduled, records, now);
            if let Some(tally) = &self.tally {
                tally.committed(scheduled, records, now);
            }
        }
    }

    /// The source emits next what is due at `due`; nothing if there is nothing more, or no schedule.
    pub fn emits_next(&self, due: Option<Nanos>) {
        self.next_due.store(due.map_or(0, |due| due.saturating_add(1)), Relaxed);
    }

    /// Notes the CPU time of the worker's thread, if somebody has asked for it: else it costs a load.
    #[inline]
    pub fn note_cpu(&self, of_thread: impl FnOnce() -> Duration) {
        if self.cpu_is_asked.load(Relaxed) {
            self.cpu_is_asked.store(false, Relaxed);
            self.cpu.store(of_thread().as_nanos() as u64, Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Distributions> {
        // Numbers are whole whatever happened to the thread that held them.
        self.distributions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the process's workers hold, second by second.
#[derive(Debug)]
struct Backlog {
    now: AtomicUsize,
    /// Those of them that are with the remote side.
    in_flight: AtomicUsize,
    /// The largest sum in each second of the run.
    peaks: Mutex<Vec<u64>>,
    peak: AtomicUsize,
    /// The largest of all seconds that have ended.
    highest: AtomicUsize,
}

/// The figures of all workers of a process. Cheap to clone; the clones are one.
#[derive(Clone, Debug)]
pub struct ProcessStats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workers: Vec<Arc<WorkerStats>>,
    backlog: Backlog,
    /// How things stood, slot by slot.
    levels: Mutex<TimeSlots<Level>>,
    /// One past the last committed epoch, and when it was committed.
    committed: AtomicU64,
    last_commit: AtomicU64,
    /// The offered rate of the last epoch that is final, as the bits of an `f64`.
    offered: AtomicU64,
    /// The highest of all final epochs.
    offered_peak: AtomicU64,
}

impl ProcessStats {
    /// For `workers` workers; with a `series`, what they do is counted by slots of time too.
    pub fn new(workers: usize, series: bool) -> Self {
        ProcessStats::watched(workers, series, false, None)
    }

    /// The same; if it is `watched`, latencies are also counted for those who look while the run lasts
    /// ([`ProcessStats::tallied`]). Results that come more than `deadline` after their schedule are late.
    pub fn watched(
        workers: usize,
        series: bool,
        watched: bool,
        deadline: Option<Duration>,
    ) -> Self {
        let deadline = deadline.map(|deadline| deadline.as_nanos() as Nanos);
        let worker = |_| {
            let tally = watched.then(LiveCounters::default);
            let worker = WorkerStats { tally, deadline, ..WorkerStats::default() };
            worker.lock().flow = series.then(TimeSlots::default);
            Arc::new(worker)
        };
        ProcessStats(Arc::new(Inner {
            workers: (0..workers).map(worker).collect(),
            levels: Mutex::default(),
            backlog: Backlog {
                now: AtomicUsize::new(0),
                in_flight: AtomicUsize::new(0),
                peaks: Mutex::default(),
                peak: AtomicUsize::new(0),
                highest: AtomicUsize::new(0),
            },
            offered: AtomicU64::new(0),
            offered_peak: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            last_commit: AtomicU64::new(0),
        }))
    }

    /// A worker's own.
    pub fn worker(&self, index: usize) -> Arc<WorkerStats> {
        Arc::clone(&self.0.workers[index])
    }

    /// A worker holds `now` records where it held `before`.
    pub fn backlog_changed(&self, before: usize, now: usize) {
        if before == now {
            return;
        }
        let backlog = &self.0.backlog;
        let change = now.wrapping_sub(before);
        let sum = backlog.now.fetch_add(change, Relaxed).wrapping_add(change);
        if now > before {
            backlog.peak.fetch_max(sum, Relaxed);
        }
    }

    /// A worker's records that are with the remote side are `now` where they were `before`.
    pub fn in_flight_changed(&self, before: usize, now: usize) {
        if before != now {
            self.0.backlog.in_flight.fetch_add(now.wrapping_sub(before), Relaxed);
        }
    }

    /// Notes how things stand at `now`, at the end of a slot; `billed` are the requests and the
    /// microseconds that were billed until then.
    pub fn sample(&self, now: Nanos, billed: (u64, u64)) {
        let in_flight = self.0.backlog.in_flight.load(Relaxed) as u64;
        let rates = self.0.workers.iter().map(|worker| worker.true_rate.load(Relaxed));
        let level = Level {
            // Two counters that are not read at one instant.
            queued: (self.backlog() as u64).saturating_sub(in_flight),
            in_flight,
            backpressured_ns: self.backpressured(),
            billed_requests: billed.0,
            billed_us: billed.1,
            true_rate: rates.map(f64::from_bits).sum(),
            taken: true,
        };
        *self.levels().ending_at(now) = level;
    }

    /// How things stood, slot by slot. No worker waits for it.
    pub fn levels_so_far(&self) -> TimeSlots<Level> {
        self.levels().clone()
    }

    fn levels(&self) -> MutexGuard<'_, TimeSlots<Level>> {
        self.0.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records held now, queued and in flight.
    pub fn backlog(&self) -> usize {
        self.0.backlog.now.load(Relaxed)
    }

    /// Ends second `second` of the run: its peak is kept.
    pub fn end_second(&self, second: usize) {
        let backlog = &self.0.backlog;
        let peak = backlog.peak.swap(backlog.now.load(Relaxed), Relaxed);
        backlog.highest.fetch_max(peak, Relaxed);
        let peak = peak as u64;
        let mut peaks = backlog.peaks.lock().unwrap_or_else(PoisonError::into_inner);
        if peaks.len() <= second {
            peaks.resize(second + 1, 0);
        }
        peaks[second] = peaks[second].max(peak);
    }

    /// The peak of each second.
    pub fn peaks(&self) -> Vec<u64> {
        self.0.backlog.peaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All epochs before `epoch` are committed, since `now`.
    pub fn committed_before(&self, epoch: u64, now: Nanos) {
        self.0.committed.fetch_max(epoch, Relaxed);
        self.0.last_commit.fetch_max(now, Relaxed);
    }

    /// When the last epoch was committed.
    pub fn last_commit(&self) -> Nanos {
        self.0.last_commit.load(Relaxed)
    }

    /// One past the last committed epoch.
    pub fn committed(&self) -> u64 {
        self.0.committed.load(Relaxed)
    }

    /// The workers' sums.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.0.workers.iter().for_each(|worker| sum.add(&worker.done.read()));
        sum
    }

    /// The results among them that came later than they were due.
    pub fn late(&self) -> Counts {
        let mut sum = Counts::default();
        self.0.workers.iter().for_each(|worker| sum.add(&worker.late.read()));
        sum
    }

    /// Nanoseconds for which sources had to wait, summed over workers.
    pub fn backpressured(&self) -> Nanos {
        self.0.workers.iter().flat_map(|worker| worker.waits.waited()).sum()
    }

    /// An epoch is final: so many records a second were offered, over the whole dataflow.
    pub fn offered(&self, records_per_second: f64) {
        let bits = records_per_second.to_bits();
        self.0.offered.store(bits, Relaxed);
        // Of numbers that are not negative, the larger has the larger bits.
        self.0.offered_peak.fetch_max(bits, Relaxed);
    }

    /// The highest offered rate of all epochs that are final, in records a second; 0 if none is.
    pub fn offered_peak(&self) -> f64 {
        f64::from_bits(self.0.offered_peak.load(Relaxed))
    }

    /// What the workers have counted until now; latencies only if they are watched. No worker waits for
    /// it. Those that are awake will say what CPU time they have used.
    pub fn tallied(&self) -> LiveSnapshot {
        // What is late was counted as done before.
        let late = self.late();
        let counts = self.counts();
        let mut sum = LiveSnapshot { counts, late, ..LiveSnapshot::default() };
        for worker in &self.0.workers {
            worker.tally.iter().for_each(|tally| tally.add_to(&mut sum));
            for (sum, waited) in sum.waited.iter_mut().zip(worker.waits.waited()) {
                *sum += waited;
            }
            sum.emitted += worker.emitted.load(Relaxed);
            sum.useful_ns += worker.useful.load(Relaxed);
            sum.cpu_ns += worker.cpu.load(Relaxed);
            worker.cpu_is_asked.store(true, Relaxed);
            let due = worker.next_due.load(Relaxed).checked_sub(1);
            sum.next_due = sum.next_due.into_iter().chain(due).min();
            sum.true_rate += f64::from_bits(worker.true_rate.load(Relaxed));
        }
        let backlog = &self.0.backlog;
        sum.backlog = self.backlog() as u64;
        sum.in_flight = backlog.in_flight.load(Relaxed) as u64;
        sum.peak_backlog = backlog.highest.load(Relaxed).max(backlog.peak.load(Relaxed)) as u64;
        sum.committed = self.committed();
        let offered = f64::from_bits(self.0.offered.load(Relaxed));
        sum.offered_eps = (offered > 0.0).then_some(offered);
        sum
    }

    /// Results of the remote side that workers computed too.
    pub fn verified(&self) -> u64 {
        self.0.workers.iter().map(|worker| worker.verified.load(Relaxed)).sum()
    }

    /// The latencies since this was last called.
    pub fn take_recent(&self) -> Latencies {
        let mut sum = Latencies::default();
        for worker in &self.0.workers {
            // Exchanged under the lock, added outside of it: the worker must not wait for a sum.
            let mut recent = Latencies::default();
            std::mem::swap(&mut worker.lock().recent, &mut recent);
            sum.add(&recent);
        }
        sum
    }

    /// From when to when records were handed to the remote side, if they were.
    pub fn sent(&self) -> Option<Sent> {
        let sent =
            |worker: &Arc<WorkerStats>| *worker.sent.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.workers.iter().filter_map(sent).reduce(Sent::with)
    }

    /// Puts the latencies and what happened when into `report`.
    pub(super) fn report(&self, report: &mut Report) {
        report.by_path = vec![Latencies::default(); Route::ALL.len()];
        report.levels = self.levels().clone();
        for worker in &self.0.workers {
            let distributions = worker.lock();
            for (sum, path) in report.by_path.iter_mut().zip(&distributions.by_path) {
                sum.add(path);
            }
            report.burst.add(&distributions.burst);
            report.commit_latency.add(&distributions.commit);
            distributions.flow.iter().for_each(|flow| report.flow.add(flow));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(stats.tallied().on_time_since(&LiveSnapshot::default()).late, 1_500);
    }
}
