//! The optimum with hindsight: the fewest records that any schedule could send if it knew the future.
//!
//! A worker computes `mu` records per second, and a record is due `D` after it was scheduled. The worker has
//! to finish a record that it keeps by then, so at most `mu·D` records may wait. For the worker, sending a
//! record is dropping it. So the fewest records to send are the overflow of a queue that is drained at `mu`
//! and holds `mu·D`. A queue that accepts whenever there is room drops the fewest: all records have the same
//! time to their due time, so if a record is refused although there is room, it can replace a later one that
//! is kept, and nothing becomes late.
//!
//! With several stages, the time that a worker has for the stages is shared. Which work a machine can do in time is a
//! matroid (the schedules of one machine with due times are): so the most is saved if the stage is kept first that is
//! the dearest to send, for the time that a worker needs for it, as much of it as fits, then the next one in the
//! time that is left. How much of the first stages fits together is the overflow of one queue of their work. Here a
//! record may be computed at a later stage before it was at an earlier one, so that this stays a bound.
//!
//! This is a bound and not a plan: it has no idle time and no batches, its worker knows its rate exactly, and
//! its remote side answers in time whenever that is possible. If a request takes longer than `D` it is not
//! possible: [`Optimum::is_feasible`].

use std::time::Duration;

use super::{Model, Stage, TICK};
use crate::batch::Nanos;
use crate::bridge;

/// What the optimum does with a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Optimum {
    /// Records that the workers compute, at all stages.
    pub local: f64,
    /// Records that have to be sent, at all stages.
    pub offloaded: f64,
    /// Each stage.
    pub stages: Vec<StageOptimum>,
    /// Whether the remote side can answer before the due time.
    pub is_feasible: bool,
    /// Full requests that are needed.
    pub requests: u64,
    /// The lowest cost in US dollars.
    pub usd: f64,
}

/// What the optimum does at a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageOptimum {
    /// Records that the workers compute.
    pub local: f64,
    /// Records that are sent.
    pub offloaded: f64,
}

/// A stage, for the optimum.
struct Work {
    /// How many of its records an event becomes.
    records: f64,
    /// Seconds of a worker for a record.
    local: f64,
    /// Billed milliseconds of a full request.
    full_ms: f64,
    /// Dollars for a record in a full request.
    usd: f64,
}

impl Work {
    fn of(stages: &[Stage], settings: &bridge::Settings) -> Vec<Work> {
        let batch = settings.batch_records.max(1) as f64;
        let mut records = 1.0;
        let work = |stage: &Stage| {
            records *= stage.records;
            // A request is billed in whole milliseconds.
            let full_ms = (stage.remote.as_nanos() as f64 * batch / 1e6).ceil().max(1.0);
            let usd = settings.cost.usd(1, full_ms) / batch;
            Work { records, local: 1.0 / stage.service.rate(), full_ms, usd }
        };
        stages.iter().map(work).collect()
    }
}

impl Optimum {
    /// Computes the optimum of all workers of `model` together.
    pub fn of(model: &Model) -> Self {
        let Model { stream, workers, stages, deadline, bridge, lambda, .. } = model;
        let work = Work::of(stages, bridge);
        let mut dearest: Vec<usize> = (0..stages.len()).collect();
        let saved = |stage: &usize| work[*stage].local / work[*stage].usd;
        dearest.sort_by(|one, other| saved(one).total_cmp(&saved(other)));
        let slack = deadline.as_nanos() as Nanos;
        let mut optimum =
            Optimum { stages: vec![StageOptimum::default(); stages.len()], ..Optimum::default() };
        for worker in 0..*workers {
            let own = |tick| stream.own(worker, &stream.tick(tick)) as f64;
            // Events whose work at the stages so far is too much, and the seconds of an event's work there.
            let (mut overflow, mut seconds) = (0.0, 0.0);
            for &stage in &dearest {
                let Work { records, local, .. } = work[stage];
                let before = overflow * seconds;
                seconds += records * local;
                let mut queue = FluidQueue::new(1.0 / seconds, slack);
                (0..stream.ticks()).for_each(|tick| queue.step(own(tick)));
                overflow = queue.overflow;
                let all = (queue.local + queue.overflow) * records;
                let offloaded = ((overflow * seconds - before) / local).clamp(0.0, all);
                optimum.stages[stage].local += all - offloaded;
                optimum.stages[stage].offloaded += offloaded;
            }
        }
        optimum.is_feasible = true;
        let batch = bridge.batch_records.max(1) as f64;
        for ((of, work), stage) in optimum.stages.iter().zip(&work).zip(stages) {
            optimum.local += of.local;
            optimum.offloaded += of.offloaded;
            let remote: Duration = lambda.least(bridge.batch_records, stage.remote);
            // A record is billed the least as a part of a full request.
            let requests = (of.offloaded / batch).ceil() as u64;
            optimum.requests += requests;
            optimum.usd += bridge.cost.usd(requests, work.full_ms * of.offloaded / batch);
            optimum.is_feasible &= of.offloaded == 0.0 || remote <= *deadline;
        }
        optimum
    }

