//! Latencies that workers count and other threads read during the run, without a lock, so that a worker never waits for
//! a reader.

use super::waits::WaitTimes;
use super::{AtomicHistogram, Counts, HistogramSnapshot, OnTime, Report};
use crate::batch::{Nanos, Span};
use crate::policy::Route;

/// The latencies of one worker.
#[derive(Debug, Default)]
pub(super) struct LiveHistograms {
    /// Latencies from schedule to result, by route.
    by_route: [AtomicHistogram; Route::ALL.len()],
    /// Latencies from schedule to commit.
    commit: AtomicHistogram,
}

impl LiveHistograms {
    pub(super) fn results(&self, route: Route, scheduled: Span, records: usize, now: Nanos) {
        self.by_route[route as usize].record(scheduled, records, now);
    }

    pub(super) fn committed(&self, scheduled: Span, records: usize, now: Nanos) {
        self.commit.record(scheduled, records, now);
    }

    pub(super) fn add_to(&self, sum: &mut LiveSnapshot) {
        for (sum, histogram) in sum.by_route.iter_mut().zip(&self.by_route) {
            sum.add(&histogram.read());
        }
        sum.commit.add(&self.commit.read());
    }
}

/// What the workers of a process have counted until now.
#[derive(Clone, Debug)]
pub struct LiveSnapshot {
    /// The number of records, by the route of their final result.
    pub counts: Counts,
    /// The number of late results among them.
    pub late: Counts,
    /// Latencies from schedule to result, by route.
    pub by_route: Vec<HistogramSnapshot>,
    /// Latencies from schedule to commit.
    pub commit: HistogramSnapshot,
    /// The number of records that have left the sources.
    pub emitted: u64,
    /// The time that sources have waited, by reason, summed over workers.
    pub waited: WaitTimes,
    /// Time in the task, summed over workers.
    pub useful_ns: u64,
    /// CPU time of the workers' threads.
    pub cpu_ns: u64,
    /// The due time of the next event, of the source that is furthest behind.
    pub next_due: Option<Nanos>,
    /// The time of the schedule up to which the sources have emitted. None if there is no schedule.
    pub reached_due: Option<Nanos>,
    /// The true rate in records a second, summed over workers. 0 while they did none.
    pub true_rate: f64,
    /// The number of records that are queued or in flight.
    pub backlog: u64,
    /// The number of records in flight.
    pub in_flight: u64,
    /// The highest backlog.
    pub peak_backlog: u64,
    /// One past the last committed epoch.
    pub committed: u64,
    /// The offered rate of the last complete epoch, over the whole dataflow.
    pub offered_eps: Option<f64>,
}

impl Default for LiveSnapshot {
    fn default() -> Self {
        LiveSnapshot {
            counts: Counts::default(),
            late: Counts::default(),
            by_route: vec![HistogramSnapshot::default(); Route::ALL.len()],
            commit: HistogramSnapshot::default(),
            emitted: 0,
            waited: WaitTimes::default(),
            useful_ns: 0,
            cpu_ns: 0,
            next_due: None,
            reached_due: None,
            true_rate: 0.0,
            backlog: 0,
            in_flight: 0,
            peak_backlog: 0,
            committed: 0,
            offered_eps: None,
        }
    }
}

impl LiveSnapshot {
    /// Returns the results since `before`, and how many of them were late.
    pub fn on_time_since(&self, before: &LiveSnapshot) -> OnTime {
        OnTime {
            results: self.counts.since(&before.counts).results(),
            late: self.late.since(&before.late).results(),
        }
    }

    /// Returns latencies from schedule to result, over all routes.
    pub fn latency(&self) -> HistogramSnapshot {
        let mut sum = HistogramSnapshot::default();
        self.by_route.iter().for_each(|route| sum.add(route));
        sum
    }

    /// Returns a report, as far as it is known. Latencies are exact to within a twentieth.
    pub fn report(&self, workers: usize) -> Report {
        let mut report = Report {
            processes: 1,
            workers,
            counts: self.counts,
            late: self.late,
            backlog_peaks: vec![self.peak_backlog],
            backpressured_ns: self.waited.iter().sum(),
            committed: self.committed,
            ..Report::default()
        };
        for route in &self.by_route {
            let mut latencies = super::Latencies::default();
            route.latencies().for_each(|(ms, records)| latencies.count_ms(ms, records));
            report.by_route.push(latencies);
        }
        let commit = self.commit.latencies();
        commit.for_each(|(ms, records)| report.commit_latency.count_ms(ms, records));
        report
    }
}
