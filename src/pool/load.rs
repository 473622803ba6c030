//! What a pool holds, and how long it takes for a record.

use std::time::Duration;

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The work of a request. A longer one would delay the records behind it; a shorter one would cost more in requests.
const REQUEST: Duration = Duration::from_millis(20);

/// The number of records in the first request, before the time of a record is known.
const FIRST_REQUEST: usize = 16;

/// The requests that a process has at a time: one that it computes, and the next one.
const REQUESTS_EACH: usize = 2;

/// The counters of a pool. The workers and the thread that serves the processes share them.
#[derive(Debug)]
pub(super) struct Load {
    processes: usize,
    /// The highest number of records in a request.
    max_records: usize,
    /// Records that were handed over and are not answered.
    held: AtomicUsize,
    /// All workers, and those that have records for the pool.
    workers: AtomicUsize,
    active: AtomicUsize,
    /// Records that were computed, and the processes' time for them.
    computed: AtomicU64,
    busy_ns: AtomicU64,
    /// The time of a record at present. 0 while it is not known.
    record_ns: AtomicU64,
    /// Processes that were started in place of others.
    restarts: AtomicU64,
    is_closed: AtomicBool,
}

/// What the processes have done since the pool started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub records: u64,
    pub busy: Duration,
}

impl Load {
    pub(super) fn new(processes: usize, max_records: usize) -> Self {
        Load {
            processes: processes.max(1),
            max_records: max_records.max(1),
            held: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            computed: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            record_ns: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Returns the number of processes.
    pub(super) fn processes(&self) -> usize {
        self.processes
    }

    /// A process was started in place of another one.
    pub(super) fn restarted(&self) {
        self.restarts.fetch_add(1, Relaxed);
    }

    /// Returns the number of processes that were started in place of others.
    pub(super) fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// A worker joins.
    pub(super) fn join(&self) {
        self.workers.fetch_add(1, Relaxed);
    }

    /// Returns the number of workers, and at least 1.
    pub(super) fn workers(&self) -> usize {
        self.workers.load(Relaxed).max(1)
    }

    /// Returns the number of workers that have records for the pool, and at least 1.
    pub(super) fn active(&self) -> usize {
        self.active.load(Relaxed).max(1)
    }

    /// A worker begins or ends to have records for the pool.
    pub(super) fn set_active(&self, is_active: bool) {
        match is_active {
            true => self.active.fetch_add(1, Relaxed),
            false => self.active.fetch_sub(1, Relaxed),
        };
    }

    /// Records that were handed over.
    pub(super) fn took(&self, records: usize) {
        self.held.fetch_add(records, Relaxed);
    }

    /// Records that were answered.
    pub(super) fn answered(&self, records: usize) {
        self.held.fetch_sub(records, Relaxed);
    }

    /// Notes that a process computed `records` in `time`.
    pub(super) fn computed(&self, records: usize, time: Duration) {
        if records == 0 {
            return;
        }
        /// The weight of the last request.
        const RECENT: f64 = 0.3;
        let nanos = time.as_nanos() as u64;
        self.computed.fetch_add(records as u64, Relaxed);
        self.busy_ns.fetch_add(nanos, Relaxed);
        // One thread does this.
        let each = nanos as f64 / records as f64;
        let now = match self.record_ns.load(Relaxed) {
            0 => each,
            before => before as f64 + RECENT * (each - before as f64),
        };
        self.record_ns.store((now as u64).max(1), Relaxed);
    }

    pub(super) fn done(&self) -> Done {
        Done {
            records: self.computed.load(Relaxed),
            busy: Duration::from_nanos(self.busy_ns.load(Relaxed)),
        }
    }

    /// Returns the time that a process takes for a record. None while it is not known.
    pub(super) fn record_time(&self) -> Option<Duration> {
        let nanos = self.record_ns.load(Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// Returns how many records a request has.
    pub(super) fn request_records(&self) -> usize {
        let fit = |each: Duration| (REQUEST.as_nanos() / each.as_nanos().max(1)) as usize;
        self.record_time().map_or(FIRST_REQUEST, fit).clamp(1, self.max_records)
    }

    /// Returns how many records a worker may hand over that has handed over `own`: its share of what all processes
    /// hold, as far as the others leave it.
    pub(super) fn room(&self, own: usize) -> usize {
        if self.is_closed() {
            return 0;
        }
        let all = REQUESTS_EACH * self.processes * self.request_records();
        let share = all.div_ceil(self.active());
        share.saturating_sub(own).min(all.saturating_sub(self.held.load(Relaxed)))
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_active_worker_may_hand_over_its_share_of_two_requests_for_each_process() {
        let load = Load::new(2, 1_000);
        load.set_active(true);
        assert_eq!(load.room(0), 4 * FIRST_REQUEST);
        load.computed(100, Duration::from_millis(100));
        assert_eq!((load.request_records(), load.room(0)), (20, 80));
        load.set_active(true);
        assert_eq!(load.room(0), 40, "two workers have records");
        load.took(70);
        assert_eq!((load.room(30), load.room(40)), (10, 0), "the other one has 40");
        load.answered(70);
        load.close();
        assert_eq!(load.room(0), 0);
    }

    #[test]
    fn a_request_has_one_record_if_it_takes_long_and_never_more_than_the_batch() {
        let load = Load::new(1, 500);
        load.computed(1, Duration::from_secs(1));
        assert_eq!(load.request_records(), 1);
        (0..50).for_each(|_| load.computed(1_000, Duration::from_micros(1)));
        assert_eq!(load.request_records(), 500);
    }
}
