//! A chain of two bursts, and which of them is the bottleneck: orders are parsed, each has three items, and
//! each item is scored. In the first run everything is done locally, and the table says which stage is the
//! bottleneck and how much of it would have to be done remotely. In the second run that stage alone may send
//! records that would be late.
//!
//!     cargo run --example chain
//!     cargo run --example chain -- -w 2
//!
//! In the table, `a record` is the useful time for one, `needs` the workers that a stage would take with nothing done
//! remotely, and `held` the records that wait or are in flight.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::bridge::{self, Bridge};
use floodway::emulator::{self, Model, Server};
use floodway::operators::{Backpressure, Burst, BurstExt, ChainLoad, Stages};
use floodway::policy::Deadline;
use floodway::task;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};

const EPOCH: Duration = Duration::from_millis(100);
const EPOCHS: u64 = 20;
/// The time from the arrival of an order until its result is due.
const DEADLINE: Duration = Duration::from_millis(200);
/// Orders a second, for each worker: more than it can score.
const ORDERS: u64 = 5_000;

/// Work that takes `time` of a worker.
fn work(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The function's own machines would do the work; this function only answers.
    let function = Arc::new(emulator::function("score", |item: &u64| Ok(item % 100)));
    let lambda = Server::hosting(TcpListener::bind("127.0.0.1:0")?, Model::default(), function)?;
    let bridge =
        Bridge::start(bridge::Settings { endpoint: lambda.url().parse()?, ..Default::default() })?;

    println!("all of it locally:\n{}\n", run(None)?);
    println!("the scores may be sent:\n{}", run(Some(bridge))?);
    Ok(())
}

/// Runs two seconds of orders and measures the second one. Scores may be sent by `bridge`.
fn run(bridge: Option<Bridge>) -> Result<ChainLoad, String> {
    let stages = Stages::new();
    let watched = stages.clone();
    timely::execute_from_args(std::env::args(), move |worker| {
        let mut input: InputHandle<u64, _> = InputHandle::new();
        let probe = ProbeHandle::new();
        // One bound for both: what the source waits for is all that this worker holds.
        let backpressure = Backpressure::new(50_000, 64 << 20);
        worker.dataflow::<u64, _, _>(|scope| {
            let parse = task::function("parse", |order: &u64| {
                work(Duration::from_micros(10));
                Ok(*order)
            });
            let score = task::function("score", |item: &u64| {
                work(Duration::from_micros(100));
                Ok(item % 100)
            });
            let parsing = Burst::local()
                .epoch(EPOCH)
                .backpressure(&backpressure)
                .observer(watched.observer("parse"));
            let scoring = Burst::new(Deadline::new(DEADLINE.as_nanos() as u64))
                .deadline(DEADLINE)
                .epoch(EPOCH)
                .backpressure(&backpressure)
                .observer(watched.observer("score"));
            let scoring = match &bridge {
                Some(bridge) => scoring.remote(bridge),
                None => scoring,
            };
            let (orders, _bad) = scope.input_from(&mut input).burst(parse, parsing);
            let items = orders.flat_map(|order| [order, order + 1, order + 2]);
            let (scores, _bad) = items.burst(score, scoring);
            scores.probe_with(&probe);
        });
        let began = Instant::now();
        for epoch in 0..EPOCHS {
            if worker.index() == 0 && epoch == EPOCHS / 2 {
                // The measurement starts now: by this epoch the policy has kept records until their last safe moment.
                watched.measure();
            }
            for order in 0..ORDERS / 10 {
                while backpressure.is_high() {
                    worker.step_or_park(Some(Duration::from_millis(1)));
                }
                input.send(order);
            }
            input.advance_to(epoch + 1);
            let until = began + EPOCH * (epoch as u32 + 1);
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                worker.step_or_park(Some(left));
            }
        }
        // The load is that of the measured second; the rest of the records is done without being measured.
        let loads = (worker.index() == 0).then(|| watched.measure());
        drop(input);
        while !probe.done() {
            worker.step_or_park(None);
        }
        loads
    })?
    .join()
    .into_iter()
    .filter_map(Result::transpose)
    .next()
    .unwrap_or_else(|| Err("no worker 0 in this process".to_owned()))
}
