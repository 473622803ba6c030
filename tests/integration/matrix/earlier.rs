//! The states of an earlier version, in `tests/golden/state`: each release writes them anew, with its own binary.
//!
//!     FLOODWAY_RELEASE=target/release/floodway cargo test --test integration matrix::earlier -- --ignored

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use rustix::process::Signal;

use super::features::features;
use crate::common::{end_of, poll, signal};
use crate::law_1::earlier::{LEFT, copy, golden};
use crate::law_1::{Sink as _, place};

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
        let place = place(output).running(move || Command::new(&binary));
        let sink = output.files("out").value();
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
