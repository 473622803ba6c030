//! The policy `threshold`: above a threshold, everything is sent.

use super::selection::{Undecided, take_all};
use super::spec::LOWER_THE_THRESHOLD;
use super::{Color, Entry, Offered, Policy, Rates, Sends, Spec, Take};
use crate::batch::Nanos;

/// When an epoch's offered rate is above the threshold, all records of the following epochs are sent, until
/// an epoch's rate is at or below the threshold.
///
/// The offered rate is counted by timestamp over all workers. If the policy used the rate of processed
/// records instead, sending records would lower that rate below the threshold, and the policy would
/// oscillate.
#[derive(Clone, Debug)]
pub struct Threshold {
    records_per_second: f64,
    above: bool,
    undecided: Undecided,
}

impl Threshold {
    /// The policy's entry in the list of policies.
    pub const SPEC: Spec = Spec {
        name: "threshold",
        help: "All records, from the epoch after one whose rate is above --threshold, until the rate of an epoch is not above it",
        sends: Sends::AboveThreshold,
        color: Color::Pink,
        advice: Some(LOWER_THE_THRESHOLD),
        make: |of| Box::new(Threshold::new(of.threshold)),
    };

    /// Creates the policy. The threshold is in records per second over all workers.
    pub fn new(records_per_second: f64) -> Self {
        Threshold { records_per_second, above: false, undecided: Undecided::default() }
    }
}

impl Policy for Threshold {
    fn on_epoch(&mut self, offered: Offered) {
        self.above = offered.rate() > self.records_per_second;
    }

    fn offload_threshold(&self) -> Option<f64> {
        Some(self.records_per_second)
    }

    fn plan(&mut self, _: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        let (mut room, to) = rates.useful_room();
        self.undecided.decide(queue, |index, entry| {
            if self.above && room == 0 {
                return false;
            }
            if self.above {
                take_all(index, entry, &mut room, to, takes);
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;
    use crate::policy::Queue;

    #[test]
    fn records_after_an_epoch_above_the_threshold_are_sent() {
        let mut policy = Threshold::new(1_000.0);
        let mut queue = Queue::default();
        let mut takes = Vec::new();
        let mut offer = |policy: &mut Threshold, total| {
            policy.on_epoch(Offered { mine: total / 2, total, length: 100_000_000 });
            queue.push(0..10, 0, Span::at(0), 0, ());
            policy.plan(0, &queue.entries(), Rates::default(), &mut takes);
            let went = takes.len();
            queue.take_all(&mut takes, |_| ());
            went
        };
        assert_eq!(offer(&mut policy, 100), 0, "a rate at the threshold is not above it");
        assert_eq!(offer(&mut policy, 101), 1, "records that waited before stay");
        assert_eq!(offer(&mut policy, 101), 1);
        assert_eq!(offer(&mut policy, 100), 0);
    }
}
