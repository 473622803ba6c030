//! The policy `spill`: a token bucket whose rate is the threshold. The excess is sent.

use super::selection::Undecided;
use super::spec::LOWER_THE_THRESHOLD;
use super::{Color, Entry, Offered, Policy, Rates, Sends, Spec, Take};
use crate::batch::Nanos;

/// A token bucket that is refilled at the threshold and holds the tokens of one epoch. The records that it
/// covers stay with the worker. The others are sent as they arrive.
///
/// The bucket is refilled in *scheduled* time, so that a source that catches up after a pause does not look
/// like a burst. The threshold applies to the whole dataflow. A worker's share of it is the share of the
/// records that this worker received recently: an average in which the last epoch has the weight of one half,
/// so that one unusual epoch has a limited effect. The initial share is the same for all workers.
#[derive(Clone, Debug)]
pub struct Spill {
    bucket: Bucket,
    undecided: Undecided,
}

/// The bucket of one worker.
#[derive(Clone, Debug)]
struct Bucket {
    /// The threshold of the dataflow.
    records_per_second: f64,
    /// Tokens of an epoch at the threshold.
    depth: f64,
    /// This worker's share of both.
    share: f64,
    tokens: f64,
    /// The scheduled time until which it was refilled.
    refilled: Nanos,
}

impl Spill {
    /// The policy's entry in the list of policies.
    pub const SPEC: Spec = Spec {
        name: "spill",
        help: "The records in excess of --threshold",
        sends: Sends::AboveThreshold,
        color: Color::Orange,
        advice: Some(LOWER_THE_THRESHOLD),
        make: |of| Box::new(Spill::new(of.threshold, of.epoch, of.workers)),
    };

    /// Creates the policy of one worker. The threshold is in records per second over all `workers`; the
    /// bucket holds the tokens of one epoch of `epoch` nanoseconds.
    pub fn new(records_per_second: f64, epoch: Nanos, workers: usize) -> Self {
        let depth = (records_per_second * epoch as f64 / 1e9).max(1.0);
        let share = 1.0 / workers.max(1) as f64;
        let bucket =
            Bucket { records_per_second, depth, share, tokens: depth * share, refilled: 0 };
        Spill { bucket, undecided: Undecided::default() }
    }
}

impl Bucket {
    /// Returns how many of the entry's records the bucket covers, if each stands for `weight` records of the stream.
    fn cover(&mut self, entry: &Entry, weight: f64) -> usize {
        let elapsed = entry.scheduled.last.saturating_sub(self.refilled);
        self.refilled += elapsed;
        let refill = elapsed as f64 / 1e9 * self.records_per_second * self.share;
        // An entry may use all tokens that were added with it, however long it took to arrive. Only the
        // tokens that it leaves are limited to the bucket's size.
        let tokens = self.tokens + refill;
        let stay = ((tokens / weight) as usize).min(entry.records());
        // With less room than for one record of the queue, the bucket would never cover one.
        let most = (self.depth * self.share).max(weight);
        self.tokens = (tokens - stay as f64 * weight).min(most);
        stay
    }
}

impl Policy for Spill {
    fn on_epoch(&mut self, offered: Offered) {
        if offered.total > 0 {
            let share = offered.mine as f64 / offered.total as f64;
            self.bucket.share = (self.bucket.share + share) / 2.0;
        }
    }

    fn offload_threshold(&self) -> Option<f64> {
        Some(self.bucket.records_per_second)
    }

