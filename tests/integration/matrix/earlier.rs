//! A state that an earlier version has left: `tests/golden/state` has one of each output. A run was killed in the
//! middle of it. A release writes them anew, with its own binary:
//!
//!     FLOODWAY_RELEASE=target/release/floodway cargo test --test integration matrix::earlier -- --ignored

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use super::features::features;
use super::pair::{self, Pair};
use super::scenarios::TWO;
use crate::common::{end_of, poll, signal};

/// What a run leaves.
const LEFT: [&str; 3] = ["out", "state", "dead.jsonl"];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state").join(name)
}

/// The state of an earlier version is resumed by this one.
pub fn resumed(pair: &mut Pair<'_>) -> usize {
    for left in LEFT {
        copy(&golden(pair.feature.output.name).join(left), &pair.place.path(left));
    }
    assert!(pair.is_part("out"), "it was killed in the middle");
    let args = pair.args();
    pair.run(&args, &TWO);
    pair.has_nothing_to_do(&args, &TWO);
    1
}

/// Copies a file or a folder, if it is there.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        if from.exists() {
            fs::copy(from, to).unwrap();
        }
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}

#[test]
#[ignore = "it writes the states in tests/golden/state anew"]
fn write_the_states() {
    let binary = std::env::var("FLOODWAY_RELEASE").expect("the release's binary");
    let binary = fs::canonicalize(binary).unwrap();
    let features = features();
    let outputs: BTreeMap<_, _> = features
        .iter()
        .filter(|feature| feature.resumes())
        .map(|feature| (feature.output.name, &feature.output))
        .collect();
    for (name, output) in outputs {
        let binary = binary.clone();
        let place = pair::place(output).running(move || Command::new(&binary));
        let sink = format!("files:out{}", output.sink);
        let mut args = vec!["run", "--policy", "local", "--sink", &sink, "--state", "state"];
        args.extend(["--commit-every", "20ms"]);
        args.extend(&output.options);
        let child = place.start(&args);
        poll("a commit", || (place.commits("out") >= 2).then_some(()));
        signal(&child, Signal::KILL);
        assert_eq!(end_of(child, "the run").status.code(), None, "it was over before");
        let _ = fs::remove_dir_all(golden(name));
        fs::create_dir_all(golden(name)).unwrap();
        for left in LEFT {
            copy(&place.path(left), &golden(name).join(left));
        }
    }
}
