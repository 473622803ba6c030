//! How many records of the stream a record of the queue stands for.

/// The mean weight of the recent records ([`Records::weight`](crate::batch::Records::weight)): 1, or the size of a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    records: f64,
    weight: f64,
}

/// Number of records from which on the older ones count half.
const COUNTED: f64 = 10_000.0;

impl Weight {
    /// Adds records that stand for `weight` records of the stream.
    pub(crate) fn add(&mut self, records: usize, weight: usize) {
        self.records += records as f64;
        self.weight += weight as f64;
        if self.records > COUNTED {
            (self.records, self.weight) = (self.records / 2.0, self.weight / 2.0);
        }
    }

    /// Returns the mean: 1 before the first record.
    pub(crate) fn mean(&self) -> f64 {
        if self.records > 0.0 { self.weight / self.records } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_stand_for_themselves_have_a_mean_of_exactly_one() {
        let mut weight = Weight::default();
        assert_eq!(weight.mean(), 1.0);
        for records in (0..1_000).map(|at| at * 7 % 501) {
            weight.add(records, records);
            assert_eq!(weight.mean(), 1.0);
        }
        for _ in 0..100_000 {
            weight.add(2, 100);
        }
        assert!((weight.mean() - 50.0).abs() < 1e-3, "{}", weight.mean());
    }
}
