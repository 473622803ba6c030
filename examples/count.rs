//! Words of Nexmark events, counted by differential dataflow: a stateful operator behind a burst.
//! What is counted in each epoch does not depend on where the words were split, or when they came
//! back: that is what timestamps and capabilities are for. Runs under three policies with a Lambda
//! that fails every fifth time, and compares.
//!
//!     cargo run --example count -- -w 2

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use differential_dataflow::AsCollection;
use differential_dataflow::operators::CountTotal;
use floodway::batch::Batch;
use floodway::bridge::{self, Bridge};
use floodway::emulator::{Model, Server};
use floodway::nexmark::{Config, Generator};
use floodway::operators::{Burst, BurstExt};
use floodway::policy::{Local, Policy, Remote, Threshold};
use floodway::schedule::{Schedule, Shape};
use floodway::task;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Input;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::{InputHandle, ProbeHandle};

const EPOCHS: u64 = 20;
const EVENTS_AN_EPOCH: u64 = 500;

/// Changes of the counts: (epoch, word, count) to how often.
type Changes = BTreeMap<(u64, String, isize), isize>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model {
        network: Duration::from_millis(3),
        cold_start: Duration::from_millis(5),
        failure_rate: 0.2,
        ..Model::default()
    };
    let lambda = Server::start(TcpListener::bind("127.0.0.1:0")?, model)?;
    let bridge =
        Bridge::start(bridge::Settings { endpoint: lambda.url().parse()?, ..Default::default() })?;

    let local = count(&bridge, || Box::new(Local))?;
    let remote = count(&bridge, || Box::new(Remote))?;
    let threshold = count(&bridge, || Box::new(Threshold::new(1_000.0)))?;
    assert!(local == remote && local == threshold, "the counts differ");

    let last = local.keys().next_back().map_or(0, |(epoch, ..)| *epoch);
    println!(
        "the same {} changes of counts in {} epochs under all policies",
        local.len(),
        last + 1
    );
    println!("{} words were split remotely", bridge.counters().records_done);
    Ok(())
}

/// The changes of the counts, epoch by epoch, with the words split where `policy` says.
fn count(
    bridge: &Bridge,
    policy: impl Fn() -> Box<dyn Policy> + Send + Sync + 'static,
) -> Result<Changes, String> {
    let changes = Arc::new(Mutex::new(Changes::new()));
    let (all, bridge) = (Arc::clone(&changes), bridge.clone());
    timely::execute_from_args(std::env::args(), move |worker| {
        let mut input: InputHandle<u64, NoopBuilder<Batch>> = InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        let changes = Arc::clone(&all);
        worker.dataflow::<u64, _, _>(|scope| {
            let events = scope.input_from(&mut input);
            let burst = Burst::new(policy()).remote(&bridge).epoch(Duration::from_millis(100));
            let words = task::text("words", Duration::ZERO).expect("it is built in");
            let (tokens, _bad) = events.burst(words, burst);
            tokens
                .unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, "Split", |_, _| {
                    |input, output| {
                        input.for_each(|capability, lines: &mut Batch| {
                            let Some(&epoch) = capability.least() else { return };
                            let mut session = output.session(&capability);
                            for line in 0..lines.len() {
                                let words = lines.strings.text(line).split(' ');
                                session.give_iterator(
                                    words.map(|word| (word.to_owned(), epoch, 1_isize)),
                                );
                            }
                        });
                    }
                })
                .as_collection()
                .count_total()
                .inspect(move |((word, count), epoch, change)| {
                    let mut changes = changes.lock().expect("nothing panics with it");
                    *changes.entry((*epoch, word.clone(), *count)).or_default() += change;
                })
                .probe_with(&probe);
        });

        let schedule = Schedule::new(Shape::Constant, 10_000.0, 10_000.0, 0).expect("it is one");
        let generator = Generator::new(Config::default(), 7, Arc::new(schedule));
        let (me, workers) = (worker.index() as u64, worker.peers() as u64);
        for epoch in 0..EPOCHS {
            let share = EVENTS_AN_EPOCH / workers;
            let first = epoch * EVENTS_AN_EPOCH + me * share;
            let end = if me + 1 == workers { (epoch + 1) * EVENTS_AN_EPOCH } else { first + share };
            let mut batch = Batch::default();
            generator.fill(first..end, &mut batch);
            input.send_batch(&mut batch);
            input.advance_to(epoch + 1);
            // One epoch may be in flight while the next one arrives.
            while probe.less_than(&epoch) {
                worker.step_or_park(None);
            }
        }
    })?;
    let changes = std::mem::take(&mut *changes.lock().expect("nothing panics with it"));
    Ok(changes.into_iter().filter(|(_, change)| *change != 0).collect())
}
