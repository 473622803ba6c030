//! Whether combining is worth a worker's time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many rows were left of those that a task's workers have combined. Where almost every row has a key of its own,
/// combining only costs time: then the rows are emitted as they are, and few ranges are combined to see whether that
/// changes. All workers share it, and its numbers need not be exact.
#[derive(Debug, Default)]
pub(super) struct Shrinkage {
    made: AtomicUsize,
    left: AtomicUsize,
    ranges: AtomicUsize,
}

/// Rows that are needed for a judgement.
const ENOUGH: usize = 4_096;

/// Rows from which on the older ones count half.
const COUNTED: usize = 32_768;

/// Share of the rows that may be left. A row that is merged on this worker costs about as much as it would cost whoever
/// receives it, so that combining should merge more than a few.
const WORTH: f64 = 0.9;

/// One range in so many is combined where that is not worth it.
const SAMPLED: usize = 16;

impl Shrinkage {
    /// Whether the next range should be combined.
    pub(super) fn is_worth_it(&self) -> bool {
        let (made, left) = (self.made.load(Relaxed), self.left.load(Relaxed));
        let is_worth = made < ENOUGH || (left as f64) <= WORTH * made as f64;
        is_worth || self.ranges.fetch_add(1, Relaxed).is_multiple_of(SAMPLED)
    }

    /// Notes that `left` of `made` rows were left.
    pub(super) fn record(&self, (made, left): (usize, usize)) {
        let made = self.made.fetch_add(made, Relaxed) + made;
        let left = self.left.fetch_add(left, Relaxed) + left;
        if made > COUNTED {
            self.made.store(made / 2, Relaxed);
            self.left.store(left / 2, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ranges_are_combined_where_almost_nothing_is_merged() {
        let shrinkage = Shrinkage::default();
        let worth = |left: usize| {
            let combined = (0..1_600).filter(|_| {
                let is_worth_it = shrinkage.is_worth_it();
                if is_worth_it {
                    shrinkage.record((500, left));
                }
                is_worth_it
            });
            combined.count()
        };
        assert_eq!(worth(50), 1_600);
        assert!((100..300).contains(&worth(490)), "a sixteenth, once it is known");
        assert!(worth(50) > 1_000, "it is noticed that combining is worth it again");
    }
}
