//! The burst operator by itself: what goes in comes out under its timestamp, once, on any number
//! of workers; a slow task does not hold the worker; epochs are counted by timestamp.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use floodway::operators::{Backpressure, Burst, BurstExt, Clock, EpochStats, Observer, Peers};
use floodway::policy::Deadline;
use floodway::task::{Code, Task};
use floodway::wire::Slots;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};
use timely::progress::Stamp;

/// Squares numbers, slowly if asked; multiples of 10 are bad.
struct Square(Duration);

impl Task for Square {
    type In = Vec<u64>;
    type Out = Vec<u64>;
    type Answers = Vec<u64>;

    fn name(&self) -> &str {
        "square"
    }

    fn results(&self, _: &Vec<u64>, range: &Range<usize>) -> Vec<u64> {
        Vec::with_capacity(range.len())
    }

    fn compute(
        &self,
        input: &Vec<u64>,
        range: Range<usize>,
        out: &mut Vec<u64>,
        bad: &mut Vec<(usize, Code)>,
    ) {
        for index in range {
            let began = Instant::now();
            match input[index] {
                n if n % 10 == 0 => bad.push((index, Code("ten".into()))),
                n => out.push(n * n),
            }
            while began.elapsed() < self.0 {
                std::hint::spin_loop();
            }
        }
    }

    fn answered(&self, answers: &Vec<u64>) -> usize {
        answers.len()
    }

    fn is_same(&self, results: &Vec<u64>, index: usize, one: &Vec<u64>) -> bool {
        results[index] == one[0]
    }

    fn assemble(
        &self,
        _: &Vec<u64>,
        range: Range<usize>,
        answers: &mut Vec<u64>,
        slots: &Slots<'_>,
        out: &mut Vec<u64>,
    ) {
        out.extend((0..range.len()).filter_map(|index| slots.get(index)).map(|slot| answers[slot]));
    }
}

type Seen<T> = Arc<Mutex<Vec<T>>>;

struct Epochs(Seen<(u64, EpochStats)>);

impl Observer<u64> for Epochs {
    fn epoch_completed(&mut self, epoch: &u64, stats: &EpochStats) {
        self.0.lock().unwrap().push((*epoch, *stats));
    }
}

/// What came out of a run: results and bad records by epoch, and the workers' epochs.
struct Out {
    results: BTreeMap<u64, Vec<u64>>,
    bad: BTreeMap<u64, Vec<u64>>,
    epochs: Vec<(u64, EpochStats)>,
}

fn time(stamp: &Stamp<u64>) -> u64 {
    *stamp.iter().next().expect("a message has a time")
}

/// Keeps results with their epochs.
fn keep(seen: Seen<(u64, u64)>) -> impl FnMut(Result<(&Stamp<u64>, &Vec<u64>), &[u64]>) {
    move |event| {
        if let Ok((stamp, results)) = event {
            seen.lock().unwrap().extend(results.iter().map(|result| (time(stamp), *result)));
        }
    }
}

/// Ten epochs of 100 numbers, dealt to the workers in turn.
fn run(workers: usize) -> Out {
    let results: Seen<(u64, u64)> = Seen::default();
    let bad: Seen<(u64, u64)> = Seen::default();
    let epochs: Seen<(u64, EpochStats)> = Seen::default();
    let all = (results.clone(), bad.clone(), epochs.clone());
    timely::execute(timely::Config::process(workers), move |worker| {
        let (results, bad, epochs) = all.clone();
        let mut input = InputHandle::new();
        let (me, peers) = (worker.index() as u64, worker.peers() as u64);
        let probe = worker.dataflow::<u64, _, _>(|scope| {
            let burst =
                Burst::local().epoch(Duration::from_millis(100)).observer(Epochs(epochs.clone()));
            let (squares, tens) = scope.input_from(&mut input).burst(Square(Duration::ZERO), burst);
            tens.inspect_core(move |event| {
                if let Ok((stamp, tens)) = event {
                    let of = tens.iter().map(|ten| (time(stamp), ten.record));
                    bad.lock().unwrap().extend(of);
                }
            });
            squares.inspect_core(keep(results)).probe().0
        });
        for epoch in 0..10 {
            for n in (epoch * 100..(epoch + 1) * 100).filter(|n| n % peers == me) {
                input.send(n);
            }
            input.advance_to(epoch + 1);
            while probe.less_than(&(epoch.saturating_sub(1))) {
                worker.step();
            }
        }
    })
    .unwrap()
    .join()
    .into_iter()
    .for_each(|end| end.unwrap());
    let by_epoch = |seen: Seen<(u64, u64)>| {
        let mut epochs = BTreeMap::<u64, Vec<u64>>::new();
        for (epoch, value) in seen.lock().unwrap().iter() {
            epochs.entry(*epoch).or_default().push(*value);
        }
        epochs.values_mut().for_each(|values| values.sort_unstable());
        epochs
    };
    let epochs = epochs.lock().unwrap().clone();
    Out { results: by_epoch(results), bad: by_epoch(bad), epochs }
}

#[test]
fn every_record_comes_out_once_under_its_timestamp() {
    for workers in [1, 2, 4] {
        let out = run(workers);
        for epoch in 0..10u64 {
            let numbers = epoch * 100..(epoch + 1) * 100;
            let good: Vec<u64> = numbers.clone().filter(|n| n % 10 != 0).map(|n| n * n).collect();
            let bad: Vec<u64> = numbers.filter(|n| n % 10 == 0).collect();
            assert_eq!(out.results[&epoch], good, "{workers} workers, epoch {epoch}");
            assert_eq!(out.bad[&epoch], bad, "{workers} workers, epoch {epoch}");
        }
    }
}

