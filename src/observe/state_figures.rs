//! The figures of a stage with state in the summary.

use serde::Serialize;

use crate::state_totals::StateTotals;
use crate::units::{show_bytes, show_count};

/// What a stage with state holds at the end of a run, and what the run wrote of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct StateFigures {
    #[serde(flatten)]
    pub totals: StateTotals,
    /// The keys of the worker that has the most, over the mean of all workers.
    pub skew: f64,
}

impl StateFigures {
    pub(super) fn of(totals: &StateTotals, workers: usize) -> Self {
        let mean = totals.keys as f64 / workers.max(1) as f64;
        let skew = if totals.keys > 0 { totals.most_keys as f64 / mean } else { 1.0 };
        StateFigures { totals: totals.clone(), skew }
    }

    /// Returns the line of the summary in words.
    pub(super) fn words(&self) -> String {
        let StateTotals { name, keys, bytes, merged_rows, late_rows, written_bytes, .. } =
            &self.totals;
        let mut words = format!(
            "{name}: {} keys, about {}; {} rows merged, {} written",
            show_count(*keys),
            show_bytes(*bytes),
            show_count(*merged_rows),
            show_bytes(*written_bytes),
        );
        if *late_rows > 0 {
            words += &format!(", {} rows late", show_count(*late_rows));
        }
        if self.skew > 1.2 {
            words += &format!("; one worker has {:.1} times the mean", self.skew);
        }
        words
    }
}
