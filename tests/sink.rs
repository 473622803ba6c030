//! The sink in a dataflow of two processes, ended after every step of a commit: each time the
//! folder is, by its manifest, whole epochs.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use common::{Place, hosts};
use floodway::batch::{Batch, Numbers, TextRecord};
use floodway::sink::{self, CommitExt as _, Manifest, Settings, SinkHandle, Step, Target};
use floodway::task::{Bad, Code};
use timely::dataflow::operators::{Input as _, Probe as _};
use timely::dataflow::{InputHandle, ProbeHandle};

/// Epochs of a run, lines of an epoch on each worker, epochs that are committed together.
const EPOCHS: u64 = 6;
const LINES: u64 = 40;
const GROUP: u64 = 2;

/// The number of line `line` of `epoch` on worker `index`.
fn number(epoch: u64, index: u64, line: u64) -> u64 {
    epoch * 1_000 + index * 100 + line
}

fn target(dir: &Path) -> Target {
    // Small files, so that each commit has several.
    let (roll_bytes, roll_age) = (400, Duration::from_secs(60));
    Target::Files { dir: dir.to_path_buf(), sync: true, direct: true, roll_bytes, roll_age }
}

/// Commits `EPOCHS` epochs from all workers; each worker's third line of an epoch is bad.
fn write_epochs(dir: &Path, timely: timely::Config, settings: Settings) {
    let process = settings.process;
    if process == 0 {
        sink::prepare(dir, false).unwrap();
    }
    let failed = Arc::new(|error: sink::SinkError| panic!("{error}"));
    let sink = SinkHandle::start(settings, failed).unwrap();
    let guards = timely::execute(timely, move |worker| {
        let index = worker.index() as u64;
        let mut good: InputHandle<u64, _> = InputHandle::new_with_builder();
        let mut bad: InputHandle<u64, _> = InputHandle::new_with_builder();
        let probe = ProbeHandle::new();
        worker.dataflow::<u64, _, _>(|scope| {
            let good = scope
                .input_from::<timely::container::CapacityContainerBuilder<Vec<u64>>>(&mut good);
            let bad =
                scope.input_from::<timely::container::CapacityContainerBuilder<Vec<u64>>>(&mut bad);
            lines(good).commit_to(letters(bad), &sink).probe_with(&probe);
        });
        for epoch in 0..EPOCHS {
            for line in 0..LINES {
                let input = if line == 2 { &mut bad } else { &mut good };
                input.send(number(epoch, index, line));
            }
            good.advance_to(epoch + 1);
            bad.advance_to(epoch + 1);
            while probe.less_than(&(epoch / GROUP * GROUP)) {
                worker.step_or_park(None);
            }
        }
        drop((good, bad));
        while !probe.done() {
            worker.step_or_park(None);
        }
    });
    drop(guards.unwrap());
}

type Numbers64<'scope> = timely::dataflow::Stream<'scope, u64, Vec<u64>>;

/// Numbers as lines.
fn lines<'scope>(numbers: Numbers64<'scope>) -> timely::dataflow::Stream<'scope, u64, Batch> {
    use timely::container::NoopBuilder;
    use timely::dataflow::channels::pact::Pipeline;
    use timely::dataflow::operators::generic::operator::Operator as _;
    numbers.unary::<NoopBuilder<Batch>, _, _, _>(Pipeline, "Lines", |_, _| {
        move |input, output| {
            input.for_each(|capability, numbers: &mut Vec<u64>| {
                let mut batch = Batch::default();
                numbers.iter().for_each(|number| batch.strings.push(&format!("line {number}")));
                batch.numbers = Numbers::Each(std::mem::take(numbers));
                output.session_with_builder(&capability).give_container(&mut batch);
            });
        }
    })
}

/// Numbers as bad records.
fn letters<'scope>(
    numbers: Numbers64<'scope>,
) -> timely::dataflow::Stream<'scope, u64, Vec<Bad<TextRecord>>> {
    use timely::dataflow::operators::vec::Map as _;
    numbers.map(|number| {
        let record = TextRecord { label: None, number, bytes: b"bad".to_vec() };
        Bad { record, code: Code::TOO_LONG }
    })
}

/// The child that [`a_run_ended_after_any_step_is_whole_epochs`] starts: process `P` of two, which
/// ends itself after step number `END`.
#[test]
#[ignore = "a part of another test, which runs it in processes of their own"]
fn child() {
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let dir = PathBuf::from(var("FW_DIR"));
    let process: usize = var("FW_PROCESS").parse().unwrap();
    let end: usize = var("FW_END").parse().unwrap();
    let steps = AtomicUsize::new(0);
    let on_step = move |step: Step| {
        let number = steps.fetch_add(1, SeqCst);
        if number == end {
            eprintln!("ended after step {number}, {step:?}");
            // As SIGKILL does: nothing more is done.
            std::process::abort();
        }
    };
    let args = ["-w", "2", "-n", "2", "-p", &process.to_string(), "-h", &var("FW_HOSTS")]
        .map(str::to_owned);
    let timely = timely::Config::from_args(args.into_iter()).unwrap();
    let settings = Settings {
        epochs_a_group: GROUP,
        dead_letter: Some(dir.join("../dead.jsonl")),
        on_step: Some(Arc::new(on_step)),
        ..Settings::new(target(&dir), 2, process)
    };
    write_epochs(&dir, timely, settings);
    // The steps there were: how many runs the test makes.
    println!("all steps were done");
}

