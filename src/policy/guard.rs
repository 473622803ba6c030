//! A margin on an estimate, adapted to how often the estimate was wrong.

use crate::batch::Nanos;

/// The margin that is kept between when a result is expected and when it is due, so that not more
/// than [`TARGET`] of the results come late: quickly up when more do, slowly down while fewer do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    margin: f64,
    least: f64,
    most: f64,
    /// Since the margin was last changed.
    records: u64,
    late: u64,
    since: Nanos,
    /// What came before says nothing of the margin.
    from: Nanos,
}

/// The share of results that may be late. Below the 1 % that a p99 allows; near 0 and one hiccup of
/// the machine is paid for in offloaded records for long.
pub(super) const TARGET: f64 = 0.005;

/// Fewer results than this say nothing of a share of a two-hundredth.
const SAMPLE: u64 = 400;

/// Up by this and [`STEP`], and not again before what was decided with the smaller margin has come.
const UP: f64 = 1.5;
const STEP: f64 = 1e6;
const HOLD: Nanos = 50_000_000;

/// Down by this for each [`PERIOD`] without too many late: by half in three and a half seconds.
const DOWN: f64 = 0.98;
const PERIOD: Nanos = 100_000_000;

impl Guard {
    /// It begins at `least`, and never is above `most`.
    pub(super) fn new(least: Nanos, most: Nanos) -> Self {
        let (least, most) = (least as f64, most.max(least) as f64);
        Guard { margin: least, least, most, records: 0, late: 0, since: 0, from: 0 }
    }

    pub(super) fn get(&self) -> Nanos {
        self.margin as Nanos
    }

    /// `late` of `records` results came after they were due.
    pub(super) fn note(&mut self, now: Nanos, records: usize, late: usize) {
        if now < self.from {
            return;
        }
        self.records += records as u64;
        self.late += late as u64;
        if self.late as f64 > TARGET * self.records.max(SAMPLE) as f64 {
            self.margin = (self.margin * UP + STEP).min(self.most);
            self.from = now + HOLD;
        } else if self.records >= SAMPLE && now.saturating_sub(self.since) >= PERIOD {
            self.margin = (self.margin * DOWN).max(self.least);
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
    fn it_is_quickly_up_and_slowly_down() {
        let mut guard = Guard::new(2 * MS, 50 * MS);
        guard.note(0, 100, 1);
        assert_eq!(guard.get(), 2 * MS, "one of a hundred may be one of a thousand");
        guard.note(0, 100, 4);
        assert_eq!(guard.get(), 4 * MS);
        guard.note(49 * MS, 1_000, 1_000);
        assert_eq!(guard.get(), 4 * MS, "these were sent with the smaller margin");
        (1..20).for_each(|n| guard.note(n * HOLD, 1_000, 1_000));
        assert_eq!(guard.get(), 50 * MS);
        let period = |guard: &mut Guard, n: u64| guard.note((20 + n) * PERIOD, 1_000, 5);
        (1..=35).for_each(|n| period(&mut guard, n));
        assert!((24 * MS..26 * MS).contains(&guard.get()), "{}", guard.get());
        (36..=500).for_each(|n| period(&mut guard, n));
        assert_eq!(guard.get(), 2 * MS);
    }
}
