//! What a worker counts while it runs.
//!
//! A worker adds to its own [`WorkerStats`] once per batch, and other threads read them. The only lock is held for an
//! addition or to take a copy, never across work.

use std::sync::PoisonError;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::RouteCounters;
use super::live_histograms::LiveHistograms;
use super::series::Flow;
use super::{Counts, Latencies, LiveSnapshot, Report, TimeSlots, WaitTimer};
use crate::batch::{Nanos, Span};
use crate::policy::Route;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard};

/// The figures of one worker.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// The deadline, from the schedule to the result. Without one no result is late.
    deadline: Option<Nanos>,
    /// The number of records that are done, and of late results among them.
    done: RouteCounters,
    late: RouteCounters,
    distributions: Mutex<Distributions>,
    /// Latencies for those who read them during the run, if anybody may.
    histograms: Option<LiveHistograms>,
    /// The time for which the source had records and had to wait.
    pub waits: WaitTimer,
    /// The time in the task, in nanoseconds.
    pub useful: AtomicU64,
    /// The number of records that have left the source.
    emitted: AtomicU64,
    /// One more than the due time of the event that the source emits next. 0 while it is not known.
    next_due: AtomicU64,
    /// The time of the schedule up to which the source has emitted. 0 if there is no schedule.
    reached_due: AtomicU64,
    /// The CPU time of the worker's thread, as of the last request for it, and whether it is requested.
    cpu: AtomicU64,
    cpu_is_requested: AtomicBool,
    /// The number of remote results that the worker computed too.
    pub verified: AtomicU64,
    /// When records were first and last handed to the remote side. None if they never were.
    sent: Mutex<Option<Sent>>,
    /// Records per second of useful time, as the bits of an `f64`.
    true_rate: AtomicU64,
}

#[derive(Debug, Default)]
struct Distributions {
    /// Latencies from schedule to result over the whole run, by the number of the route.
    by_route: [Latencies; Route::ALL.len()],
    /// Latencies of the records that were scheduled during a burst.
    burst: Latencies,
    /// Latencies since the last call of [`WorkerStats::take_recent`].
    recent: Latencies,
    /// What happened in each slot of time, if a series is written.
    flow: Option<TimeSlots<Flow>>,
    /// Latencies from schedule to commit.
    commit: Latencies,
}

/// When records were first and last handed to the remote side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The first time.
    pub first: Nanos,
    /// The last time.
    pub last: Nanos,
}

