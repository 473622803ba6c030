//! `--verify`: computes a sample of the remote records on the worker too, and compares the results.

use std::ops::Range;

use super::Route;
use super::state::Origin;
use crate::policy::Entry;
use crate::task::{Code, Task};

/// Chooses an evenly spread share of the remote records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    share: f64,
    /// Fraction of a record that is due for verification.
    owed: f64,
}

impl Sampler {
    pub(super) fn new(share: f64) -> Self {
        Sampler { share, owed: 0.0 }
    }

    /// Returns the positions of `range` to verify, the last first. Positions in `refused` have no result and
    /// are left out.
    pub(super) fn choose(&mut self, range: &Range<usize>, refused: &[(usize, Code)]) -> Vec<usize> {
        if self.share <= 0.0 {
            return Vec::new();
        }
        let mut chosen: Vec<usize> = range
            .clone()
            .filter(|_| {
                self.owed += self.share;
                let due = self.owed >= 1.0;
                self.owed -= f64::from(u8::from(due));
                due
            })
            .filter(|position| refused.binary_search_by_key(position, |(at, _)| *at).is_err())
            .collect();
        chosen.reverse();
        chosen
    }
}

/// Reply that is being verified.
pub(super) struct Verification<T, K: Task> {
    pub entry: Entry,
    pub origin: Origin<T, K::In>,
    /// Records that the reply covers.
    pub range: Range<usize>,
    pub out: K::Out,
    /// Route of the results.
    pub route: Route,
    /// Positions without a result, in order, and why they have none.
    pub refused: Vec<(usize, Code)>,
    /// Positions that are still to be checked, the last ones first.
    pub checks: Vec<usize>,
}

/// Outcome of a verification step.
pub(super) enum Verdict {
    /// More records have to be verified.
    Unfinished,
    /// All verified results are equal.
    Match,
    /// The result at this position differs from the one that was computed here, which is shown.
    Mismatch(usize, String),
}

impl<T, K: Task> Verification<T, K> {
    /// Verifies up to `most` records with `task`. Returns how many it verified, and the outcome.
    pub(super) fn check(
        &mut self,
        task: &K,
        most: usize,
        verdicts: &mut Vec<(usize, Code)>,
    ) -> (usize, Verdict) {
        for checked in 0..most.max(1) {
            let Some(position) = self.checks.pop() else { return (checked, Verdict::Match) };
            let mut one = task.results(&self.origin.batch, &(position..position + 1));
            task.compute(&self.origin.batch, position..position + 1, &mut one, verdicts);
            if let Some(here) = self.difference(task, position, &one, verdicts) {
                verdicts.clear();
                return (checked + 1, Verdict::Mismatch(position, here));
            }
        }
        let verdict = if self.checks.is_empty() { Verdict::Match } else { Verdict::Unfinished };
        (most.max(1), verdict)
    }

    /// Shows what was computed here for the record at `position`, if the remote result differs from it: the only
    /// result in `one`, or the code in `bad`.
    pub(super) fn difference(
        &self,
        task: &K,
        position: usize,
        one: &K::Out,
        bad: &[(usize, Code)],
    ) -> Option<String> {
        match bad.first() {
            Some((_, code)) => Some(format!("a bad record ({code})")),
            None if task.is_same(&self.out, self.index(position), one) => None,
            None => Some(task.show(one, 0)),
        }
    }

    /// Shows the remote result of the record at `position`.
    pub(super) fn shown(&self, task: &K, position: usize) -> String {
        task.show(&self.out, self.index(position))
    }

    /// Returns the index of the remote result of the record at `position`.
    fn index(&self, position: usize) -> usize {
        let before = self.refused.partition_point(|(refused, _)| *refused < position);
        position - self.range.start - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_share_is_the_one_asked_for() {
        let mut sampler = Sampler::new(0.001);
        let chosen: usize = (0..1_000).map(|_| sampler.choose(&(7..107), &[]).len()).sum();
        assert!((99..=100).contains(&chosen), "{chosen}");
        assert_eq!(Sampler::new(1.0).choose(&(3..7), &[(4, Code::TOO_LONG)]), [6, 5, 3]);
        assert!(Sampler::new(0.0).choose(&(0..9), &[]).is_empty());
    }
}
