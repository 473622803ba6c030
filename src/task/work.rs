//! Modelled extra time per record, for experiments.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use crate::units::parse_duration;

/// Modelled extra time per record: `12us`, or one that changes during a run, such as `12us,60us@5s`: 60 µs
/// from second 5 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    first: Duration,
    /// From each time on, the extra time, in order.
    changes: Vec<(Duration, Duration)>,
}

impl Work {
    /// Returns the extra time at the start.
    pub fn first(&self) -> Duration {
        self.first
    }

    /// Returns whether the extra time is always zero.
    pub fn is_zero(&self) -> bool {
        self.first.is_zero() && !self.changes()
    }

    /// Returns whether the extra time changes.
    pub fn changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Returns the extra time after `elapsed` of the run.
    pub fn after(&self, elapsed: Duration) -> Duration {
        let past = self.changes.partition_point(|(at, _)| *at <= elapsed);
        past.checked_sub(1).map_or(self.first, |last| self.changes[last].1)
    }
}

impl Display for Work {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{:?}", self.first)?;
        self.changes.iter().try_for_each(|(at, extra)| write!(f, ",{extra:?}@{at:?}"))
    }
}

impl From<Duration> for Work {
    fn from(first: Duration) -> Self {
        Work { first, changes: Vec::new() }
    }
}

/// A text that is not a [`Work`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a duration such as 12us, with changes after it in order, such as 12us,60us@5s: 60us from \
     second 5 on"
)]
pub struct WorkError;

impl FromStr for Work {
    type Err = WorkError;

    fn from_str(text: &str) -> Result<Self, WorkError> {
        let duration = |text: &str| parse_duration(text.trim()).map_err(|_| WorkError);
        let mut parts = text.split(',');
        let mut work = Work::from(duration(parts.next().unwrap_or_default())?);
        for change in parts {
            let (cost, at) = change.split_once('@').ok_or(WorkError)?;
            let at = duration(at)?;
            if work.changes.last().is_some_and(|(before, _)| *before >= at) {
                return Err(WorkError);
            }
            work.changes.push((at, duration(cost)?));
        }
        Ok(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_changes_at_the_given_times() {
        let micros = |work: &Work, seconds| work.after(Duration::from_secs(seconds)).as_micros();
        let work: Work = "12us, 60us@5s,0us@7s".parse().unwrap();
        assert_eq!([0, 4, 5, 6, 7, 100].map(|at| micros(&work, at)), [12, 12, 60, 60, 0, 0]);
        assert_eq!("12us".parse(), Ok(Work::from(Duration::from_micros(12))));
        assert!("0s".parse::<Work>().unwrap().is_zero());
        assert!(!"0s,1us@1s".parse::<Work>().unwrap().is_zero());
        for wrong in ["", "12", "12us,", "12us@5s", "12us,13us", "1us,2us@5s,3us@4s"] {
            assert_eq!(wrong.parse::<Work>(), Err(WorkError), "{wrong}");
        }
    }
}