    /// Returns the share of the records that have to be sent.
    pub fn offloaded_share(&self) -> f64 {
        self.offloaded / (self.local + self.offloaded).max(1.0)
    }
}

/// Returns the fewest records that have to be sent so that workers which compute `mu` records per second
/// together finish all others in time. `offered` has the records of each slot of `slot` seconds, evenly
/// spread within it. A record is due `deadline` seconds after its schedule.
pub fn least_offloaded(offered: &[u64], slot: f64, mu: f64, deadline: f64) -> f64 {
    let ticks = (slot * 1e9 / TICK as f64).round().max(1.0) as usize;
    let mut queue = FluidQueue::new(mu, (deadline * 1e9) as Nanos);
    for records in offered {
        (0..ticks).for_each(|_| queue.step(*records as f64 / ticks as f64));
    }
    queue.overflow
}

/// A queue that is drained at a rate, and its overflow.
///
/// The queue computes as much in a tick as if all records of the tick came at its beginning, and checks its
/// size only at the end of the tick. So it keeps at least as much as the exact optimum keeps, and is a bound.
#[derive(Clone, Copy, Debug)]
struct FluidQueue {
    /// Records drained per tick.
    drain: f64,
    most: f64,
    waiting: f64,
    local: f64,
    overflow: f64,
}

impl FluidQueue {
    fn new(mu: f64, slack: Nanos) -> Self {
        let drain = mu * TICK as f64 / 1e9;
        FluidQueue { drain, most: mu * slack as f64 / 1e9, waiting: 0.0, local: 0.0, overflow: 0.0 }
    }

    fn step(&mut self, arrivals: f64) {
        let waiting = (self.waiting + arrivals - self.drain).max(0.0);
        let overflow = (waiting - self.most).max(0.0);
        self.waiting = waiting - overflow;
        self.overflow += overflow;
        self.local += arrivals - overflow;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(arrivals: &[u32], mu: f64, slack_ms: u64) -> (f64, f64) {
        let mut queue = FluidQueue::new(mu, slack_ms * 1_000_000);
        arrivals.iter().for_each(|arrivals| queue.step(f64::from(*arrivals)));
        (queue.local, queue.overflow)
    }

    /// 10 s of four times the worker's rate: the buffer fills once, and is drained after the end.
    #[test]
    fn the_worker_keeps_what_it_computes_in_a_burst_and_one_buffer() {
        let (local, overflow) = of(&[400; 10_000], 100_000.0, 200);
        assert_eq!((local, overflow), (1_020_000.0, 2_980_000.0));
        assert_eq!(of(&[99; 10_000], 100_000.0, 0), (990_000.0, 0.0));
        let slots = least_offloaded(&[40_000; 100], 0.1, 100_000.0, 0.2);
        assert!((slots - 2_980_000.0).abs() < 1.0, "{slots}");
    }

    proptest! {
        /// A faster worker or a later deadline never sends more, and no record is lost.
        #[test]
        fn a_faster_worker_or_a_later_deadline_sends_no_more(
            arrivals in prop::collection::vec(0_u32..1_000, 1..300),
            mu in 1.0..500_000.0_f64,
            more in 1.0..3.0_f64,
            slack in 0_u64..300,
            longer in 0_u64..300,
        ) {
            let all: f64 = arrivals.iter().map(|arrivals| f64::from(*arrivals)).sum();
            let (local, overflow) = of(&arrivals, mu, slack);
            prop_assert!((local + overflow - all).abs() < 1e-6 * all.max(1.0));
            let rounding = 1e-9 * all + 1e-9;
            prop_assert!(of(&arrivals, mu * more, slack).1 <= overflow + rounding);
            prop_assert!(of(&arrivals, mu, slack + longer).1 <= overflow + rounding);
        }
    }
}
