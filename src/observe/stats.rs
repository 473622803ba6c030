//! What the workers of a process count while they run.
//!
//! A worker adds to its own [`WorkerStats`] once a batch; others read. The only lock is taken for
//! an addition or for taking a copy out, never across work.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::Latencies;
use crate::batch::{Nanos, Span};

/// Records by where their final result was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// On the worker.
    pub local: u64,
    /// By another worker of the process.
    pub peer: u64,
    /// By the remote side.
    pub remote: u64,
    /// On the worker, after they were sent away.
    pub home: u64,
    /// Bad.
    pub bad: u64,
}

impl Counts {
    /// Adds all of `other`.
    pub fn add(&mut self, other: &Counts) {
        let Counts { local, peer, remote, home, bad } = other;
        self.local += local;
        self.peer += peer;
        self.remote += remote;
        self.home += home;
        self.bad += bad;
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
    figures: Mutex<Figures>,
    /// Nanoseconds for which the source had records and had to wait.
    pub backpressured: AtomicU64,
    /// Results of the remote side that were computed here too.
    pub verified: AtomicU64,
}

#[derive(Debug, Default)]
struct Figures {
    counts: Counts,
    /// From schedule to result, over the whole run and since somebody last looked.
    latency: Latencies,
    recent: Latencies,
    /// From schedule to commit.
    commit: Latencies,
}

impl WorkerStats {
    /// Counts results.
    pub fn results(
        &self,
        add: impl FnOnce(&mut Counts),
        scheduled: Span,
        records: usize,
        now: Nanos,
    ) {
        let mut figures = self.lock();
        add(&mut figures.counts);
        figures.latency.record(scheduled, records, now);
        figures.recent.record(scheduled, records, now);
    }

    /// Counts records that are done without a result.
    pub fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.lock().counts);
    }

    /// Counts records whose epoch was committed at `now`.
    pub fn committed(&self, spans: impl Iterator<Item = (Span, usize)>, now: Nanos) {
        let mut figures = self.lock();
        for (scheduled, records) in spans {
            figures.commit.record(scheduled, records, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        // Numbers are whole whatever happened to the thread that held them.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the process's workers hold, second by second.
#[derive(Debug)]
struct Backlog {
    now: AtomicUsize,
    /// The largest sum in each second of the run.
    peaks: Mutex<Vec<u64>>,
    peak: AtomicUsize,
}

/// The figures of all workers of a process. Cheap to clone; the clones are one.
#[derive(Clone, Debug)]
pub struct ProcessStats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    workers: Vec<Arc<WorkerStats>>,
    backlog: Backlog,
    /// One past the last committed epoch, and when it was committed.
    committed: AtomicU64,
    last_commit: AtomicU64,
}

impl ProcessStats {
    /// For `workers` workers.
    pub fn new(workers: usize) -> Self {
        ProcessStats(Arc::new(Inner {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            backlog: Backlog {
                now: AtomicUsize::new(0),
                peaks: Mutex::default(),
                peak: AtomicUsize::new(0),
            },
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

    /// Records held now, queued and in flight.
    pub fn backlog(&self) -> usize {
        self.0.backlog.now.load(Relaxed)
    }

    /// Ends second `second` of the run: its peak is kept.
    pub fn end_second(&self, second: usize) {
        let backlog = &self.0.backlog;
        let peak = backlog.peak.swap(backlog.now.load(Relaxed), Relaxed) as u64;
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
        self.0.workers.iter().for_each(|worker| sum.add(&worker.lock().counts));
        sum
    }

    /// Nanoseconds for which sources had to wait, summed over workers.
    pub fn backpressured(&self) -> Nanos {
        self.0.workers.iter().map(|worker| worker.backpressured.load(Relaxed)).sum()
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

    /// The latencies of the whole run: to the result, and to the commit.
    pub fn latencies(&self) -> (Latencies, Latencies) {
        let mut sums = (Latencies::default(), Latencies::default());
        for worker in &self.0.workers {
            let figures = worker.lock();
            sums.0.add(&figures.latency);
            sums.1.add(&figures.commit);
        }
        sums
    }
}
