//! What the local Lambda counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::process_stats;

/// Its counters at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that asked for an invocation.
    pub requests: u64,
    /// Those that were throttled.
    pub throttled: u64,
    /// Invocations that were made to fail.
    pub failed: u64,
    /// Environments that were started.
    pub cold_starts: u64,
    /// The most environments at once.
    pub environments: u64,
    /// Billed time, by whole milliseconds as the service bills.
    pub billed: Duration,
    /// CPU time of its threads.
    pub cpu: Duration,
}

/// The same, while they count.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub requests: AtomicU64,
    pub throttled: AtomicU64,
    pub failed: AtomicU64,
    pub cold_starts: AtomicU64,
    pub environments: AtomicU64,
    pub billed_ms: AtomicU64,
    /// By thread, in nanoseconds.
    pub cpu: Vec<AtomicU64>,
}

impl Live {
    pub(super) fn new(threads: usize) -> Self {
        Live { cpu: (0..threads).map(|_| AtomicU64::new(0)).collect(), ..Live::default() }
    }

    /// Notes the CPU time of the calling thread, which is number `thread`.
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
