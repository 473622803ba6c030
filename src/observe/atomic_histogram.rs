//! Latencies that a worker counts and anybody reads while it does, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::latency;
use crate::batch::{Nanos, Span};

/// A histogram of latencies, from a microsecond to a day, whose rungs are counters: of a microsecond
/// each up to 10, then 90 for each decade, so that a rung is a tenth to a hundredth of its latency
/// wide, and every round number of a decade is where one ends. 7 KB.
#[derive(Debug)]
pub struct AtomicHistogram {
    buckets: Box<[AtomicU64]>,
    /// Of all latencies, in microseconds.
    sum_us: AtomicU64,
}

/// What a [`AtomicHistogram`] had counted at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    buckets: Box<[u64]>,
    sum_us: u64,
}

/// Of a microsecond each.
const FINEST_US: usize = 10;
const BUCKETS_PER_DECADE: usize = 90;
/// From 10 µs on, to above a day.
const DECADES: usize = 10;
const BUCKETS: usize = FINEST_US + BUCKETS_PER_DECADE * DECADES;
const DAY_US: u64 = 24 * 3_600 * 1_000_000;

const POWERS: [u64; DECADES] = {
    let mut powers = [1; DECADES];
    let mut at = 1;
    while at < DECADES {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// The rung that a latency is on.
fn bucket(us: u64) -> usize {
    let us = us.min(DAY_US);
    match us.checked_ilog10() {
        None | Some(0) => us as usize,
        Some(tens) => {
            let decade = tens as usize - 1;
            decade * BUCKETS_PER_DECADE + (us / POWERS[decade]) as usize
        }
    }
}

/// The least latency of a rung, in microseconds.
fn bucket_start(bucket: usize) -> u64 {
    match bucket.checked_sub(FINEST_US) {
        None => bucket as u64,
        Some(above) => {
            (above % BUCKETS_PER_DECADE + FINEST_US) as u64 * POWERS[above / BUCKETS_PER_DECADE]
        }
    }
}

/// What is said for a rung: its middle.
fn bucket_middle_ms(bucket: usize) -> f64 {
    let end = if bucket + 1 < BUCKETS { bucket_start(bucket + 1) } else { bucket_start(bucket) };
    (bucket_start(bucket) + end) as f64 / 2e3
}

impl Default for AtomicHistogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        AtomicHistogram { buckets, sum_us: AtomicU64::new(0) }
    }
}

impl AtomicHistogram {
    /// Counts `records` that were scheduled evenly over `scheduled` and are done at `now`.
    pub(super) fn record(&self, scheduled: Span, records: usize, now: Nanos) {
        latency::each(scheduled, records, now, |us, records| {
            self.buckets[bucket(us)].fetch_add(records, Relaxed);
            self.sum_us.fetch_add(us.min(DAY_US) * records, Relaxed);
        });
    }

    /// What was counted until now.
    pub fn read(&self) -> HistogramSnapshot {
        let buckets = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        HistogramSnapshot { buckets, sum_us: self.sum_us.load(Relaxed) }
    }
}

impl Default for HistogramSnapshot {
    fn default() -> Self {
        HistogramSnapshot { buckets: vec![0; BUCKETS].into(), sum_us: 0 }
    }
}

impl HistogramSnapshot {
    /// Adds what another one has.
    pub fn add(&mut self, other: &HistogramSnapshot) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.sum_us += other.sum_us;
    }

    /// How many were counted.
    pub fn len(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Whether none was counted.
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(|records| *records == 0)
    }

    /// The sum of all latencies, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// How many there are between each two of `ends`, which rise, and after the last: those of less
    /// than the first, and so on. In microseconds.
    pub fn between(&self, ends_us: &[u64]) -> Vec<u64> {
        let mut counts = vec![0; ends_us.len() + 1];
        let mut at = 0;
        for (bucket, records) in self.buckets.iter().enumerate() {
            while at < ends_us.len() && bucket_start(bucket) >= ends_us[at] {
                at += 1;
            }
            counts[at] += records;
        }
        counts
    }

    /// The rungs that were counted on: their numbers, and how many more than `before`.
    pub fn since(&self, before: &HistogramSnapshot) -> Vec<(u16, u64)> {
        let both = self.buckets.iter().zip(&before.buckets).enumerate();
        both.filter(|(_, (now, before))| now > before)
            .map(|(bucket, (now, before))| (bucket as u16, now - before))
            .collect()
    }

    /// Middles of the rungs that were counted on, in milliseconds, and how many.
    pub fn latencies(&self) -> impl Iterator<Item = (f64, u64)> {
        let counted = self.buckets.iter().enumerate().filter(|(_, records)| **records > 0);
        counted.map(|(bucket, records)| (bucket_middle_ms(bucket), *records))
    }
}

/// The latency in milliseconds that `quantile` of what [`HistogramSnapshot::since`] says did not exceed, to within
/// a twentieth; nothing of none.
pub fn quantile_ms(buckets: &[(u16, u64)], quantile: f64) -> Option<f64> {
    let all: u64 = buckets.iter().map(|(_, records)| records).sum();
    let wanted = ((all as f64 * quantile).ceil() as u64).max(1);
    let mut seen = 0;
    buckets.iter().find_map(|(bucket, records)| {
        seen += records;
        (seen >= wanted).then(|| bucket_middle_ms(usize::from(*bucket)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_on_the_rung_that_begins_at_or_below_it() {
        for us in (0..3_000).chain((4..37).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits])) {
            let on = bucket(us);
            let us = us.min(DAY_US);
            assert!(bucket_start(on) <= us && us < bucket_start(on + 1), "{us} is on {on}");
            let width = bucket_start(on + 1) - bucket_start(on);
            assert!(width == 1 || width * 10 <= us, "{us}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
        for round in [1, 10, 250, 1_000, 2_500, 50_000, 10_000_000] {
            assert_eq!(bucket_start(bucket(round)), round);
        }
    }

    #[test]
    fn what_was_counted_is_read_between_any_round_latencies() {
        let ladder = AtomicHistogram::default();
        let before = ladder.read();
        // A thousand records of 100 ms, all done at 200 ms: 100 to 200 ms late.
        ladder.record(Span { first: 0, last: 100_000_000 }, 1_000, 200_000_000);
        let after = ladder.read();
        assert_eq!((after.len(), before.is_empty()), (1_000, true));
        assert!((149.0..151.0).contains(&after.sum_seconds()));
        let counts = after.between(&[1_000, 100_000, 150_000, 250_000]);
        assert_eq!((counts[0], counts[1], counts[4]), (0, 0, 0));
        assert!((450..=550).contains(&counts[2]) && counts[2] + counts[3] == 1_000, "{counts:?}");
        let since = after.since(&before);
        let median = quantile_ms(&since, 0.5).unwrap();
        assert!((140.0..160.0).contains(&median), "{median}");
        assert_eq!(quantile_ms(&after.since(&after), 0.5), None);
        assert_eq!(after.latencies().map(|(_, records)| records).sum::<u64>(), 1_000);
    }
}
