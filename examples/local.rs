//! The same pipeline as `burst`, without bursting: everything is done locally, and there is no remote side.
//!
//!     cargo run --example local -- -w 2

use floodway::operators::{Burst, BurstExt};
use floodway::task;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Inspect, ToStream};

/// How many steps a number takes to 1.
fn collatz(n: &u64) -> u32 {
    std::iter::successors(Some(*n), |&n| Some(if n % 2 == 0 { n / 2 } else { 3 * n + 1 }))
        .position(|n| n == 1)
        .unwrap_or(0) as u32
}

fn main() -> Result<(), String> {
    timely::execute_from_args(std::env::args(), |worker| {
        let (workers, index) = (worker.peers(), worker.index());
        worker.dataflow::<u64, _, _>(|scope| {
            let task = task::function("collatz", |n: &u64| Ok((*n, collatz(n))));
            let mine = (1..=100_000_u64).filter(move |n| *n as usize % workers == index);
            let (results, _bad) =
                mine.to_stream(scope).container::<Vec<_>>().burst(task, Burst::local());

            let mut longest = (0, 0);
            results.map(|(n, steps)| (steps, n)).inspect(move |&found| {
                if found > longest {
                    longest = found;
                    println!("worker {index}: {} takes {} steps", found.1, found.0);
                }
            });
        });
    })?;
    Ok(())
}
