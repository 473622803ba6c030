//! The main loop of a simulation.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::bridge::Bridge;
use super::lambda::{self, Remote};
use super::outcome::StageOutcome;
use super::worker::{Worker, World};
use super::{Lambda, Outcome, Spread, Stream};
use crate::batch::Nanos;
use crate::bridge;
use crate::policy::Policy;

/// Length of a step: a worker's slice, and the interval at which a source emits.
pub const TICK: Nanos = 1_000_000;

/// Time that a record takes on a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Mean time of a record, including everything that the worker does for it.
    pub record: Duration,
    /// Distribution of the time of a record.
    pub spread: Spread,
    /// Changes: from each time on, the factor on the mean, in order.
    pub changes: Vec<(Nanos, f64)>,
}

impl Service {
    /// Creates a service without variation and changes.
    pub fn constant(record: Duration) -> Self {
        Service { record, spread: Spread::Constant, changes: Vec::new() }
    }

    /// Returns the records per second before the first change.
    pub fn rate(&self) -> f64 {
        1e9 / self.nanos()
    }

    /// Returns the mean time of a record before the first change, in nanoseconds.
    fn nanos(&self) -> f64 {
        (self.record.as_nanos() as f64).max(1.0)
    }

    /// Draws the time of `records` that are begun at `now`.
    pub(super) fn draw(&self, now: Nanos, records: usize, random: &mut StdRng) -> Nanos {
        let changed = self.changes.partition_point(|(from, _)| *from <= now);
        let factor = changed.checked_sub(1).map_or(1.0, |last| self.changes[last].1);
        let record = self.record.as_nanos() as f64 * factor;
        (record * self.spread.sum(records, random)).round().max(1.0) as Nanos
    }
}

/// A stage of the simulated graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// How many records it receives for each result of the stage before it. The first stage: for each event.
    pub records: f64,
    /// Time that a record takes on a worker.
    pub service: Service,
    /// Time that a record takes in a function.
    pub remote: Duration,
}

impl Stage {
    /// Creates a stage that receives each record as it is.
    pub fn new(service: Service, remote: Duration) -> Self {
        Stage { records: 1.0, service, remote }
    }
}

/// Returns the mean time of an event on a worker at all `stages` together, before the first change, in nanoseconds.
pub fn nanos_per_event(stages: &[Stage]) -> f64 {
    let of_stages = stages.iter().scan(1.0, |records, stage| {
        *records *= stage.records;
        Some(*records * stage.service.nanos())
    });
    of_stages.sum()
}

/// Returns how many events per second a worker computes at all `stages`, before the first change.
pub fn events_per_second(stages: &[Stage]) -> f64 {
    1e9 / nanos_per_event(stages)
}

/// A simulation, except for the policy.
#[derive(Clone, Debug)]
pub struct Model {
    /// The stream.
    pub stream: Stream,
    /// Number of workers.
    pub workers: usize,
    /// The stages of the graph, from the source to the sink.
    pub stages: Vec<Stage>,
    /// Time from a record's schedule to when its results are due.
    pub deadline: Duration,
    /// Number of records that a worker holds before its source waits.
    pub max_backlog: usize,
    /// Settings of the bridge.
    pub bridge: bridge::Settings,
    /// The model of the remote side.
    pub lambda: Lambda,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Model {
    /// Returns the optimum with hindsight, for services without changes.
    pub fn optimum(&self) -> super::Optimum {
        super::Optimum::of(self)
    }

    /// Runs the simulation until every record has a result. `policy` makes the policy of each stage on each worker. With
    /// `is_remote` false there is no remote side, and nothing is sent.
    pub fn run(&self, is_remote: bool, policy: impl FnMut() -> Box<dyn Policy>) -> Outcome {
        let service = is_remote.then(|| lambda::Service::new(self.lambda.clone()));
        let (mut outcome, bridge) = self.run_with(service, Nanos::MAX, Nanos::MAX, policy);
        if let Some(bridge) = bridge {
            let service = bridge.service();
            // The bridge estimates what is billed for what it gives up. The service knows it.
            let (billed, billed_ms) = service.billed;
            outcome.counters.billed = billed;
            outcome.counters.billed_us = (billed_ms * 1e3).round() as u64;
            outcome.counters.cold_starts = service.cold_starts;
            outcome.environments = service.most;
            outcome.usd = self.bridge.cost.usd(billed, billed_ms);
        }
        outcome
    }

    /// Runs the simulation with another remote side, and closes the bridge at `close_at`. It ends at `until` at
    /// the latest, whether every record has a result or not.
    pub(super) fn run_with<R: Remote>(
        &self,
        service: Option<R>,
        close_at: Nanos,
        until: Nanos,
        mut policy: impl FnMut() -> Box<dyn Policy>,
    ) -> (Outcome, Option<Bridge<R>>) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut bridge = service.map(|service| {
            let own = StdRng::seed_from_u64(self.seed.wrapping_add(1));
            let records = self.stages.iter().map(|stage| stage.remote).collect();
            Bridge::new(self.bridge.clone(), service, self.workers, records, own)
        });
        let slack = self.deadline.as_nanos() as Nanos;
        let mut worker = |index| Worker::new(index, self.stages.iter().map(|_| policy()), slack);
        let mut workers: Vec<Worker> = (0..self.workers).map(&mut worker).collect();
        let stages = vec![StageOutcome::default(); self.stages.len()];
        let mut outcome = Outcome { stages, ..Outcome::default() };
        let mut epoch = 0;
        for tick in 1.. {
            let now = tick * TICK;
            if let Some(bridge) = &mut bridge {
                bridge.advance(now);
                if now >= close_at {
                    bridge.close(now);
                }
            }
            // The workers take turns at being first, so that none has the bridge's room to itself.
            for offset in 0..self.workers {
                let worker = &mut workers[(tick as usize + offset) % self.workers];
                let at = worker.free_at(now);
                if at < now + TICK {
                    worker.turn(
                        at,
                        now + TICK,
                        &mut World {
                            stream: &self.stream,
                            stages: &self.stages,
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
            // An epoch is final when the last source has passed it. The workers learn of it one turn later.
            let passed = workers.iter().map(Worker::source).min().unwrap_or(0) * TICK;
            while self.stream.epoch_end(epoch).is_some_and(|end| end <= passed) {
                for (index, worker) in workers.iter_mut().enumerate() {
                    let offered = self.stream.offered(index, epoch);
                    worker.offered(offered, &self.stages, bridge.as_mut());
                }
                epoch += 1;
            }
            let held: usize = workers.iter().map(Worker::held).sum();
            outcome.peak_backlog = outcome.peak_backlog.max(held);
            let is_over = passed >= self.stream.end() && held == 0;
            if is_over || now >= until {
                break;
            }
        }
        if let Some(bridge) = &bridge {
            outcome.counters = bridge.counters();
        }
        outcome.finish();
        (outcome, bridge)
    }
}
