//! Partial aggregates by the burst operator itself: the merged rows, the bad records and the counts are those of the
//! records, whoever computes their chunks, on any number of workers.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use floodway::bridge::{Bridge, Endpoint, Settings};
use floodway::emulator::{Model, Setup};
use floodway::merge::{Count, Merge, Sum};
use floodway::operators::{AggregateExt, Backpressure, Burst, EpochStats, Observer, Peers};
use floodway::policy::{Deadline, Policy, Remote};
use floodway::task::{self, Code, Rows};
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};
use timely::progress::Stamp;

use crate::common::within_tries;

const EPOCHS: u64 = 20;
/// Numbers of an epoch. On two workers, one has 270 and the other one 30.
const NUMBERS: u64 = 300;

/// How many numbers there are, and their sum.
type Sums = (Count, Sum);

/// The sums of the numbers by their last digits. A number takes `work`; multiples of 13 are bad.
fn digits(work: Duration) -> impl Fn(&u64, &mut Rows<u64, Sums>) -> Result<(), Code> + Send + Sync {
    move |number, rows| {
        let began = Instant::now();
        rows.add(number % 10, (Count(1), Sum::from(*number as i64)));
        while began.elapsed() < work {
            std::hint::spin_loop();
        }
        if number.is_multiple_of(13) { Err(Code("thirteen".into())) } else { Ok(()) }
    }
}

/// What an operator has told.
#[derive(Default)]
struct Told {
    received: usize,
    computed: usize,
    bad: usize,
    epochs: Vec<(u64, EpochStats)>,
}

struct Teller(Arc<Mutex<Told>>);

impl Observer<u64> for Teller {
    fn received(&mut self, records: usize) {
        self.0.lock().unwrap().received += records;
    }

    fn computed(&mut self, records: usize, _: Duration) {
        self.0.lock().unwrap().computed += records;
    }

    fn bad(&mut self, records: usize) {
        self.0.lock().unwrap().bad += records;
    }

    fn epoch_completed(&mut self, epoch: &u64, stats: &EpochStats) {
        self.0.lock().unwrap().epochs.push((*epoch, *stats));
    }
}

fn time(stamp: &Stamp<u64>) -> u64 {
    *stamp.iter().next().expect("a message has a time")
}

/// How the records of a run are computed.
#[derive(Clone)]
struct How {
    workers: usize,
    work: Duration,
    /// Whether an epoch lasts 10 ms, and not as long as its records take.
    is_timed: bool,
    bridge: Option<Bridge>,
    peers: Peers,
    policy: fn() -> Box<dyn Policy>,
}

