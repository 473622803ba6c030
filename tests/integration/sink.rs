//! The sink in a dataflow of two processes, ended after every step of a commit: each time the
//! folder is, by its manifest, whole epochs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::common::{LIMIT, Place, error_of, hosts, output_of};
use crate::epochs::{EPOCHS, GROUP, LINES, Way, committed};
use floodway::internal::sink::CommitStep;
use floodway::sink::{self, Files, Manifest, Settings};

/// Small files, so that each commit has several.
fn files(dir: &Path) -> Files {
    Files { roll_bytes: 400, ..Files::new(dir) }
}

/// Commits all epochs to a new folder.
fn write(dir: &Path, timely: timely::Config, settings: Settings, way: Way) {
    if settings.process == 0 {
        sink::prepare(dir, false).unwrap();
    }
    crate::epochs::write(timely, settings, way).unwrap();
}

/// All numbers of epochs up to `last` of two processes of two workers.
fn whole(last: Option<u64>) -> Vec<u64> {
    crate::epochs::whole(4, last)
}

/// The child that [`a_run_killed_after_any_commit_step_leaves_whole_epochs`] starts: process `P` of two, which
/// ends itself after step number `END`.
#[test]
#[ignore = "a part of another test, which runs it in processes of their own"]
fn child() {
    let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let dir = PathBuf::from(var("FW_DIR"));
    let process: usize = var("FW_PROCESS").parse().unwrap();
    let end: usize = var("FW_END").parse().unwrap();
    let steps = AtomicUsize::new(0);
    let on_step = move |step: CommitStep| {
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
        ..Settings::new(files(&dir), 2, process)
    };
    write(&dir, timely, settings, Way::default());
    // The steps there were: how many runs the test makes.
    println!("all steps were done");
}

fn start(place: &Place, process: usize, end: usize, hosts: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "sink::child", "--ignored", "--nocapture"])
        .env("FW_DIR", place.path("out"))
        .env("FW_HOSTS", hosts)
        .env("FW_PROCESS", process.to_string())
        .env("FW_END", end.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_run_killed_after_any_commit_step_leaves_whole_epochs() {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for process in [0, 1] {
        for end in 0.. {
            let place = Place::new();
            fs::create_dir(place.path("out")).unwrap();
            let hosts = hosts(&place, 2);
            let dying = start(&place, process, end, &hosts);
            let mut other = start(&place, 1 - process, usize::MAX, &hosts);
            let output = crate::common::end_of(dying, "the process that is to end");
            let said = error_of(&output);
            let done = output_of(&output).contains("all steps were done");
            if done {
                assert!(crate::common::end_of(other, "the other").status.success(), "{said}");
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
            assert_eq!(manifest.commits, before.commits.len() as u64, "{named}");
            let parts = crate::common::sorted_output(&dir);
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
fn a_manifest_cut_at_any_byte_is_read_up_to_there() {
    let place = Place::new();
    let dir = place.path("out");
    let settings = Settings { epochs_a_group: GROUP, ..Settings::new(files(&dir), 1, 0) };
    write(&dir, timely::Config::thread(), settings, Way::default());
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

/// All epochs in one commit of one worker, to files with these limits; answers their lengths.
fn files_of_one_commit(files: Files, way: Way) -> Vec<u64> {
    let dir = files.dir.clone();
    let settings = Settings { epochs_a_group: EPOCHS, ..Settings::new(files, 1, 0) };
    write(&dir, timely::Config::thread(), settings, way);
    let manifest = Manifest::read(&dir).unwrap();
    assert_eq!(manifest.commits.len(), 1);
    assert_eq!(committed(&dir, &manifest), crate::epochs::whole(1, Some(EPOCHS)));
    manifest.files().map(|file| file.bytes).collect()
}

/// No run could resume from it.
#[test]
fn a_commit_is_not_made_if_it_is_not_known_how_far_the_input_was_read() {
    let place = Place::new();
    let dir = place.path("out");
    let known = |epoch: u64| (epoch <= GROUP).then(|| serde_json::json!({ "epoch": epoch }));
    let settings = Settings {
        epochs_a_group: GROUP,
        positions: Some(Arc::new(move |epoch, _| known(epoch))),
        ..Settings::new(files(&dir), 1, 0)
    };
    sink::prepare(&dir, false).unwrap();
    let failed = crate::epochs::write(timely::Config::thread(), settings, Way::default());
    assert!(matches!(failed, Err(sink::SinkError::NoPosition)), "{failed:?}");
    let manifest = Manifest::read(&dir).unwrap();
    assert!(manifest.next_epoch() <= GROUP, "{manifest:?}");
    assert_eq!(
        committed(&dir, &manifest),
        crate::epochs::whole(1, manifest.next_epoch().checked_sub(1))
    );
}

#[test]
fn files_roll_at_their_size() {
    let place = Place::new();
    // A worker hands over some 64 KiB at once.
    let way = Way { pad: 4_096, ..Way::default() };
    let all = EPOCHS * (LINES - 1) * (4_096 + 15);
    let roll_bytes = 200 << 10;
    let lengths = files_of_one_commit(Files { roll_bytes, ..Files::new(place.path("out")) }, way);
    assert!(lengths.len() as u64 >= all / (2 * roll_bytes), "{lengths:?}");
    let (last, others) = lengths.split_last().unwrap();
    let range = roll_bytes..2 * roll_bytes;
    assert!(others.iter().all(|length| range.contains(length)), "{lengths:?}");
    assert!(*last < range.end, "{lengths:?}");
}

#[test]
fn files_roll_at_their_age_without_new_writes() {
    let place = Place::new();
    let dir = place.path("out");
    let out = dir.clone();
    // What waits for the last of a megabyte is not in the file: it is when the file is ended.
    let ended = move || {
        let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap());
        files
            .filter(|file| file.file_name().to_string_lossy().starts_with(".part-"))
            .filter(|file| file.metadata().unwrap().len() > 0)
            .count() as u64
    };
    let between = move |epoch: u64, worker: &mut timely::worker::Worker| {
        let began = Instant::now();
        while ended() <= epoch {
            assert!(began.elapsed() < LIMIT, "no file ends after {epoch}");
            worker.step_or_park(Some(Duration::from_millis(1)));
        }
    };
    let way = Way { pad: 4_096, between: Some(Arc::new(between)), publish: None };
    let roll_age = Duration::from_millis(20);
    let lengths = files_of_one_commit(Files { roll_age, ..Files::new(dir) }, way);
    assert!(lengths.len() as u64 >= EPOCHS, "{lengths:?}");
}
