//! The optimum with hindsight: the fewest records that any schedule could send if it knew the future.
//!
//! A worker computes `mu` records per second, and a record is due `D` after it was scheduled. The worker has
//! to finish a record that it keeps by then, so at most `mu·D` records may wait. For the worker, sending a
//! record is dropping it. So the fewest records to send are the overflow of a queue that is drained at `mu`
//! and holds `mu·D`. A queue that accepts whenever there is room drops the fewest: all records have the same
//! time to their due time, so if a record is refused although there is room, it can replace a later one that
//! is kept, and nothing becomes late.
//!
//! This is a bound and not a plan: it has no idle time and no batches, its worker knows its rate exactly, and
//! its remote side answers in time whenever that is possible. If a request takes longer than `D` it is not
//! possible: [`Optimum::is_feasible`].

use super::{Stream, TICK};
use crate::batch::Nanos;
use crate::cost::Cost;

/// What the optimum does with a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Optimum {
    /// Records that the workers compute.
    pub local: f64,
    /// Records that have to be sent.
    pub offloaded: f64,
    /// Whether the remote side can answer before the due time.
    pub is_feasible: bool,
}

impl Optimum {
    /// Computes the optimum of all workers together: `stream` is spread over `workers`, each of which
    /// computes `mu` records per second. Each record is due `slack` after its schedule, and the remote side
    /// takes at least `remote`.
    pub fn of(stream: &Stream, workers: usize, mu: f64, slack: Nanos, remote: Nanos) -> Self {
        let mut sum = Optimum::default();
        for worker in 0..workers {
            let mut queue = FluidQueue::new(mu, slack);
            for tick in 0..stream.ticks() {
                queue.step(stream.own(worker, &stream.tick(tick)) as f64);
            }
            sum.local += queue.local;
            sum.offloaded += queue.overflow;
        }
        sum.is_feasible = sum.offloaded == 0.0 || remote <= slack;
        sum
    }

    /// Returns the share of the records that have to be sent.
    pub fn offloaded_share(&self) -> f64 {
        self.offloaded / (self.local + self.offloaded).max(1.0)
    }

    /// Returns how many requests of `batch` records the sent records need.
    pub fn requests(&self, batch: usize) -> u64 {
        (self.offloaded / batch.max(1) as f64).ceil() as u64
    }

    /// Returns the lowest cost: full requests to warm environments, in which each record takes `record`. A
    /// request is billed in whole milliseconds.
    pub fn usd(&self, batch: usize, record: Nanos, cost: &Cost) -> f64 {
        let requests = self.requests(batch);
        // A record is billed the least as a part of a full request.
        let full_ms = (record as f64 * batch as f64 / 1e6).ceil().max(1.0);
        cost.usd(requests, full_ms * self.offloaded / batch.max(1) as f64)
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