#[test]
fn every_worker_sees_the_offered_count_of_all_workers() {
    for workers in [1, 2, 4] {
        let out = run(workers);
        for epoch in 0..10u64 {
            let stats: Vec<EpochStats> =
                out.epochs.iter().filter(|(e, _)| *e == epoch).map(|(_, stats)| *stats).collect();
            assert_eq!(stats.len(), workers, "epoch {epoch} is published once by each worker");
            let mine: u64 = stats.iter().map(|stats| stats.offered.unwrap().mine).sum();
            assert_eq!(mine, 100);
            for stats in &stats {
                let offered = stats.offered.unwrap();
                assert_eq!((offered.total, offered.rate()), (100, 1_000.0));
                assert_eq!(stats.local + stats.bad, offered.mine);
            }
        }
    }
}

/// Law 3: the frontier of the results never passes an epoch that still has a result to come; and a
/// container that is long work is stopped inside, so that the worker's other operators run.
#[test]
fn a_slice_may_stop_inside_a_container_and_progress_waits_for_it() {
    timely::execute_directly(|worker| {
        let mut input = InputHandle::new();
        let events: Seen<Result<usize, Vec<u64>>> = Seen::default();
        let backpressure = Backpressure::new(1_000, 1 << 20);
        let log = events.clone();
        let held = backpressure.clone();
        let probe = worker.dataflow::<u64, _, _>(move |scope| {
            let burst = Burst::local().backpressure(&held).clock(Clock::default());
            let (results, _) =
                scope.input_from(&mut input).burst(Square(Duration::from_micros(100)), burst);
            input.send_batch(&mut (0..200).map(|n| n * 10 + 1).collect());
            input.advance_to(1);
            input.close();
            results
                .inspect_core(move |event| {
                    log.lock().unwrap().push(match event {
                        Ok((_, data)) => Ok(data.len()),
                        Err(frontier) => Err(frontier.to_vec()),
                    });
                })
                .probe()
                .0
        });
        let mut turns = 0;
        while !probe.done() {
            worker.step();
            turns += 1;
        }
        // 200 records of 100 µs are 20 ms: about 20 slices of a millisecond, each a turn.
        assert!(turns >= 15, "{turns} turns");
        let events = events.lock().unwrap();
        let results: usize = events.iter().filter_map(|event| event.as_ref().ok()).sum();
        assert_eq!(results, 200);
        let last_result = events.iter().rposition(|event| event.is_ok()).unwrap();
        let passed = events.iter().position(|event| matches!(event, Err(f) if !f.contains(&0)));
        assert!(passed.unwrap() > last_result, "the frontier passed before the last result");
        assert_eq!((backpressure.records(), backpressure.bytes()), (0, 0));
    });
}

/// One worker of two has nine tenths of the input, more than it can do: the other one does what it has
/// time for, and the results are the same, under their timestamps.
#[test]
fn an_idle_worker_computes_records_of_a_loaded_one() {
    const EPOCHS: u64 = 20;
    let (results, epochs): (Seen<(u64, u64)>, Seen<(u64, EpochStats)>) = Default::default();
    let bad: Seen<u64> = Seen::default();
    let all = (results.clone(), bad.clone(), epochs.clone(), Peers::default());
    timely::execute(timely::Config::process(2), move |worker| {
        let (results, bad, epochs, peers) = all.clone();
        let mut input = InputHandle::new();
        let me = worker.index() as u64;
        let probe = worker.dataflow::<u64, _, _>(|scope| {
            let burst = Burst::new(Deadline::new(200_000_000))
                .peers(&peers)
                .epoch(Duration::from_millis(10))
                .observer(Epochs(epochs));
            // 50 numbers are 10 ms of work.
            let task = Square(Duration::from_micros(200));
            let (squares, tens) = scope.input_from(&mut input).burst(task, burst);
            tens.inspect(move |ten| bad.lock().unwrap().push(ten.record));
            squares.inspect_core(keep(results)).probe().0
        });
        let began = Instant::now();
        for epoch in 0..EPOCHS {
            let mine = (epoch * 100..(epoch + 1) * 100).filter(|n| (n % 10 == 9) == (me == 1));
            mine.for_each(|n| input.send(n));
            input.advance_to(epoch + 1);
            while began.elapsed() < Duration::from_millis(10 * (epoch + 1)) {
                worker.step();
            }
        }
        input.close();
        while !probe.done() {
            worker.step_or_park(None);
        }
    })
    .unwrap()
    .join()
    .into_iter()
    .for_each(|end| end.unwrap());
    let mut results = results.lock().unwrap().clone();
    results.sort_unstable();
    let all = 0..EPOCHS * 100;
    let expected: Vec<_> = all.clone().filter(|n| n % 10 != 0).map(|n| (n / 100, n * n)).collect();
    assert!(results == expected, "{} results", results.len());
    let mut bad = bad.lock().unwrap().clone();
    bad.sort_unstable();
    assert!(bad.into_iter().eq(all.filter(|n| n % 10 == 0)), "each once, whoever found it");
    let peer: u64 = epochs.lock().unwrap().iter().map(|(_, stats)| stats.peer).sum();
    assert!(peer > 100, "{peer} of {} by the other one", results.len());
}
