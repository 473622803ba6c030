//! The load of a worker, as the bridge sees it.

use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a worker reports from time to time: how long its waiting records take, and how long one record takes.
#[derive(Debug)]
pub struct LocalLoad {
    backlog_ns: AtomicU64,
    record_ns: AtomicU64,
}

/// Value while the worker has not computed a record.
const UNKNOWN: u64 = u64::MAX;

/// Value for a worker that leaves its records to the remote side: it is never sooner.
const NEVER: u64 = u64::MAX - 1;

impl Default for LocalLoad {
    fn default() -> Self {
        LocalLoad { backlog_ns: AtomicU64::new(0), record_ns: AtomicU64::new(UNKNOWN) }
    }
}

impl LocalLoad {
    /// Sets the load: `waiting` records, at `records_per_second` if that is known.
    pub fn set(&self, waiting: usize, records_per_second: Option<f64>) {
        if let Some(rate) = records_per_second.filter(|rate| *rate > 0.0) {
            let record_ns = (1e9 / rate).max(1.0);
            self.record_ns.store(record_ns as u64, Relaxed);
            self.backlog_ns.store((waiting as f64 * record_ns) as u64, Relaxed);
        }
    }

    /// Sets that the worker leaves its records to the remote side as long as they can be sent.
    pub fn set_remote_only(&self) {
        self.record_ns.store(NEVER, Relaxed);
    }

    /// Returns whether the worker leaves its records to the remote side.
    pub(crate) fn is_remote_only(&self) -> bool {
        self.record_ns.load(Relaxed) == NEVER
    }

    /// Returns when the worker would have computed `records` more records.
    pub(crate) fn time_for(&self, records: usize) -> Option<Duration> {
        let record_ns = Some(self.record_ns.load(Relaxed)).filter(|ns| *ns != UNKNOWN)?;
        let more = record_ns.saturating_mul(records as u64);
        Some(Duration::from_nanos(self.backlog_ns.load(Relaxed).saturating_add(more)))
    }
}
