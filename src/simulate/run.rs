//! The clock of a simulation.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::bridge::Bridge;
use super::worker::{Worker, World};
use super::{Lambda, Outcome, Spread, Stream};
use crate::batch::Nanos;
use crate::bridge;
use crate::policy::Policy;

/// Time goes on in steps of this: a worker's slice, and the interval at which a source emits.
pub const TICK: Nanos = 1_000_000;

/// What a record costs a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// A record's time, everything that the worker does for it included.
    pub record: Duration,
    /// How it differs from record to record.
    pub spread: Spread,
    /// From when on it is multiplied with what, in order.
    pub changes: Vec<(Nanos, f64)>,
}

impl Service {
    /// Always the same.
    pub fn constant(record: Duration) -> Self {
        Service { record, spread: Spread::Constant, changes: Vec::new() }
    }

    /// Records a second, before it changes.
    pub fn rate(&self) -> f64 {
        1e9 / (self.record.as_nanos() as f64).max(1.0)
    }

    /// How long `records` take that are begun at `now`.
    pub(super) fn draw(&self, now: Nanos, records: usize, random: &mut StdRng) -> Nanos {
        let changed = self.changes.partition_point(|(from, _)| *from <= now);
        let factor = changed.checked_sub(1).map_or(1.0, |last| self.changes[last].1);
        let record = self.record.as_nanos() as f64 * factor;
        (record * self.spread.sum(records, random)).round().max(1.0) as Nanos
    }
}

/// What is simulated, whatever the policy.
#[derive(Clone, Debug)]
pub struct Model {
    /// What comes.
    pub stream: Stream,
    /// How many workers there are.
    pub workers: usize,
    /// What a record costs them.
    pub service: Service,
    /// From a record's schedule to when its result is due.
    pub deadline: Duration,
    /// Records that a worker holds before its source waits.
    pub max_backlog: usize,
    /// The bridge.
    pub bridge: bridge::Settings,
    /// The remote side.
    pub lambda: Lambda,
    /// Of all that is random.
    pub seed: u64,
}

impl Model {
    /// The clairvoyant optimum of it, for a service that does not change.
    pub fn optimum(&self) -> super::Optimum {
        let remote = self.lambda.least(self.bridge.batch_records);
        super::Optimum::of(
            &self.stream,
            self.workers,
            self.service.rate(),
            self.deadline.as_nanos() as Nanos,
            remote.as_nanos() as Nanos,
        )
    }

    /// What the optimum costs at least.
    pub fn least_usd(&self, optimum: &super::Optimum) -> f64 {
        let record = self.lambda.record.as_nanos() as Nanos;
        optimum.usd(self.bridge.batch_records, record, &self.bridge.cost)
    }

    /// Simulates it until every record is done. `policy` makes each worker's; without a remote side
    /// (`is_remote` false) nothing is ever sent.
    pub fn run(&self, is_remote: bool, mut policy: impl FnMut() -> Box<dyn Policy>) -> Outcome {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut bridge = is_remote.then(|| {
            let own = StdRng::seed_from_u64(self.seed.wrapping_add(1));
            Bridge::new(self.bridge.clone(), self.lambda.clone(), self.workers, own)
        });
        let mut workers: Vec<Worker> =
            (0..self.workers).map(|index| Worker::new(index, policy())).collect();
        let mut outcome = Outcome::default();
        let mut epoch = 0;
        for tick in 1.. {
            let now = tick * TICK;
            if let Some(bridge) = &mut bridge {
                bridge.advance(now);
            }
            // Each in turn is the first: none has the bridge's room to itself.
            for offset in 0..self.workers {
                let worker = &mut workers[(tick as usize + offset) % self.workers];
                let at = worker.free_at(now);
                if at < now + TICK {
                    worker.turn(
                        at,
                        now + TICK,
                        &mut World {
                            stream: &self.stream,
                            service: &self.service,
                            slack: self.deadline.as_nanos() as Nanos,
                            max_backlog: self.max_backlog,
                            bridge: bridge.as_mut(),
                            outcome: &mut outcome,
                            random: &mut random,
                        },
                    );
                }
            }
            if let Some(bridge) = &mut bridge {
                bridge.pump(now);
            }
            // An epoch is final when the last source has passed it, and known a turn later.
            let passed = workers.iter().map(Worker::source).min().unwrap_or(0) * TICK;
            while self.stream.epoch_end(epoch).is_some_and(|end| end <= passed) {
                for (index, worker) in workers.iter_mut().enumerate() {
                    worker.offered(self.stream.offered(index, epoch), bridge.as_mut());
                }
                epoch += 1;
            }
            let held: usize = workers.iter().map(Worker::held).sum();
            outcome.peak_backlog = outcome.peak_backlog.max(held);
            let is_over = passed >= self.stream.end() && held == 0;
            if is_over {
                break;
            }
        }
        if let Some(bridge) = &mut bridge {
            bridge.finish();
            let counters = bridge.counters();
            outcome.requests = counters.requests;
            outcome.attempts = counters.attempts;
            outcome.hedged = counters.hedged;
            outcome.throttled = counters.throttled;
            outcome.failed = counters.failed;
            outcome.probes = counters.probes;
            outcome.warm_ups = counters.warm_ups;
            (outcome.environments, outcome.cold_starts) = bridge.environments();
            outcome.billed_ms = counters.billed_ms;
            outcome.usd = self.bridge.cost.usd(counters.billed, counters.billed_ms);
        }
        outcome.finish();
        outcome
    }
}