fn start(place: &Place, process: usize, end: usize, hosts: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env("FW_DIR", place.path("out"))
        .env("FW_HOSTS", hosts)
        .env("FW_PROCESS", process.to_string())
        .env("FW_END", end.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What a careful reader sees: the numbers in the files that the manifest names.
fn committed(dir: &Path, manifest: &Manifest) -> Vec<u64> {
    let mut numbers: Vec<u64> = manifest
        .files()
        .flat_map(|file| {
            let path = [&file.name, &file.temporary].map(|name| dir.join(name));
            let path = path.iter().find(|path| path.exists()).expect("a committed file is there");
            let text = fs::read_to_string(path).unwrap();
            assert_eq!(text.len() as u64, file.bytes);
            assert_eq!(text.lines().count() as u64, file.records);
            text.lines()
                .map(|line| line.split('\t').next().unwrap().parse().unwrap())
                .collect::<Vec<u64>>()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// All numbers of epochs up to `last`, without the bad ones.
fn whole(last: Option<u64>) -> Vec<u64> {
    let epochs = last.map_or(0..0, |last| 0..(last + 1).min(EPOCHS));
    let mut numbers: Vec<u64> = epochs
        .flat_map(|epoch| (0..4).map(move |index| (epoch, index)))
        .flat_map(|(epoch, index)| {
            (0..LINES).filter(|line| *line != 2).map(move |line| number(epoch, index, line))
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_run_ended_after_any_step_is_whole_epochs() {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for process in [0, 1] {
        for end in 0.. {
            let place = Place::new();
            fs::create_dir(place.path("out")).unwrap();
            let hosts = hosts(&place, 2);
            let dying = start(&place, process, end, &hosts);
            let mut other = start(&place, 1 - process, usize::MAX, &hosts);
            let output = common::end_of(dying, "the process that is to end");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let done = String::from_utf8_lossy(&output.stdout).contains("all steps were done");
            if done {
                assert!(common::end_of(other, "the other").status.success(), "{said}");
            } else {
                let _ = other.kill();
                let _ = other.wait();
                let step = said.lines().find(|line| line.starts_with("ended after step"));
                let step = step.unwrap_or_else(|| panic!("{said}")).rsplit(' ').next().unwrap();
                *ends.entry(format!("process {process}: {step}")).or_default() += 1;
            }
            let dir = place.path("out");
            let manifest = Manifest::read(&dir).unwrap();
            let last = manifest.commits.last().map(|commit| commit.up_to_epoch);
            let named = format!("process {process}, step {end}: {said}");
            assert_eq!(committed(&dir, &manifest), whole(last), "before recovery, {named}");
            let before = manifest;
            let manifest = sink::recover(&dir).unwrap();
            assert_eq!(manifest.commits.len(), before.commits.len(), "{named}");
            let parts = common::sorted_output(&dir);
            let lines = parts.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines, whole(last).len(), "after recovery, {named}");
            if done {
                assert_eq!(last.map(|last| last >= EPOCHS - 1), Some(true), "{named}");
                break;
            }
        }
    }
    // It did end after each kind of step, the commit itself among them.
    for step in [
        "process 0: FileSynced",
        "process 0: RecordAppended",
        "process 0: FileRenamed",
        "process 0: FolderSynced",
        "process 0: DeadLettersAppended",
        "process 1: FileSynced",
    ] {
        assert!(ends.contains_key(step), "{step} is not among {ends:?}");
    }
}

#[test]
fn a_manifest_that_is_torn_at_any_byte_is_read_up_to_there() {
    let place = Place::new();
    let dir = place.path("out");
    let settings = Settings { epochs_a_group: GROUP, ..Settings::new(target(&dir), 1, 0) };
    write_epochs(&dir, timely::Config::thread(), settings);
    let path = dir.join("manifest.jsonl");
    let text = fs::read(&path).unwrap();
    let commits = Manifest::read(&dir).unwrap().commits.len();
    assert_eq!(commits as u64, EPOCHS / GROUP);
    for length in 0..text.len() {
        fs::write(&path, &text[..length]).unwrap();
        let lines = text[..length].iter().filter(|byte| **byte == b'\n').count();
        match Manifest::read(&dir) {
            Ok(manifest) => assert_eq!(manifest.commits.len(), lines.saturating_sub(1), "{length}"),
            Err(error) => assert!(lines == 0, "torn at byte {length}: {error}"),
        }
    }
}

#[test]
fn files_end_at_their_size() {
    let place = Place::new();
    let dir = place.path("out");
    let settings = Settings { epochs_a_group: EPOCHS, ..Settings::new(target(&dir), 1, 0) };
    write_epochs(&dir, timely::Config::thread(), settings);
    let manifest = Manifest::read(&dir).unwrap();
    assert_eq!(manifest.commits.len(), 1);
    assert!(manifest.files().count() >= 1);
    let numbers: Vec<u64> = whole(Some(EPOCHS)).into_iter().filter(|n| n % 1_000 < 100).collect();
    assert_eq!(committed(&dir, &manifest), numbers);
}