impl Sent {
    /// Returns the earlier first time and the later last time of the two.
    pub fn with(self, other: Sent) -> Sent {
        Sent { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

impl WorkerStats {
    /// Creates the figures of a worker, whose results are late `deadline` after their schedule. Latencies can be read
    /// during the run if it `is_live`, and slots of time are counted if it `has_series`.
    pub(super) fn new(deadline: Option<Nanos>, is_live: bool, has_series: bool) -> Self {
        let flow = has_series.then(TimeSlots::default);
        WorkerStats {
            deadline,
            histograms: is_live.then(LiveHistograms::default),
            distributions: Mutex::new(Distributions { flow, ..Distributions::default() }),
            ..WorkerStats::default()
        }
    }

    /// Notes that records were handed to the remote side at `now`.
    pub fn sent(&self, now: Nanos) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Sent { first: now, last: now };
        *sent = Some(sent.map_or(now, |sent| sent.with(now)));
    }

    /// Counts `records` results that were made by `route` at `now`, of records that were scheduled at `scheduled`,
    /// `in_burst` or not.
    pub fn results(
        &self,
        route: Route,
        scheduled: Span,
        records: usize,
        now: Nanos,
        in_burst: bool,
    ) {
        self.done.count(route, records);
        if let Some(deadline) = self.deadline {
            self.late.count(route, scheduled.late(now, deadline, records));
        }
        if let Some(histograms) = &self.histograms {
            histograms.results(route, scheduled, records, now);
        }
        let mut distributions = self.lock();
        distributions.by_route[route as usize].record(scheduled, records, now);
        distributions.recent.record(scheduled, records, now);
        if in_burst {
            distributions.burst.record(scheduled, records, now);
        }
        if let Some(flow) = &mut distributions.flow {
            Flow::results(flow, route, scheduled, records, now);
        }
    }

    /// Counts records that were found to be bad at `now`.
    pub fn bad(&self, records: usize, now: Nanos) {
        self.done.bad(records);
        if let Some(flow) = &mut self.lock().flow {
            flow.at(now).bad(records);
        }
    }

    /// Counts records that the source found to be bad at `now`. They go no further.
    pub fn bad_at_source(&self, records: usize, now: Nanos) {
        self.emitted(records as u64);
        self.bad(records, now);
    }

    /// Counts records that have left the source.
    pub fn emitted(&self, records: u64) {
        self.emitted.fetch_add(records, Relaxed);
    }

    /// Returns the number of records that have left the source, with bad ones.
    pub(super) fn emitted_so_far(&self) -> u64 {
        self.emitted.load(Relaxed)
    }

    /// Notes that the source has emitted the events that were due until `due`.
    pub fn reached_due(&self, due: Nanos) {
        self.reached_due.fetch_max(due, Relaxed);
    }

    /// Returns the time of the schedule up to which the source has emitted. None if there is no schedule.
    pub(super) fn reached(&self) -> Option<Nanos> {
        Some(self.reached_due.load(Relaxed)).filter(|due| *due > 0)
    }

    /// Notes how many records the worker does per second of useful time.
    pub fn true_rate(&self, records_per_second: f64) {
        self.true_rate.store(records_per_second.to_bits(), Relaxed);
    }

    /// Counts records whose epoch was committed at `now`.
    pub fn committed(&self, spans: impl Iterator<Item = (Span, usize)>, now: Nanos) {
        let mut distributions = self.lock();
        for (scheduled, records) in spans {
            distributions.commit.record(scheduled, records, now);
            if let Some(histograms) = &self.histograms {
                histograms.committed(scheduled, records, now);
            }
        }
    }

    /// Notes when the event is due that the source emits next. None if there is no such event, or no schedule.
    pub fn emits_next(&self, due: Option<Nanos>) {
        self.next_due.store(due.map_or(0, |due| due.saturating_add(1)), Relaxed);
    }

    /// Notes the CPU time of the worker's thread if it was requested. Otherwise this costs one load.
    #[inline]
    pub fn note_cpu(&self, of_thread: impl FnOnce() -> Duration) {
        if self.cpu_is_requested.load(Relaxed) {
            self.cpu_is_requested.store(false, Relaxed);
            self.cpu.store(of_thread().as_nanos() as u64, Relaxed);
        }
    }

    /// Returns the number of records that are done.
    pub(super) fn counts(&self) -> Counts {
        self.done.read()
    }

    /// Returns the number of late results.
    pub(super) fn late(&self) -> Counts {
        self.late.read()
    }

    /// Returns the last true rate, in records per second. 0 if there is none.
    pub(super) fn last_true_rate(&self) -> f64 {
        f64::from_bits(self.true_rate.load(Relaxed))
    }

    /// Returns when records were first and last handed to the remote side.
    pub(super) fn when_sent(&self) -> Option<Sent> {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds everything but the counts to `sum`, and requests the CPU time of the thread for the next call.
    pub(super) fn add_to(&self, sum: &mut LiveSnapshot) {
        if let Some(histograms) = &self.histograms {
            histograms.add_to(sum);
        }
        for (sum, waited) in sum.waited.iter_mut().zip(self.waits.waited()) {
            *sum += waited;
        }
        sum.emitted += self.emitted.load(Relaxed);
        sum.useful_ns += self.useful.load(Relaxed);
        sum.cpu_ns += self.cpu.load(Relaxed);
        self.cpu_is_requested.store(true, Relaxed);
        let due = self.next_due.load(Relaxed).checked_sub(1);
        sum.next_due = sum.next_due.into_iter().chain(due).min();
        sum.reached_due = sum.reached_due.max(self.reached());
        sum.true_rate += self.last_true_rate();
    }

    /// Returns the latencies since the last call.
    pub(super) fn take_recent(&self) -> Latencies {
        let mut recent = Latencies::default();
        // Nothing is allocated under the lock.
        std::mem::swap(&mut self.lock().recent, &mut recent);
        recent
    }

    /// Adds the latencies and the slots of time to `report`.
    pub(super) fn report(&self, report: &mut Report) {
        let distributions = self.lock();
        for (sum, latencies) in report.by_route.iter_mut().zip(&distributions.by_route) {
            sum.add(latencies);
        }
        report.burst.add(&distributions.burst);
        report.commit_latency.add(&distributions.commit);
        distributions.flow.iter().for_each(|flow| report.flow.add(flow));
    }

    fn lock(&self) -> MutexGuard<'_, Distributions> {
        // The numbers are valid whatever happened to the thread that held the lock.
        self.distributions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
