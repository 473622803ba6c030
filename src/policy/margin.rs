//! A safety margin on an estimate, which adapts to how often the estimate was wrong.

use crate::batch::Nanos;

/// The margin between when a result is expected and when it is due. It is adapted so that at most [`TARGET`]
/// of the results are late: it rises quickly while more are late, and falls slowly while fewer are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin {
    nanos: f64,
    least: f64,
    most: f64,
    /// Results since the margin was last changed.
    records: u64,
    late: u64,
    since: Nanos,
    /// Results before this time are ignored, because they were planned with an earlier margin.
    from: Nanos,
}

/// The share of results that may be late. It is below the 1 % that a p99 allows. Much closer to 0, one delay
/// of the machine would raise the margin, and cause remote work, for a long time.
pub(super) const TARGET: f64 = 0.005;

/// The margin is adapted once there are this many results: fewer cannot show a share of 1/200.
const SAMPLE: u64 = 400;

/// The margin rises by this factor plus [`STEP`]. It does not rise again before the results that were planned
/// with the smaller margin have arrived.
const UP: f64 = 1.5;
const STEP: f64 = 1e6;
const HOLD: Nanos = 50_000_000;

/// The margin falls by this factor in each [`PERIOD`] without too many late results: by half in 3.5 seconds.
const DOWN: f64 = 0.98;
const PERIOD: Nanos = 100_000_000;

impl Margin {
    /// Creates a margin of `least`, which never exceeds `most`.
    pub(super) fn new(least: Nanos, most: Nanos) -> Self {
        let (least, most) = (least as f64, most.max(least) as f64);
        Margin { nanos: least, least, most, records: 0, late: 0, since: 0, from: 0 }
    }

    pub(super) fn get(&self) -> Nanos {
        self.nanos as Nanos
    }

    /// Records that `late` of `records` results arrived after they were due.
    pub(super) fn note(&mut self, now: Nanos, records: usize, late: usize) {
        if now < self.from {
            return;
        }
        self.records += records as u64;
        self.late += late as u64;
        if self.late as f64 > TARGET * self.records.max(SAMPLE) as f64 {
            self.nanos = (self.nanos * UP + STEP).min(self.most);
            self.from = now + HOLD;
        } else if self.records >= SAMPLE && now.saturating_sub(self.since) >= PERIOD {
            self.nanos = (self.nanos * DOWN).max(self.least);
        } else {
            return;
        }
        (self.records, self.late, self.since) = (0, 0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn the_margin_rises_quickly_and_falls_slowly() {
        let mut margin = Margin::new(2 * MS, 50 * MS);
        margin.note(0, 100, 1);
        assert_eq!(margin.get(), 2 * MS, "one late result of a hundred is too small a sample");
        margin.note(0, 100, 4);
        assert_eq!(margin.get(), 4 * MS);
        margin.note(49 * MS, 1_000, 1_000);
        assert_eq!(margin.get(), 4 * MS, "these records were planned with the smaller margin");
        (1..20).for_each(|n| margin.note(n * HOLD, 1_000, 1_000));
        assert_eq!(margin.get(), 50 * MS);
        let period = |margin: &mut Margin, n: u64| margin.note((20 + n) * PERIOD, 1_000, 5);
        (1..=35).for_each(|n| period(&mut margin, n));
        assert!((24 * MS..26 * MS).contains(&margin.get()), "{}", margin.get());
        (36..=500).for_each(|n| period(&mut margin, n));
        assert_eq!(margin.get(), 2 * MS);
    }
}
