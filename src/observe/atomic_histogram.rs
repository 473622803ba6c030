//! A histogram of latencies that one worker counts and other threads read at the same time, without a lock.

use super::latency::{self, DAY_US};
use crate::batch::{Nanos, Span};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A histogram of latencies from a microsecond to a day. The first ten buckets are one microsecond wide. Above, each
/// decade has 90 buckets. So the width of a bucket is between a tenth and a hundredth of its latency, and every round
/// number of a decade is the end of a bucket. A histogram takes 7 KB.
#[derive(Debug)]
pub struct AtomicHistogram {
    buckets: Box<[AtomicU64]>,
    /// The sum of all latencies, in microseconds.
    sum_us: AtomicU64,
}

/// The counts of an [`AtomicHistogram`] at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    buckets: Box<[u64]>,
    sum_us: u64,
}

/// The number of buckets of one microsecond each.
const FINEST_US: usize = 10;
const BUCKETS_PER_DECADE: usize = 90;
/// The number of decades from 10 µs to above a day.
const DECADES: usize = 10;
const BUCKETS: usize = FINEST_US + BUCKETS_PER_DECADE * DECADES;

const POWERS: [u64; DECADES] = {
    let mut powers = [1; DECADES];
    let mut at = 1;
    while at < DECADES {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Returns the bucket of a latency.
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

/// Returns the lowest latency of a bucket, in microseconds.
fn bucket_start(bucket: usize) -> u64 {
    match bucket.checked_sub(FINEST_US) {
        None => bucket as u64,
        Some(above) => {
            (above % BUCKETS_PER_DECADE + FINEST_US) as u64 * POWERS[above / BUCKETS_PER_DECADE]
        }
    }
}

/// Returns the middle of a bucket, which stands for its latencies.
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

    /// Returns the counts until now.
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
    /// Adds the counts of another snapshot.
    pub fn add(&mut self, other: &HistogramSnapshot) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.sum_us += other.sum_us;
    }

    /// Returns the number of counted records.
    pub fn len(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(|records| *records == 0)
    }

    /// Returns the sum of all latencies, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// Returns the counts between each two of `ends_us`, which increase: of latencies below the first, and so
    /// on, and above the last. In microseconds.
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

    /// Returns the numbers of the buckets that were counted in since `before`, with the counts.
    pub fn since(&self, before: &HistogramSnapshot) -> Vec<(u16, u64)> {
        let both = self.buckets.iter().zip(&before.buckets).enumerate();
        both.filter(|(_, (now, before))| now > before)
            .map(|(bucket, (now, before))| (bucket as u16, now - before))
            .collect()
    }

    /// Iterates over the buckets that were counted in: their middles in milliseconds, and their counts.
    pub fn latencies(&self) -> impl Iterator<Item = (f64, u64)> {
        let counted = self.buckets.iter().enumerate().filter(|(_, records)| **records > 0);
        counted.map(|(bucket, records)| (bucket_middle_ms(bucket), *records))
    }
}

/// Returns the latency in milliseconds that `quantile` of the counts in [`HistogramSnapshot::since`] did not
/// exceed, to within a twentieth. None without counts.
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
    fn every_latency_is_in_the_bucket_that_begins_at_or_below_it() {
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
        let histogram = AtomicHistogram::default();
        let before = histogram.read();
        // A thousand records of 100 ms, all done at 200 ms: 100 to 200 ms late.
        histogram.record(Span { first: 0, last: 100_000_000 }, 1_000, 200_000_000);
        let after = histogram.read();
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
