//! Bids counted by auction in windows of ten seconds: the stateful operator beside a timely operator with a hash map that
//! is written for this alone. One worker, the same bids, nothing durable.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floodway::merge::Count;
use floodway::stateful::{EventTimesExt, WindowExt};
use floodway::window::{Lateness, Windows};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Input, Inspect, Operator, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Stream};

const BIDS: usize = 2_000_000;
/// Bids in a container.
const BATCH: usize = 1_000;
/// Bids in an epoch, which are a second of the stream.
const EPOCH: usize = 100_000;
const WINDOW: i64 = 10_000;

/// An auction and an event time.
type Bid = (u64, i64);

/// Bids for auctions of which a hundred are hot, as Nexmark's are, or all for one in two bids.
fn bids(hot: bool) -> Vec<Bid> {
    let mut random = SmallRng::seed_from_u64(1);
    let auction = |at: usize, random: &mut SmallRng| {
        let newest = 1_000 + at as u64 / 50;
        match (hot, random.random_bool(0.5)) {
            (true, true) => 7,
            (false, true) => newest / 100 * 100,
            _ => newest - random.random_range(0..1_000),
        }
    };
    let time = |at: usize| (at / (EPOCH / 1_000)) as i64;
    (0..BIDS).map(|at| (auction(at, &mut random), time(at))).collect()
}

/// Runs a dataflow over the bids, and returns what it counted.
fn run(
    bids: &[Bid],
    dataflow: impl for<'scope> Fn(
        Stream<'scope, u64, Vec<Bid>>,
    ) -> Stream<'scope, u64, Vec<(i64, u64, u64)>>
    + Send
    + Sync
    + 'static,
) -> u64 {
    let bids = bids.to_vec();
    timely::execute_directly(move |worker| {
        let (mut input, probe) = (InputHandle::new(), ProbeHandle::new());
        let counted = std::rc::Rc::new(std::cell::Cell::new(0));
        let sum = std::rc::Rc::clone(&counted);
        worker.dataflow::<u64, _, _>(|scope| {
            dataflow(scope.input_from(&mut input))
                .inspect(move |(_, _, count)| sum.set(sum.get() + count))
                .probe_with(&probe);
        });
        for (epoch, bids) in bids.chunks(EPOCH).enumerate() {
            for batch in bids.chunks(BATCH) {
                input.send_batch(&mut batch.to_vec());
                worker.step();
            }
            input.advance_to(epoch as u64 + 1);
            worker.step_while(|| probe.less_than(&(epoch as u64 + 1)));
        }
        input.close();
        worker.step_while(|| !probe.done());
        counted.get()
    })
}

/// A hash map of each window, which closes when the frontier says that its last second is over.
fn by_hand<'scope>(
    bids: Stream<'scope, u64, Vec<Bid>>,
) -> Stream<'scope, u64, Vec<(i64, u64, u64)>> {
    let by_auction = Exchange::new(|bid: &Bid| bid.0);
    bids.unary_frontier::<CapacityContainerBuilder<_>, _, _, _>(by_auction, "Count", |first, _| {
        let mut held = Some(first);
        let mut windows: BTreeMap<i64, HashMap<u64, u64, rustc_hash::FxBuildHasher>> =
            BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each(|_, bids: &mut Vec<Bid>| {
                for (auction, time) in bids.drain(..) {
                    let window = windows.entry(time.div_euclid(WINDOW)).or_default();
                    *window.entry(auction).or_default() += 1;
                }
            });
            let Some(capability) = &mut held else { return };
            let reached = frontier.frontier().first().copied();
            let seconds = reached.map_or(i64::MAX, |epoch| epoch as i64);
            while let Some(window) = windows.first_entry() {
                if (*window.key()).saturating_add(1).saturating_mul(WINDOW / 1_000) > seconds {
                    break;
                }
                let (start, counts) = window.remove_entry();
                let counts =
                    counts.into_iter().map(|(auction, count)| (start * WINDOW, auction, count));
                output.session(capability).give_iterator(counts);
            }
            match reached {
                Some(epoch) => capability.downgrade(&epoch),
                None => held = None,
            }
        }
    })
}

fn windows<'scope>(
    bids: Stream<'scope, u64, Vec<Bid>>,
) -> Stream<'scope, u64, Vec<(i64, u64, u64)>> {
    let windows = Windows::tumbling(Duration::from_millis(WINDOW as u64)).expect("it is a length");
    let (bids, times) = bids.event_times(Lateness::default(), |bid| bid.1);
    let rows = bids.map(|bid| (bid, Count(1)));
    let closed = rows.windows(&times, windows).results;
    closed.map(|window| (window.start, window.key, window.value.0))
}

fn count(c: &mut Criterion) {
    let mut group = c.benchmark_group("windows");
    group.throughput(Throughput::Elements(BIDS as u64)).sample_size(10);
    for (name, hot) in [("nexmark", false), ("hot", true)] {
        let bids = bids(hot);
        assert_eq!(run(&bids, by_hand), BIDS as u64);
        assert_eq!(run(&bids, windows), BIDS as u64);
        group.bench_function(format!("by_hand/{name}"), |b| b.iter(|| run(&bids, by_hand)));
        group.bench_function(format!("windows/{name}"), |b| b.iter(|| run(&bids, windows)));
    }
    group.finish();
}

criterion_group!(benches, count);
criterion_main!(benches);
