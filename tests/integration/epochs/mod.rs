//! A dataflow that is a sink and next to nothing else: numbers in epochs, each a line, some of them
//! bad records.
#![allow(dead_code)]

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use floodway::batch::{Batch, Numbers, TextRecord};
use floodway::sink::{CommitExt as _, Manifest, Publish, Settings, SinkError, SinkHandle};
use floodway::task::{Bad, Code};
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator as _;
use timely::dataflow::operators::vec::Map as _;
use timely::dataflow::operators::{Input as _, Probe as _};
use timely::dataflow::{InputHandle, ProbeHandle, Stream};
use timely::worker::Worker;

/// Epochs of a run, lines of an epoch on each worker, epochs that are committed together.
pub const EPOCHS: u64 = 6;
pub const LINES: u64 = 40;
pub const GROUP: u64 = 2;

/// The number of line `line` of `epoch` on worker `index`.
fn number(epoch: u64, index: u64, line: u64) -> u64 {
    epoch * 1_000 + index * 100 + line
}

/// All numbers of epochs up to `last` of `workers` workers, without the bad ones.
pub fn whole(workers: u64, last: Option<u64>) -> Vec<u64> {
    let epochs = last.map_or(0..0, |last| 0..(last + 1).min(EPOCHS));
    let of_epoch = |epoch| (0..workers).map(move |index| (epoch, index));
    let mut numbers: Vec<u64> = epochs
        .flat_map(of_epoch)
        .flat_map(|(epoch, index)| (0..LINES).map(move |line| (line, number(epoch, index, line))))
        .filter_map(|(line, number)| (line != 2).then_some(number))
        .collect();
    numbers.sort_unstable();
    numbers
}

/// How epochs are written.
#[derive(Clone, Default)]
pub struct Way {
    /// Bytes that each line is made longer by.
    pub pad: usize,
    /// Called after each epoch was handed in.
    pub between: Option<Arc<dyn Fn(u64, &mut Worker) + Send + Sync>>,
    /// Who publishes what is committed.
    pub publish: Option<Arc<Mutex<Option<Box<dyn Publish>>>>>,
}

/// Commits the epochs from the first one that is not committed on, from all workers; each worker's
/// third line of an epoch is bad. Answers what went wrong, if anything did.
pub fn write(timely: timely::Config, settings: Settings, way: Way) -> Result<(), SinkError> {
    let first = settings.resumed.as_ref().map_or(0, |manifest| manifest.next_epoch());
    let error = Arc::new(Mutex::new(None));
    let failed = Arc::clone(&error);
    let on_failure = Arc::new(move |error| *failed.lock().unwrap() = Some(error));
    let group = settings.epochs_a_group;
    let publish = way.publish.as_ref().and_then(|publish| publish.lock().unwrap().take());
    let sink = match publish {
        Some(publish) => SinkHandle::start_publishing(settings, publish, on_failure)?,
        None => SinkHandle::start(settings, on_failure)?,
    };
    let failed = Arc::clone(&error);
    let ending = sink.clone();
    let guards = timely::execute(timely, move |worker| {
        let has_failed = || failed.lock().unwrap().is_some();
        let index = worker.index() as u64;
        let mut good: InputHandle<u64, _> = InputHandle::new_with_builder();
        let mut bad: InputHandle<u64, _> = InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        worker.dataflow::<u64, _, _>(|scope| {
            let good = scope.input_from::<CapacityContainerBuilder<Vec<u64>>>(&mut good);
            let bad = scope.input_from::<CapacityContainerBuilder<Vec<u64>>>(&mut bad);
            lines(good, way.pad).commit_to(letters(bad), &sink).probe_with(&probe);
        });
        good.advance_to(first);
        bad.advance_to(first);
        for epoch in first..EPOCHS {
            for line in 0..LINES {
                let input = if line == 2 { &mut bad } else { &mut good };
                input.send(number(epoch, index, line));
            }
            good.advance_to(epoch + 1);
            bad.advance_to(epoch + 1);
            if let Some(between) = &way.between {
                between(epoch, worker);
            }
            while probe.less_than(&(epoch / group * group)) && !has_failed() {
                worker.step_or_park(Some(Duration::from_millis(1)));
            }
        }
        drop((good, bad));
        while !probe.done() && !has_failed() {
            worker.step_or_park(Some(Duration::from_millis(1)));
        }
        if has_failed() {
            worker.installed_dataflows().into_iter().for_each(|id| worker.drop_dataflow(id));
        }
    });
    drop(guards.unwrap());
    if error.lock().unwrap().is_some() {
        // The end of a process would end a commit that has begun. Here the next run has to wait for it.
        let _ = ending.give_up(Duration::from_secs(60));
    }
    error.lock().unwrap().take().map_or(Ok(()), Err)
}

type Numbers64<'scope> = Stream<'scope, u64, Vec<u64>>;

/// Numbers as lines.
fn lines(numbers: Numbers64<'_>, pad: usize) -> Stream<'_, u64, Batch> {
    numbers.unary::<NoopBuilder<Batch>, _, _, _>(Pipeline, "Lines", move |_, _| {
        move |input, output| {
            input.for_each(|capability, numbers: &mut Vec<u64>| {
                let mut batch = Batch::default();
                for number in numbers.iter() {
                    batch.strings.push(&format!("line {number}{}", "x".repeat(pad)));
                }
                batch.numbers = Numbers::Each(std::mem::take(numbers));
                output.session_with_builder(&capability).give_container(&mut batch);
            });
        }
    })
}

/// Numbers as bad records.
fn letters(numbers: Numbers64<'_>) -> Stream<'_, u64, Vec<Bad<TextRecord>>> {
    numbers.map(|number| {
        let record = TextRecord { label: None, number: Some(number), bytes: b"bad".to_vec() };
        Bad { record, code: Code::TOO_LONG }
    })
}

/// What a careful reader sees: the numbers in the files that the manifest names.
pub fn committed(dir: &Path, manifest: &Manifest) -> Vec<u64> {
    let mut numbers = Vec::new();
    for file in manifest.files() {
        let path = [&file.temporary, &file.name].map(|name| dir.join(name));
        let path = path.iter().find(|path| path.exists()).expect("a committed file is there");
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.len() as u64, file.bytes);
        let mut text = String::new();
        if file.name.ends_with(".zst") {
            zstd::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        assert_eq!(text.lines().count() as u64, file.records);
        let number = |line: &str| line.split('\t').next().unwrap().parse::<u64>().unwrap();
        numbers.extend(text.lines().map(number));
    }
    numbers.sort_unstable();
    numbers
}
