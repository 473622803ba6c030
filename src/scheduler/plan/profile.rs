//! When records are due.

use crate::batch::Nanos;
use crate::policy::Entry;

/// Steps of a profile, and how many of them the time from a record's schedule to its due time has.
pub(super) const STEPS: usize = 64;
const STEPS_OF_SLACK: u64 = 48;

/// Records by when the result of the graph is due: how many are due until the end of each step.
#[derive(Default)]
pub(super) struct Profile {
    from: Nanos,
    step: Nanos,
    until: Vec<f64>,
}

impl Profile {
    pub(super) fn step(slack: Nanos) -> Nanos {
        (slack / STEPS_OF_SLACK).max(1)
    }

    pub(super) fn set<'q>(
        &mut self,
        now: Nanos,
        slack: Nanos,
        entries: impl Iterator<Item = (&'q Entry, usize)>,
    ) {
        (self.from, self.step) = (now, Profile::step(slack));
        self.until.clear();
        self.until.resize(STEPS, 0.0);
        for (entry, records) in entries {
            let slack = entry.due.saturating_sub(entry.scheduled.last);
            let first = self.index(entry.scheduled.first + slack);
            let last = self.index(entry.due);
            let each = records as f64 / (last - first + 1) as f64;
            self.until[first..=last].iter_mut().for_each(|step| *step += each);
        }
        let mut sum = 0.0;
        for step in &mut self.until {
            sum += *step;
            *step = sum;
        }
    }

    /// Adds records that are late.
    pub(super) fn add_late(&mut self, records: usize) {
        self.until.iter_mut().for_each(|step| *step += records as f64);
    }

    /// The step in which something is due, the first one if it is late.
    fn index(&self, due: Nanos) -> usize {
        let step = due.saturating_sub(self.from).div_ceil(self.step);
        (step as usize).min(STEPS - 1)
    }

    /// Returns how many records are due until `time`.
    pub(super) fn until(&self, time: Nanos) -> f64 {
        if self.until.is_empty() || time < self.from {
            return self.until.first().copied().unwrap_or(0.0);
        }
        let steps = (time - self.from) as f64 / self.step as f64;
        let index = (steps as usize).min(STEPS - 1);
        let next = self.until.get(index + 1).copied().unwrap_or(self.until[index]);
        self.until[index] + (next - self.until[index]) * steps.fract()
    }
}