/// Runs all epochs, and checks the rows, the bad records and the counts. Returns what the operators have told.
fn run(how: How) -> Told {
    let workers = how.workers;
    let (told, bad) = (Arc::new(Mutex::new(Told::default())), Arc::new(Mutex::new(Vec::new())));
    let sums = Arc::new(Mutex::new(BTreeMap::<(u64, u64), Sums>::new()));
    let all = (told.clone(), bad.clone(), sums.clone());
    timely::execute(timely::Config::process(workers), move |worker| {
        let (told, bad, sums) = all.clone();
        let How { work, is_timed, bridge, peers, policy, .. } = how.clone();
        let mut input = InputHandle::new();
        let (me, of) = (worker.index() as u64, worker.peers() as u64);
        let backpressure = Backpressure::new(1_000_000, 1 << 30);
        let probe = worker.dataflow::<u64, _, _>(|scope| {
            let mut burst = Burst::new(policy())
                .peers(&peers)
                .backpressure(&backpressure)
                .epoch(Duration::from_millis(10))
                .observer(Teller(told));
            if let Some(bridge) = &bridge {
                burst = burst.remote(bridge);
            }
            let (rows, thirteens) = scope
                .input_from(&mut input)
                .aggregate(task::aggregate("digits", digits(work)), burst);
            thirteens.inspect_core(move |event| {
                let Ok((stamp, thirteens)) = event else { return };
                let of = thirteens.iter().map(|it| (time(stamp), it.record, it.code.clone()));
                bad.lock().unwrap().extend(of);
            });
            let rows = rows.inspect_core(move |event| {
                let Ok((stamp, rows)) = event else { return };
                let mut sums = sums.lock().unwrap();
                for (key, value) in rows {
                    let sum = sums.entry((time(stamp), *key)).or_insert((Count(0), Sum::default()));
                    sum.merge(*value);
                }
            });
            rows.probe().0
        });
        let began = Instant::now();
        for epoch in 0..EPOCHS {
            let owner = |number: u64| if number % 10 == 9 { 1 % of } else { 0 };
            let numbers = epoch * NUMBERS..(epoch + 1) * NUMBERS;
            numbers.filter(|number| owner(*number) == me).for_each(|number| input.send(number));
            input.advance_to(epoch + 1);
            let is_over = || began.elapsed() >= Duration::from_millis(10 * (epoch + 1));
            while if is_timed { !is_over() } else { probe.less_than(&(epoch + 1)) } {
                worker.step();
            }
        }
        input.close();
        while !probe.done() {
            worker.step_or_park(None);
        }
        assert_eq!((backpressure.records(), backpressure.bytes()), (0, 0));
    })
    .unwrap()
    .join()
    .into_iter()
    .for_each(|end| end.unwrap());

    let mut expected = BTreeMap::new();
    let (thirteens, good): (Vec<u64>, Vec<u64>) =
        (0..EPOCHS * NUMBERS).partition(|number| number.is_multiple_of(13));
    for number in &good {
        let sum =
            expected.entry((number / NUMBERS, number % 10)).or_insert((Count(0), Sum::default()));
        sum.merge((Count(1), Sum::from(*number as i64)));
    }
    assert_eq!(*sums.lock().unwrap(), expected);
    let mut bad = std::mem::take(&mut *bad.lock().unwrap());
    bad.sort_by_key(|(_, number, _)| *number);
    let letters = thirteens.iter().map(|it| (it / NUMBERS, *it, Code("thirteen".into())));
    assert!(bad.into_iter().eq(letters), "each bad record once, under its timestamp");

    let told = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(told.received as u64, EPOCHS * NUMBERS);
    assert_eq!(told.bad, thirteens.len());
    let sum = |of: fn(&EpochStats) -> u64| told.epochs.iter().map(|(_, it)| of(it)).sum::<u64>();
    assert_eq!(sum(|it| it.local + it.peer + it.remote + it.returned), good.len() as u64);
    assert_eq!(sum(|it| it.bad), thirteens.len() as u64);
    assert_eq!(sum(|it| it.offered.unwrap().mine), EPOCHS * NUMBERS, "in records, not in chunks");
    for (epoch, stats) in told.epochs.iter().filter(|(epoch, _)| *epoch < EPOCHS) {
        assert_eq!(stats.offered.unwrap().total, NUMBERS, "epoch {epoch}");
    }
    told
}

fn local(workers: usize) -> How {
    let policy = || Box::new(floodway::policy::Local) as Box<dyn Policy>;
    let (work, peers) = (Duration::ZERO, Peers::default());
    How { workers, work, is_timed: false, bridge: None, peers, policy }
}

#[test]
fn rows_and_bad_records_are_those_of_the_records_on_any_number_of_workers() {
    for workers in [1, 2, 4] {
        let told = run(local(workers));
        assert_eq!(told.computed as u64, EPOCHS * NUMBERS);
    }
}

#[test]
fn a_failing_function_computes_chunks_and_the_rest_is_computed_here() {
    let failing = Model { failure_rate: 0.2, throttle_rate: 0.05, ..Model::default() };
    let model = Model {
        network: Duration::from_millis(1),
        cold_start: Duration::from_millis(1),
        ..failing
    };
    let setup =
        Setup::new(model).function(Arc::new(task::aggregate("digits", digits(Duration::ZERO))));
    let server = setup.serve(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let settings = Settings {
        endpoint: Endpoint::url(&server.url()).unwrap(),
        batch_records: 3,
        attempts: 2,
        linger: Duration::from_millis(1),
        verify: 0.2,
        ..Settings::default()
    };
    let bridge = Bridge::start(settings).unwrap();
    for workers in [1, 2, 4] {
        within_tries("remote results", || {
            let policy = || Box::new(Remote) as Box<dyn Policy>;
            let told =
                run(How { bridge: Some(bridge.clone()), policy, is_timed: true, ..local(workers) });
            let remote: u64 = told.epochs.iter().map(|(_, stats)| stats.remote).sum();
            if remote > 0 { Ok(()) } else { Err("nothing was computed remotely".to_owned()) }
        });
    }
}

#[test]
fn an_idle_worker_computes_chunks_of_a_loaded_one() {
    let policy = || Box::new(Deadline::new(200_000_000)) as Box<dyn Policy>;
    // The 270 numbers of an epoch are 13.5 ms of work, and an epoch has 10 ms.
    let work = Duration::from_micros(50);
    within_tries("records of the idle worker", || {
        let told = run(How { work, policy, is_timed: true, ..local(2) });
        let peer: u64 = told.epochs.iter().map(|(_, stats)| stats.peer).sum();
        if peer > 100 { Ok(()) } else { Err(format!("{peer} records of a peer")) }
    });
}
