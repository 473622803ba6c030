//! Keyed state that an earlier version has left: `tests/golden/keyed_state` has some of the example `visits`, by what the
//! visits are counted by. Each release writes it anew, with its own program:
//!
//!     FLOODWAY_VISITS=target/release/examples/visits cargo test --test integration app::earlier_state -- --ignored

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::run_with;
use super::state::{BY, state_files};
use crate::common::{Place, end_of, error_of, example, poll, signal};
use crate::law_1::earlier::copy;

/// Epochs of two visits. Few are committed before the run is killed, and the rest after.
fn args(by: &str) -> Vec<&str> {
    let input = ["run", "--source", "lines:input", "--rate", "20", "--epoch", "100ms"];
    let output = ["--out", "out", "--state", "state", "--commit-every", "200ms"];
    [&input[..], &["--policy", "local", "--by", by], &output].concat()
}

fn golden(by: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keyed_state").join(by)
}

/// What a run leaves, and what it reads.
const LEFT: [&str; 3] = ["out", "state", "input"];

fn of_earlier_version(by: &str) -> Place {
    let place = Place::in_memory().running(|| Command::new(example("visits")));
    LEFT.iter().for_each(|left| copy(&golden(by).join(left), &place.path(left)));
    assert!(!state_files(&place).is_empty(), "{by}");
    place
}

#[test]
fn a_state_that_an_earlier_version_has_left_is_resumed() {
    for by in BY {
        let place = of_earlier_version(by);
        let before = place.lines("out");
        run_with(&place, &args(by), ("2", 1));
        let alone = Place::in_memory().running(|| Command::new(example("visits")));
        copy(&golden(by).join("input"), &alone.path("input"));
        run_with(&alone, &args(by), ("1", 1));
        assert!(place.output("out") == alone.output("out"), "{by}");
        assert!(before < place.lines("out"), "{by}: it was killed in the middle");
    }
}

#[test]
fn a_state_of_a_later_version_of_the_format_is_refused_and_both_versions_are_named() {
    for version in ["2", "10"] {
        let place = of_earlier_version("page");
        let files = state_files(&place);
        for file in &files {
            let bytes = fs::read(file).unwrap();
            let rest = bytes.strip_prefix(b"floodway state 1\n").unwrap();
            // As long as it was committed.
            let first = format!("floodway state {version}\n");
            let later = [first.as_bytes(), &rest[first.len() - 17..]].concat();
            fs::write(file, later).unwrap();
        }
        let ended = place.run(&args("page"));
        let error = error_of(&ended);
        assert_eq!(ended.status.code(), Some(1), "{error}");
        let says =
            format!("has version {version} of the format, and this Floodway reads version 1");
        assert!(error.contains(&says), "{error}");
    }
}

#[test]
#[ignore = "it writes the states in tests/golden/keyed_state anew"]
fn write_the_states() {
    let program = std::env::var("FLOODWAY_VISITS").expect("the release's example `visits`");
    let program = fs::canonicalize(program).unwrap();
    for by in BY {
        let program = program.clone();
        let place = Place::in_memory().running(move || Command::new(&program));
        let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/visits.jsonl");
        copy(&input, &place.path("input"));
        let child = place.start(&args(by));
        poll("some commits", || (place.commits("out") >= 4).then_some(()));
        signal(&child, Signal::KILL);
        assert_eq!(end_of(child, "the run").status.code(), None, "it was over before");
        let _ = fs::remove_dir_all(golden(by));
        fs::create_dir_all(golden(by)).unwrap();
        LEFT.iter().for_each(|left| copy(&place.path(left), &golden(by).join(left)));
        // What no commit names.
        let manifest = fs::read_to_string(golden(by).join("out/manifest.jsonl")).unwrap();
        for entry in fs::read_dir(golden(by).join("out")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with('.') && !manifest.contains(&name) {
                fs::remove_file(golden(by).join("out").join(name)).unwrap();
            }
        }
    }
}
