//! The clairvoyant optimum: how little any schedule that knows the future could send away.
//!
//! A worker does `mu` records a second and a record is due `D` after it was scheduled. A record that
//! stays has to be done by then, so a schedule may keep at most what the worker does from now to the
//! due time: never more than `mu·D` may wait. Sending away is dropping, as far as the worker is
//! concerned; so the least that has to go is the overflow of a queue that is drained at `mu` and holds
//! `mu·D`. The one that admits whenever there is room drops the least: all records have the same time
//! to their due time, so a record that is turned away although there is room can be put in the place of
//! a later one that is kept, and nothing becomes late.
//!
//! It is a bound and not a plan: it never waits in vain, it has no batches, its worker knows its
//! own rate exactly, and the remote side answers in time whenever that is possible at all. Where a
//! request takes longer than `D` it is not possible: [`Optimum::is_feasible`].

use super::{Stream, TICK};
use crate::batch::Nanos;
use crate::cost::Cost;

/// What the optimum does with a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Optimum {
    /// Records that the workers do.
    pub home: f64,
    /// Records that have to go.
    pub offloaded: f64,
    /// Whether the remote side can answer before what it is sent is due.
    pub is_feasible: bool,
}

impl Optimum {
    /// Of all workers together: `stream` spread over `workers`, each with `mu` records a second and
    /// `slack` to each record's due time, and a remote side that needs `remote` at least.
    pub fn of(stream: &Stream, workers: usize, mu: f64, slack: Nanos, remote: Nanos) -> Self {
        let mut sum = Optimum::default();
        for worker in 0..workers {
            let mut queue = FluidQueue::new(mu, slack);
            for tick in 0..stream.ticks() {
                queue.step(stream.own(worker, &stream.tick(tick)) as f64);
            }
            sum.home += queue.home;
            sum.offloaded += queue.overflow;
        }
        sum.is_feasible = sum.offloaded == 0.0 || remote <= slack;
        sum
    }

    /// The share of the records that have to go.
    pub fn offloaded_share(&self) -> f64 {
        self.offloaded / (self.home + self.offloaded).max(1.0)
    }

    /// Requests of `batch` records that carry what goes.
    pub fn requests(&self, batch: usize) -> u64 {
        (self.offloaded / batch.max(1) as f64).ceil() as u64
    }

    /// What it costs at least: full requests to warm environments, each of whose records takes
    /// `record`; a request is billed by whole milliseconds.
    pub fn usd(&self, batch: usize, record: Nanos, cost: &Cost) -> f64 {
        let requests = self.requests(batch);
        // What is billed of a full request is the least a record can be billed.
        let full_ms = (record as f64 * batch as f64 / 1e6).ceil().max(1.0);
        cost.usd(requests, full_ms * self.offloaded / batch.max(1) as f64)
    }
}

/// The fewest records that have to be sent away so that all others are done in time by workers that do
/// `mu` a second together: `offered` are the records of each slot of `slot` seconds, evenly spread in
/// it, and a record is due `deadline` seconds after its schedule.
pub fn least_offloaded(offered: &[u64], slot: f64, mu: f64, deadline: f64) -> f64 {
    let ticks = (slot * 1e9 / TICK as f64).round().max(1.0) as usize;
    let mut queue = FluidQueue::new(mu, (deadline * 1e9) as Nanos);
    for records in offered {
        (0..ticks).for_each(|_| queue.step(*records as f64 / ticks as f64));
    }
    queue.overflow
}

/// A queue that is drained at a rate, and what does not fit into it.
///
/// In a tick it does as much as if the tick's records had come at its beginning, and it is only at its
/// end that the rest must fit: so what it keeps is not less than the exact optimum keeps, and a bound.
#[derive(Clone, Copy, Debug)]
struct FluidQueue {
    /// Drained in a tick.
    drain: f64,
    most: f64,
    waiting: f64,
    home: f64,
    overflow: f64,
}

impl FluidQueue {
    fn new(mu: f64, slack: Nanos) -> Self {
        let drain = mu * TICK as f64 / 1e9;
        FluidQueue { drain, most: mu * slack as f64 / 1e9, waiting: 0.0, home: 0.0, overflow: 0.0 }
    }

    fn step(&mut self, arrivals: f64) {
        let waiting = (self.waiting + arrivals - self.drain).max(0.0);
        let overflow = (waiting - self.most).max(0.0);
        self.waiting = waiting - overflow;
        self.overflow += overflow;
        self.home += arrivals - overflow;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(arrivals: &[u32], mu: f64, slack_ms: u64) -> (f64, f64) {
        let mut queue = FluidQueue::new(mu, slack_ms * 1_000_000);
        arrivals.iter().for_each(|arrivals| queue.step(f64::from(*arrivals)));
        (queue.home, queue.overflow)
    }

    /// 10 s of four times what the worker does: the buffer fills once, and is done after the end.
    #[test]
    fn a_burst_keeps_what_is_done_in_it_and_one_buffer() {
        let (home, overflow) = of(&[400; 10_000], 100_000.0, 200);
        assert_eq!((home, overflow), (1_020_000.0, 2_980_000.0));
        assert_eq!(of(&[99; 10_000], 100_000.0, 0), (990_000.0, 0.0));
        let slots = least_offloaded(&[40_000; 100], 0.1, 100_000.0, 0.2);
        assert!((slots - 2_980_000.0).abs() < 1.0, "{slots}");
    }

    proptest! {
        /// A faster worker and a later deadline never send more away, and nothing is lost.
        #[test]
        fn it_is_monotone(
            arrivals in prop::collection::vec(0_u32..1_000, 1..300),
            mu in 1.0..500_000.0_f64,
            more in 1.0..3.0_f64,
            slack in 0_u64..300,
            longer in 0_u64..300,
        ) {
            let all: f64 = arrivals.iter().map(|arrivals| f64::from(*arrivals)).sum();
            let (home, overflow) = of(&arrivals, mu, slack);
            prop_assert!((home + overflow - all).abs() < 1e-6 * all.max(1.0));
            let rounding = 1e-9 * all + 1e-9;
            prop_assert!(of(&arrivals, mu * more, slack).1 <= overflow + rounding);
            prop_assert!(of(&arrivals, mu, slack + longer).1 <= overflow + rounding);
        }
    }
}
