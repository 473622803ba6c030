//! The share of results that come in time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of results, and of late ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnTime {
    /// All results.
    pub results: u64,
    /// The late ones.
    pub late: u64,
}

/// The share of results that may be late: the deadline must hold at the 99th percentile.
const MAY_BE_LATE: f64 = 0.01;

impl OnTime {
    /// Returns the share that was on time, which is 1 without results.
    pub fn fraction(&self) -> f64 {
        let results = self.results.max(1);
        (results - self.late) as f64 / results as f64
    }

    /// Whether the deadline is missed: more than one in a hundred results is late.
    pub fn is_missed(&self) -> bool {
        self.late as f64 > MAY_BE_LATE * self.results as f64
    }

    /// Returns the late share, such as `0.7 %`. It is 0 only if no result was late.
    pub fn late_share(&self) -> String {
        percent((self.late as f64 * 1e3 / self.results.max(1) as f64).ceil())
    }
}

/// The share on time, such as `99.3 %`. It is 100 only if no result was late.
impl fmt::Display for OnTime {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&percent((self.fraction() * 1e3).floor().min(1e3)))
    }
}

fn percent(thousandths: f64) -> String {
    match thousandths {
        0.0 => "0 %".to_owned(),
        1e3 => "100 %".to_owned(),
        some => format!("{:.1} %", some / 10.0),
    }
}

/// The bottleneck of a run while results were late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The number of results that were late then.
    pub late: u64,
    /// The bottleneck and what to do about it, in sentences.
    pub says: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_to_the_side_of_lateness() {
        let of = |results, late| OnTime { results, late };
        assert_eq!(of(1_000, 7).to_string(), "99.3 %");
        assert_eq!((of(0, 0).to_string(), of(9, 9).to_string()), ("100 %".into(), "0 %".into()));
        assert_eq!(of(1_000_000, 1).to_string(), "99.9 %");
        assert_eq!(of(1_000_000, 1).late_share(), "0.1 %");
        assert_eq!((of(9, 0).late_share(), of(9, 9).late_share()), ("0 %".into(), "100 %".into()));
        assert!(!of(100, 1).is_missed() && of(100, 2).is_missed() && !of(0, 0).is_missed());
    }
}