    fn plan(&mut self, _: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        let (mut room, to) = rates.useful_room();
        self.undecided.decide(queue, |index, entry| {
            if room == 0 {
                // The policy decides about the remaining entries once there is room, if they still wait then.
                return false;
            }
            let stay = self.bucket.cover(entry, rates.weight);
            let excess = (entry.records() - stay).min(room);
            if excess > 0 {
                let range = entry.range.end - excess..entry.range.end;
                takes.push(Take { entry: index, range, to });
                room -= excess;
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Span;
    use crate::policy::{Queue, RemoteLatency};

    const SECOND: Nanos = 1_000_000_000;

    /// Offers `rate` records per second for one second, in containers of one millisecond. Returns the number
    /// of records that were sent.
    fn offer(policy: &mut Spill, queue: &mut Queue<()>, rate: u64, from: Nanos) -> usize {
        let mut takes = Vec::new();
        let mut went = 0;
        for millisecond in 0..1_000 {
            let first = from + millisecond * 1_000_000;
            let span = Span { first, last: first + 999_999 };
            queue.push(0..(rate / 1_000) as usize, first, span, 0, ());
            policy.plan(first, &queue.entries(), Rates::default(), &mut takes);
            queue.take_all(&mut takes, |taken| went += taken.entry.records());
            while queue.take_front(100).is_some() {}
        }
        went
    }

    #[test]
    fn the_excess_is_sent_within_the_same_epoch() {
        let mut queue = Queue::default();
        let mut policy = Spill::new(50_000.0, SECOND / 10, 1);
        assert_eq!(offer(&mut policy, &mut queue, 50_000, 0), 0);
        let went = offer(&mut policy, &mut queue, 100_000, SECOND);
        assert!((45_000..=50_000).contains(&went), "{went} of 50,000 excess records were sent");
        assert_eq!(offer(&mut policy, &mut queue, 20_000, 2 * SECOND), 0);
    }

    /// A remote side that needs longer than the deadline is used only when the worker would be later still.
    /// The policy decides about the records that have waited until then.
    #[test]
    fn nothing_is_sent_to_a_remote_side_that_is_later_than_the_worker() {
        let mut policy = Spill::new(50_000.0, SECOND / 10, 1);
        let mut queue = Queue::default();
        let mut takes = Vec::new();
        for ms in 0..100_u64 {
            let span = Span { first: ms * 1_000_000, last: ms * 1_000_000 + 999_999 };
            queue.push(0..300, span.first, span, 0, ());
        }
        let (slack, remote) =
            (200_000_000, RemoteLatency { median: SECOND, ..RemoteLatency::default() });
        let mut went = |waiting: usize| {
            let local = Some(50_000.0);
            let rates = Rates { local, waiting, remote, slack, ..Rates::default() };
            policy.plan(0, &queue.entries(), rates, &mut takes);
            let mut went = 0;
            queue.take_all(&mut takes, |taken| went += taken.entry.records());
            went
        };
        assert_eq!(went(30_000), 0, "the worker needs 0.6 s");
        assert!((15_000..=25_000).contains(&went(60_000)), "the worker needs more than a second");
    }

    /// The queue holds chunks of 50 records, one a millisecond.
    #[test]
    fn the_threshold_is_in_records_of_the_stream() {
        let mut policy = Spill::new(25_000.0, SECOND / 10, 1);
        let (mut queue, mut takes, mut went) = (Queue::default(), Vec::new(), 0);
        let rates = Rates { weight: 50.0, ..Rates::default() };
        for ms in 0..1_000_u64 {
            let span = Span::at(ms * 1_000_000);
            queue.push(0..1, span.first, span, 0, ());
            policy.plan(span.first, &queue.entries(), rates, &mut takes);
            queue.take_all(&mut takes, |taken| went += taken.entry.records());
            while queue.take_front(100).is_some() {}
        }
        assert!((450..=500).contains(&went), "{went} of 500 excess chunks were sent");
    }

    #[test]
    fn a_workers_part_of_the_threshold_is_its_share_of_the_records() {
        let mut queue = Queue::default();
        let mut policy = Spill::new(50_000.0, SECOND / 10, 2);
        let went = offer(&mut policy, &mut queue, 50_000, 0);
        assert!(
            (22_000..=25_000).contains(&went),
            "another worker has half of the threshold: {went}"
        );
        for _ in 0..20 {
            policy.on_epoch(Offered { mine: 9_000, total: 10_000, length: SECOND / 10 });
        }
        let went = offer(&mut policy, &mut queue, 50_000, SECOND);
        assert!(
            (4_000..=5_500).contains(&went),
            "this worker has nine tenths of the threshold: {went}"
        );
    }
}
