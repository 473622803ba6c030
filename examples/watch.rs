//! A burst that is observed from the library: how many records each epoch had and where they were done, how many
//! the worker holds, how fast it is, and the backpressure that a source of your own would wait for.
//!
//!     cargo run --example watch

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use floodway::bridge::{self, Bridge};
use floodway::emulator::{self, Model, Server};
use floodway::operators::{Backpressure, Burst, BurstExt, EpochStats, Observer};
use floodway::policy::Spill;
use floodway::task;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};

/// Prints a line an epoch.
struct Watch {
    true_rate: f64,
    most_held: usize,
}

impl Observer<u64> for Watch {
    fn backlog(&mut self, queued: usize, in_flight: usize) {
        self.most_held = self.most_held.max(queued + in_flight);
    }

    fn true_rate(&mut self, records_per_second: f64) {
        self.true_rate = records_per_second;
    }

    fn epoch_completed(&mut self, epoch: &u64, stats: &EpochStats) {
        let offered = stats.offered.map_or(0.0, |offered| offered.rate());
        let EpochStats { local, remote, returned, .. } = stats;
        println!(
            "epoch {epoch:2}: offered {offered:6.0}/s, done {local:4} locally, {remote:4} remotely, \
             {returned} returned; this worker does {:.0}/s and held {} at most",
            self.true_rate, self.most_held
        );
        self.most_held = 0;
    }
}

/// Half a millisecond of work: one worker does 2,000 a second.
fn work(n: &u64) -> u64 {
    let began = Instant::now();
    while began.elapsed() < Duration::from_micros(500) {
        std::hint::spin_loop();
    }
    n * n
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let function = Arc::new(emulator::function("square", |n: &u64| Ok(n * n)));
    let lambda = Server::hosting(TcpListener::bind("127.0.0.1:0")?, Model::default(), function)?;
    let bridge =
        Bridge::start(bridge::Settings { endpoint: lambda.url().parse()?, ..Default::default() })?;

    timely::execute_from_args(std::env::args(), move |worker| {
        let mut input: InputHandle<u64, CapacityContainerBuilder<Vec<u64>>> =
            InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        // A source stops when the operator holds a thousand records, and goes on when it is less.
        let backpressure = Backpressure::new(1_000, 1 << 20);
        let epoch = Duration::from_millis(100);
        let peers = worker.peers();
        worker.dataflow::<u64, _, _>(|scope| {
            let burst = Burst::new(Spill::new(1_000.0, epoch.as_nanos() as u64, peers))
                .remote(&bridge)
                .epoch(epoch)
                .backpressure(&backpressure)
                .observer(Watch { true_rate: 0.0, most_held: 0 });
            let square = task::function("square", |n: &u64| Ok(work(n)));
            let (squares, _bad) = scope.input_from(&mut input).burst(square, burst);
            squares.probe_with(&probe);
        });

        // 500 records a second, and 5,000 in the epochs 5 to 9: more than the worker does.
        let began = Instant::now();
        let mut waited = 0;
        for number in 0..15 {
            let records = if (5..10).contains(&number) { 500 } else { 50 };
            for record in 0..records {
                while backpressure.is_high() {
                    waited += 1;
                    worker.step_or_park(Some(Duration::from_millis(1)));
                }
                input.send(record);
            }
            input.advance_to(number + 1);
            let until = began + epoch * (number as u32 + 1);
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                worker.step_or_park(Some(left));
            }
        }
        drop(input);
        while !probe.done() {
            worker.step_or_park(None);
        }
        println!("the source looked {waited} times at a high pressure");
    })?;
    Ok(())
}
