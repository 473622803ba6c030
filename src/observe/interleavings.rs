//! What workers count while others read it, under many schedules of their threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Instant;

use super::counts::RouteCounters;
use super::{AtomicHistogram, ProcessStats, WaitReason, WaitTimer};
use crate::batch::Span;
use crate::policy::Route;
use crate::sync::schedules::{MANY, explore, thread};

/// For histograms, which take longer: the one that is read has some 900 counters, and each is a point at which
/// another thread may continue.
const FEW: usize = MANY / 20;

#[test]
fn a_reader_of_a_histogram_sees_no_more_than_was_counted_and_at_the_end_all() {
    explore(FEW, || {
        let histogram = Arc::new(AtomicHistogram::default());
        let counted = Arc::new(AtomicU64::new(0));
        let writers = [0, 1].map(|_| {
            let (histogram, counted) = (Arc::clone(&histogram), Arc::clone(&counted));
            thread::spawn(move || {
                for (records, us) in [(2, 2), (3, 5)] {
                    counted.fetch_add(records, SeqCst);
                    histogram.record(Span::at(0), records as usize, us * 1_000);
                }
            })
        });
        let read = histogram.read().len();
        assert!(read <= counted.load(SeqCst), "{read}");
        writers.into_iter().for_each(|thread| thread.join().unwrap());
        let all = histogram.read();
        assert_eq!((all.len(), (all.sum_seconds() * 1e6).round()), (10, 38.0));
    });
}

#[test]
fn whoever_reads_a_count_sees_what_was_counted_before_it() {
    explore(MANY, || {
        let counters: Arc<[RouteCounters; 2]> = Arc::default();
        let worker = Arc::clone(&counters);
        thread::spawn(move || {
            for _ in 0..3 {
                worker.iter().for_each(|counters| counters.count(Route::Local, 1));
            }
        });
        let [later, before] = [1, 0].map(|at| counters[at].read().local);
        assert!(later <= before, "{later} {before}");
    });
}

#[test]
#[cfg_attr(miri, ignore = "histograms take minutes")]
fn results_are_late_only_if_they_are_counted_and_every_latency_is_taken_once() {
    explore(FEW, || {
        let stats = ProcessStats::watched(2, false, false, Some(std::time::Duration::ZERO));
        let workers = [0, 1].map(|worker| {
            let stats = stats.worker(worker);
            thread::spawn(move || {
                for route in [Route::Local, Route::Hedged] {
                    stats.results(route, Span::at(0), 3, 1_000, false);
                }
            })
        });
        let mut taken = 0;
        for _ in 0..2 {
            let snapshot = stats.snapshot();
            assert!(snapshot.late.results() <= snapshot.counts.results());
            assert!(snapshot.counts.hedged <= snapshot.counts.remote);
            taken += stats.take_recent().len();
        }
        workers.into_iter().for_each(|thread| thread.join().unwrap());
        let counts = stats.counts();
        assert_eq!((counts.local, counts.remote, stats.late()), (6, 6, counts));
        assert_eq!(taken + stats.take_recent().len(), 12);
    });
}

#[test]
fn the_backlog_of_all_workers_is_their_sum_and_a_second_begins_with_what_they_hold() {
    explore(MANY, || {
        let stats = ProcessStats::new(0, false);
        let workers = [0, 1].map(|_| {
            let stats = stats.clone();
            thread::spawn(move || {
                for (before, now) in [(0, 5), (5, 2), (2, 4)] {
                    stats.backlog_changed(before, now);
                }
            })
        });
        stats.end_second(0);
        workers.into_iter().for_each(|thread| thread.join().unwrap());
        stats.end_second(1);
        let peaks = stats.peaks();
        assert_eq!(stats.backlog(), 8);
        assert!(peaks[1] >= 8 && peaks.iter().all(|peak| *peak <= 10), "{peaks:?}");
        assert!((8..=10).contains(&stats.snapshot().peak_backlog));
    });
}

#[test]
fn a_wait_that_is_read_never_decreases_and_is_never_longer_than_it_was() {
    explore(MANY, || {
        let waits = Arc::new(WaitTimer::default());
        let source = {
            let waits = Arc::clone(&waits);
            thread::spawn(move || {
                let began = Instant::now();
                waits.begin(WaitReason::Backlog);
                waits.end();
                let backlog = began.elapsed();
                let began = Instant::now();
                waits.begin(WaitReason::Writer);
                waits.begin(WaitReason::Commit);
                let writer = began.elapsed();
                waits.end();
                [backlog, writer, began.elapsed()].map(|time| time.as_nanos() as u64)
            })
        };
        let mut before = waits.waited();
        for _ in 0..2 {
            let now = waits.waited();
            assert!(now.iter().zip(before).all(|(now, before)| *now >= before));
            before = now;
        }
        let most = source.join().unwrap();
        let all = waits.waited();
        assert!(all.iter().zip(most).all(|(waited, most)| *waited <= most), "{all:?} {most:?}");
        assert!(all.iter().all(|waited| *waited > 0));
        assert_eq!(waits.waited(), all);
    });
}
