//! How much a record costs more than its task, for experiments.

use std::str::FromStr;
use std::time::Duration;

use crate::units::parse_duration;

/// Modelled extra cost of a record: `12us`, or one that changes in the middle of a run, such as
/// `12us,60us@5s`: 60 µs from second 5 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    first: Duration,
    /// From when on it is what, in order.
    changes: Vec<(Duration, Duration)>,
}

impl Work {
    /// What it is at first.
    pub fn first(&self) -> Duration {
        self.first
    }

    /// Whether there is none, and never will be.
    pub fn is_zero(&self) -> bool {
        self.first.is_zero() && !self.changes()
    }

    /// Whether it changes.
    pub fn changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What it is after `elapsed` of the run.
    pub fn after(&self, elapsed: Duration) -> Duration {
        let past = self.changes.partition_point(|(at, _)| *at <= elapsed);
        past.checked_sub(1).map_or(self.first, |last| self.changes[last].1)
    }
}

impl From<Duration> for Work {
    fn from(first: Duration) -> Self {
        Work { first, changes: Vec::new() }
    }
}

/// A text that is no [`Work`].
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
    fn it_changes_when_it_is_said_to() {
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
