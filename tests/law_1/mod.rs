//! Law 1 as a matrix: every feature of a run, in every scenario, makes the output of the plain local run of the same
//! input, byte for byte. A feature is a line in `tests/integration/matrix/features.rs`, or in
//! `tests/external/kafka/matrix.rs` if it needs a broker; a scenario is a line in `scenarios.rs`.
//!
//! `FLOODWAY_MATRIX=TEXT` runs only the pairs whose name contains the text, `FLOODWAY_KILLS=N` repeats each pair until
//! its trouble has come N times, and `FLOODWAY_SEED` repeats the instants of the kills.
// Two programs share it, and neither uses all of it.
#![allow(dead_code, unused_imports)]

pub mod earlier;
mod feature;
mod pair;
mod scenarios;
mod sink;
mod small_disk;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::common::kills::{kills, seed};
use crate::common::{for_all, within_tries};
pub use feature::{Feature, Output, count, policy};
pub use pair::place;
use pair::{Made, Pair};
use scenarios::{Needs, SCENARIOS, Scenario};
pub use sink::Sink;

/// Whether a pair makes no sense.
type Excepts = fn(&Feature, &Scenario) -> bool;

/// The pairs that make no sense, and why. Each of the others is run.
const EXCEPTIONS: [(&str, Excepts); 6] = [
    ("it sends nothing", |feature, scenario| scenario.needs == Needs::Function && !feature.sends()),
    (
        "standard input cannot be read again, and a run with --shadow has no state",
        |feature, scenario| scenario.needs == Needs::Resume && !feature.resumes(),
    ),
    ("standard input is that of one process", |feature, scenario| {
        scenario.name == "two processes" && feature.output.reads_stdin()
    }),
    ("a worker alone has no peer", |feature, scenario| {
        scenario.name == "one worker" && feature.options.contains(&"--skew")
    }),
    ("the topics of an earlier version are gone", |feature, scenario| {
        scenario.name == "state of an earlier version" && feature.has_topic()
    }),
    ("the disk of a topic is the broker's", |feature, scenario| {
        scenario.name == "disk full" && feature.sink.is_some()
    }),
];

/// A pair of the matrix, and what is known about it.
struct Cell<'a> {
    name: String,
    feature: &'a Feature,
    scenario: &'a Scenario,
    seed: u64,
}

fn cells(features: &[Feature], seed: u64) -> Vec<Cell<'_>> {
    let only = std::env::var("FLOODWAY_MATRIX").unwrap_or_default();
    let pairs = features
        .iter()
        .flat_map(|feature| SCENARIOS.iter().map(move |scenario| (feature, scenario)));
    pairs
        .enumerate()
        .filter(|(_, (feature, scenario))| !EXCEPTIONS.iter().any(|(_, is)| is(feature, scenario)))
        .map(|(number, (feature, scenario))| Cell {
            name: format!("{} × {}", feature.name, scenario.name),
            feature,
            scenario,
            seed: seed.wrapping_add(number as u64),
        })
        .filter(|cell| cell.name.contains(&only))
        .collect()
}

impl Cell<'_> {
    /// Runs the pair until its trouble has come as often as it must. Returns how often it came, and the summaries.
    fn run(&self, expected: &Made) -> Result<(usize, Vec<Value>), String> {
        let (mut hits, mut summaries) = (0, Vec::new());
        let command = Mutex::new(String::new());
        let run = || {
            for round in 0.. {
                let seed = self.seed.wrapping_add(round << 32);
                hits += within_tries(&self.name, || {
                    let mut pair = Pair::new(self.feature, expected, seed, &command);
                    let hits = (self.scenario.drive)(&mut pair);
                    summaries.push(pair.summary());
                    if hits > 0 { Ok(hits) } else { Err("the run was over before".to_owned()) }
                });
                if hits >= kills(1) {
                    return;
                }
            }
        };
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(()) => Ok((hits, summaries)),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
                let command = command.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
                Err(format!("{}\n  {command}\n  {}", self.name, text.unwrap_or_default()))
            }
        }
    }
}

/// What the plain local run makes, by the name of the output.
fn expected(features: &[Feature]) -> HashMap<&'static str, Made> {
    let mut outputs: HashMap<_, _> = HashMap::new();
    for feature in features {
        outputs.entry(feature.output.name).or_insert_with(|| pair::local(&feature.output));
    }
    outputs
}

/// Checks that each feature makes the output of the local run in each scenario that suits it, and that it was seen at
/// work.
pub fn check(features: &[Feature]) {
    let (began, seed) = (Instant::now(), seed());
    let expected = expected(features);
    let cells = cells(features, seed);
    let failures = Mutex::new(Vec::new());
    // How often each scenario's trouble came, and the features that were seen at work.
    let (hits, seen) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    for_all(&cells, |cell| {
        let began = Instant::now();
        match cell.run(&expected[cell.feature.output.name]) {
            Ok((times, summaries)) => {
                *hits.lock().unwrap().entry(cell.scenario.name).or_insert(0) += times;
                if summaries.iter().any(cell.feature.shows) {
                    seen.lock().unwrap().push(&*cell.feature.name);
                }
                println!("{:>6.2} s  {}", began.elapsed().as_secs_f64(), cell.name);
            }
            Err(failure) => failures.lock().unwrap().push(failure),
        }
    });
    println!("{} pairs in {:.1?}: {:?}", cells.len(), began.elapsed(), hits.into_inner().unwrap());
    let failures = failures.into_inner().unwrap();
    let count = failures.len();
    assert!(count == 0, "FLOODWAY_SEED={seed}: {count} failed:\n\n{}", failures.join("\n\n"));
    // A pair whose feature did nothing shows nothing of it.
    let seen = seen.into_inner().unwrap();
    let unseen = |cell: &&Cell<'_>| !seen.contains(&&*cell.feature.name);
    let unseen: Vec<_> = cells.iter().filter(unseen).map(|cell| &cell.name).collect();
    assert!(unseen.is_empty(), "the feature was at work in no run of: {unseen:#?}");
}
