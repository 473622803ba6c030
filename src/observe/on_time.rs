//! Whether results come in time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Results, and those of them that came later than they were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnTime {
    /// All results.
    pub results: u64,
    /// The late ones.
    pub late: u64,
}

/// The share of the results that may be late: the deadline is kept by the 99th percentile.
const MAY_BE_LATE: f64 = 0.01;

impl OnTime {
    /// The share that was on time: all of none.
    pub fn fraction(&self) -> f64 {
        let results = self.results.max(1);
        (results - self.late) as f64 / results as f64
    }

    /// Whether the deadline is missed: more than one of a hundred results is late.
    pub fn is_missed(&self) -> bool {
        self.late as f64 > MAY_BE_LATE * self.results as f64
    }

    /// The share that was late, such as `0.7 %`. It is 0 only if none was.
    pub fn late_share(&self) -> String {
        percent((self.late as f64 * 1e3 / self.results.max(1) as f64).ceil())
    }
}

/// The share that was on time, such as `99.3 %`. It is 100 only if all were.
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

/// What held a run up while results came late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Results that came late meanwhile.
    pub late: u64,
    /// What it was and what to do about it, in sentences.
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
