//! What the benches share: Nexmark batches, clocks, and a dataflow that is fed with them.
#![allow(dead_code)]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use floodway::batch::Batch;
use floodway::bridge::{self, Bridge};
use floodway::emulator::{Model, Server};
use floodway::nexmark::{Config, Generator};
use floodway::operators::{Burst, BurstExt as _};
use floodway::schedule::{Schedule, Shape};
use floodway::task::TextTask;
use rustix::time::{ClockId, clock_gettime};
use timely::container::NoopBuilder;
use timely::dataflow::operators::{Input as _, Probe as _};
use timely::dataflow::{InputHandle, ProbeHandle};

pub fn generator() -> Generator {
    let schedule = Schedule::new(Shape::Constant, 10_000.0, 10_000.0, 0).expect("a schedule");
    Generator::new(Config::default(), 1, Arc::new(schedule))
}

/// Batches of `records` Nexmark events.
pub fn batches(count: u64, records: u64) -> Vec<Batch> {
    let generator = generator();
    let batch = |number: u64| {
        let mut batch = Batch::default();
        generator.fill(number * records..(number + 1) * records, &mut batch);
        batch
    };
    (0..count).map(batch).collect()
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of this thread.
pub fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// CPU time of all threads.
pub fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// A local Lambda without a network between, and the bridge to it.
pub fn loopback() -> (Server, Bridge) {
    let model = Model { network: Duration::ZERO, cold_start: Duration::ZERO, ..Model::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let lambda = Server::start(listener, model).expect("threads");
    // As many as these benchmarks have in flight at once, so that no record is done locally for want of room.
    let settings = bridge::Settings {
        endpoint: lambda.url().parse().expect("a URL"),
        initial_in_flight: 100,
        ..Default::default()
    };
    let bridge = Bridge::start(settings).expect("a thread");
    (lambda, bridge)
}

/// Sends `batches` through a burst, `rounds` times, on one worker, which is this thread; answers
/// the CPU time that it took in this process.
pub fn through_burst(
    batches: &[Batch],
    rounds: u64,
    task: &TextTask,
    burst: impl Fn() -> Burst<u64, Batch> + Send + Sync + 'static,
) -> Duration {
    let (batches, task) = (batches.to_vec(), task.clone());
    timely::execute_directly(move |worker| {
        let mut input: InputHandle<u64, NoopBuilder<Batch>> = InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        worker.dataflow::<u64, _, _>(|scope| {
            let (results, _) = scope.input_from(&mut input).burst(task, burst());
            results.probe_with(&probe);
        });
        let mut spent = Duration::ZERO;
        for round in 0..rounds {
            let mut copies = batches.clone();
            let began = thread_cpu();
            for batch in &mut copies {
                input.send_batch(batch);
            }
            input.advance_to(round + 1);
            while probe.less_than(input.time()) {
                worker.step_or_park(None);
            }
            spent += thread_cpu() - began;
        }
        spent
    })
}
