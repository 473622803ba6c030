//! Latencies, every event counted by its own scheduled time, at the cost of a few buckets a batch.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::batch::{Nanos, Span};

/// A histogram of latencies in microseconds, up to a day; what is above counts as a day. Of three
/// significant digits in 220 KB that are there from the start, or, where there are many
/// ([`Latencies::coarse`]), of two in about 10 KB that grow with the largest latency.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

/// Significant digits of the histogram.
const FINE: u8 = 3;
const COARSE: u8 = 2;

pub(super) const DAY_US: u64 = 24 * 3_600 * 1_000_000;

/// The highest number of steps that a span is counted in. A batch is a millisecond of schedule if the source
/// is on time, so a step is far below the histogram's resolution.
const STEPS: usize = 32;

/// The histogram's resolution: a step that is a smaller part of the latency has no effect.
const RESOLUTION: Nanos = 1_000;

impl Default for Latencies {
    fn default() -> Self {
        Latencies(Histogram::new_with_bounds(1, DAY_US, FINE).expect("the bounds are constants"))
    }
}

impl Latencies {
    /// Creates a coarse histogram, whose values are at most 1 % too high.
    pub fn coarse() -> Self {
        Latencies(Histogram::new(COARSE).expect("the digits are a constant"))
    }

    /// Counts `records` that were scheduled evenly over `scheduled` and are done at `now`.
    pub fn record(&mut self, scheduled: Span, records: usize, now: Nanos) {
        each(scheduled, records, now, |us, records| self.note(us, records));
    }

    fn note(&mut self, us: u64, records: u64) {
        self.0.record_n(us.min(DAY_US), records).expect("a day fits into either kind");
    }

    /// Counts `records` that took `ms` milliseconds.
    pub(super) fn count_ms(&mut self, ms: f64, records: u64) {
        self.note((ms * 1e3) as u64, records);
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("both hold up to a day");
    }

    /// Returns the number of counted records.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the latency in milliseconds that `quantile` of the records did not exceed.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Iterates over latencies in milliseconds and the number of records that had them, by rising latency.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.0.iter_recorded().map(|it| (it.value_iterated_to() as f64 / 1e3, it.count_at_value()))
    }

    /// Returns the largest latency, in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1e3
    }
}

/// Names the latencies, in microseconds, of `records` that were scheduled evenly over `scheduled` and
/// are done at `now`, and how many have them: a few for all.
pub(super) fn each(scheduled: Span, records: usize, now: Nanos, mut of: impl FnMut(u64, u64)) {
    let width = scheduled.last.saturating_sub(scheduled.first);
    let finest = now.saturating_sub(scheduled.last) / RESOLUTION;
    let steps = (width / finest.max(1) + 1).min(records.min(STEPS) as u64) as usize;
    for step in 0..steps {
        let range = records * step / steps..records * (step + 1) / steps;
        let part = scheduled.slice(&range, records);
        let middle = part.first + part.last.saturating_sub(part.first) / 2;
        of(now.saturating_sub(middle) / 1_000, range.len() as u64);
    }
}

/// Between processes, a histogram is serialized as its digits and the buckets that are not empty.
impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets = self.0.iter_recorded();
        let buckets: Vec<_> =
            buckets.map(|it| (it.value_iterated_to(), it.count_at_value())).collect();
        (self.0.sigfig(), buckets).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (digits, buckets) = <(u8, Vec<(u64, u64)>)>::deserialize(deserializer)?;
        let mut latencies =
            if digits == COARSE { Latencies::coarse() } else { Latencies::default() };
        for (value, count) in buckets {
            latencies.note(value, count);
        }
        Ok(latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_counts_by_its_own_time() {
        let mut latencies = Latencies::default();
        // A thousand events scheduled over 100 ms, all done at 200 ms: 100 to 200 ms late.
        let span = Span { first: 0, last: 100_000_000 };
        latencies.record(span, 1_000, 200_000_000);
        assert_eq!(latencies.len(), 1_000);
        assert!((latencies.quantile_ms(0.5) - 150.0).abs() < 4.0, "{}", latencies.quantile_ms(0.5));
        assert!((latencies.max_ms() - 200.0).abs() < 4.0, "{}", latencies.max_ms());
        assert!((latencies.quantile_ms(0.01) - 101.0).abs() < 4.0);
        let json = serde_json::to_string(&latencies).unwrap();
        let back: Latencies = serde_json::from_str(&json).unwrap();
        assert_eq!(back.len(), 1_000);
        assert_eq!(back.quantile_ms(0.9), latencies.quantile_ms(0.9));
        assert_eq!(back.buckets().map(|(_, records)| records).sum::<u64>(), 1_000);
        let mut coarse = Latencies::coarse();
        coarse.record(span, 1_000, 2 * DAY_US * 1_000);
        coarse.add(&back);
        let back: Latencies =
            serde_json::from_str(&serde_json::to_string(&coarse).unwrap()).unwrap();
        assert_eq!((back.len(), back.max_ms()), (2_000, coarse.max_ms()));
    }
}
