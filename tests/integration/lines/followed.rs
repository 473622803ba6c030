//! Files that are followed while they grow.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use rustix::process::Signal;

use super::{committed, follow};
use crate::common::{Place, end_of, error_of, poll, signal, start_processes};

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_growing_file_is_followed_until_the_run_is_stopped() {
    for more in [&["--", "-w", "2"][..], &["--rate", "1k"]] {
        let place = Place::new();
        let log = place.path("log");
        fs::write(&log, b"one\ntw").unwrap();
        let child = follow(&place, "lines:log", more);
        if more[0] == "--" {
            committed(&place, 1);
            append(&log, b"o\nthree\r\n\nfi");
            committed(&place, 4);
            append(&log, b"ve");
        } else {
            append(&log, b"o\nthree\r\n\nfive");
            // A paced epoch goes on until its lines are there, or the run stops.
            poll("it has begun", || place.path("out/manifest.jsonl").exists().then_some(()));
        }
        signal(&child, Signal::INT);
        let output = end_of(child, "the run");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        let output = place.output("out");
        // The last line has no end: it is the next run's.
        assert_eq!(String::from_utf8_lossy(&output), "0\tone\n1\ttwo\n2\tthree\n3\t\n");
        assert_eq!(place.summary()["stopped"], "signal");
    }
}

/// An epoch that the clock ends is the same one in the process that reads and in that which only waits.
#[test]
fn timed_epochs_of_a_file_that_grows_are_those_of_all_processes() {
    let place = Place::new();
    let log = place.path("log");
    fs::write(&log, b"one\ntw").unwrap();
    let args = ["run", "--source", "lines:log", "--follow", "--out", "out", "--epoch", "50ms"];
    let more = ["--commit-every", "100ms", "--summary", "summary.json", "--", "-w", "2"];
    let processes = start_processes(&place, 2, &[&args[..], &more].concat());
    committed(&place, 1);
    append(&log, b"o\nthree\n");
    committed(&place, 3);
    append(&log, b"four\nfi");
    committed(&place, 4);
    // Whichever of them hears of it.
    signal(&processes[1], Signal::INT);
    for process in processes {
        let output = end_of(process, "a process");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    }
    let output = place.output("out");
    assert_eq!(String::from_utf8_lossy(&output), "0\tone\n1\ttwo\n2\tthree\n3\tfour\n");
    let summary = place.summary();
    assert_eq!((&summary["stopped"], &summary["processes"]), (&"signal".into(), &2.into()));
    assert!(summary["epochs"].as_u64().unwrap() >= 3, "{summary}");
}

#[test]
fn new_files_of_a_glob_are_followed_after_those_before() {
    let place = Place::new();
    fs::write(place.path("log.1"), b"one\n").unwrap();
    fs::write(place.path("log.2"), b"two\nend").unwrap();
    let child = follow(&place, "lines:log.*", &[]);
    committed(&place, 2);
    append(&place.path("log.2"), b"ing\nlast");
    committed(&place, 3);
    append(&place.path("log.3"), b"three\n");
    committed(&place, 5);
    append(&place.path("log.3"), b"four\n");
    committed(&place, 6);
    signal(&child, Signal::TERM);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    let expected = "log.1:0\tone\nlog.2:0\ttwo\nlog.2:1\tending\nlog.2:2\tlast\n\
                    log.3:0\tthree\nlog.3:1\tfour\n";
    assert_eq!(String::from_utf8_lossy(&place.output("out")), expected);
}

#[test]
fn a_followed_file_that_shrinks_exits_with_1() {
    let place = Place::new();
    let log = place.path("log");
    fs::write(&log, b"one\ntwo\n").unwrap();
    let child = follow(&place, "lines:log", &[]);
    committed(&place, 2);
    OpenOptions::new().write(true).open(&log).unwrap().set_len(4).unwrap();
    let output = end_of(child, "the run");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("log") && error.contains("shrank from 8 to 4 bytes"), "{error}");
    assert_eq!(place.output("out"), b"0\tone\n1\ttwo\n");
}

#[test]
fn a_file_is_followed_for_the_given_duration() {
    let place = Place::new();
    fs::write(place.path("log"), b"one\ntwo\n").unwrap();
    let child = follow(&place, "lines:log", &["--duration", "700ms"]);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(place.output("out"), b"0\tone\n1\ttwo\n");
    assert_eq!(place.summary()["stopped"], "done");
}
