//! The operator in your own timely program: typed records, of which what is in excess of a
//! threshold is computed by a function.
//!
//!     cargo run --example burst
//!     cargo run --example burst -- -w 2

use std::net::TcpListener;
use std::sync::Arc;

use floodway::bridge::{self, Bridge};
use floodway::emulator::{self, Model, Server};
use floodway::operators::{Burst, BurstExt};
use floodway::policy::Spill;
use floodway::task;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Inspect, ToStream};

/// How many steps a number takes to 1. The function in the cloud computes the same.
fn collatz(n: &u64) -> u32 {
    std::iter::successors(Some(*n), |&n| Some(if n % 2 == 0 { n / 2 } else { 3 * n + 1 }))
        .position(|n| n == 1)
        .unwrap_or(0) as u32
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Your function has a URL; this example uses a local Lambda instead.
    let function = Arc::new(emulator::function("collatz", |n: &u64| Ok((*n, collatz(n)))));
    let lambda = Server::hosting(TcpListener::bind("127.0.0.1:0")?, Model::default(), function)?;
    // This is over before a start-up probe would be back, and nothing is sent before.
    let settings = bridge::Settings {
        endpoint: lambda.url().parse()?,
        probes_at_start: false,
        ..Default::default()
    };
    let bridge = Bridge::start(settings)?;

    let bridge_of_all = bridge.clone();
    timely::execute_from_args(std::env::args(), move |worker| {
        let (workers, index) = (worker.peers(), worker.index());
        worker.dataflow::<u64, _, _>(|scope| {
            // 100,000 records at once. What one epoch of 100 ms is given, 20,000, stays; of the others
            // goes what the remote side takes before the worker gets to it.
            let spill = Spill::new(200_000.0, 100_000_000, workers);
            let burst = Burst::new(spill).remote(&bridge_of_all);
            let task = task::function("collatz", |n: &u64| Ok((*n, collatz(n))));

            let mine = (1..=100_000_u64).filter(move |n| *n as usize % workers == index);
            let (results, _bad) = mine.to_stream(scope).container::<Vec<_>>().burst(task, burst);

            let mut longest = (0, 0);
            results.map(|(n, steps)| (steps, n)).inspect(move |&found| {
                if found > longest {
                    longest = found;
                    println!("worker {index}: {} takes {} steps", found.1, found.0);
                }
            });
        });
    })?;
    let counters = bridge.counters();
    println!("{} of 100000 were done remotely", counters.records_done);
    println!("in {} requests", counters.requests);
    Ok(())
}
