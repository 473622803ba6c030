//! The counters of the local Lambda.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::process_stats;

/// A snapshot of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of requests for an invocation.
    pub requests: u64,
    /// The number of throttled requests.
    pub throttled: u64,
    /// The number of invocations that the model made fail.
    pub failed: u64,
    /// The number of environments that were started.
    pub cold_starts: u64,
    /// The highest number of environments at a time.
    pub environments: u64,
    /// The billed time, in whole milliseconds as the service bills it.
    pub billed: Duration,
    /// The CPU time of the server's threads.
    pub cpu: Duration,
}

/// The counters while the server runs.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub requests: AtomicU64,
    pub throttled: AtomicU64,
    pub failed: AtomicU64,
    pub cold_starts: AtomicU64,
    pub environments: AtomicU64,
    pub billed_ms: AtomicU64,
    /// The CPU time of each thread, in nanoseconds.
    pub cpu: Vec<AtomicU64>,
}

impl Live {
    pub(super) fn new(threads: usize) -> Self {
        Live { cpu: (0..threads).map(|_| AtomicU64::new(0)).collect(), ..Live::default() }
    }

    /// Sets the CPU time of the calling thread, which has the number `thread`.
    pub(super) fn note_cpu(&self, thread: usize) {
        self.cpu[thread].store(process_stats::thread_cpu().as_nanos() as u64, Relaxed);
    }

    pub(super) fn snapshot(&self) -> Stats {
        Stats {
            requests: self.requests.load(Relaxed),
            throttled: self.throttled.load(Relaxed),
            failed: self.failed.load(Relaxed),
            cold_starts: self.cold_starts.load(Relaxed),
            environments: self.environments.load(Relaxed),
            billed: Duration::from_millis(self.billed_ms.load(Relaxed)),
            cpu: Duration::from_nanos(self.cpu.iter().map(|cpu| cpu.load(Relaxed)).sum()),
        }
    }
}
