//! Law 1 as a matrix: every feature of a run, in every scenario, makes the output of the plain local run of the same
//! input, byte for byte. A feature is a line in `features.rs`, a scenario a line in `scenarios.rs`. Policies and tasks
//! come from the program's own lists, so a new one is in the matrix without a line; a new source or sink needs one.
//!
//! `FLOODWAY_MATRIX=TEXT` runs only the pairs whose name contains the text, `FLOODWAY_KILLS=N` repeats each pair until
//! its trouble has come N times, and `FLOODWAY_SEED` repeats the instants of the kills.

mod earlier;
mod features;
mod pair;
mod scenarios;
mod small_disk;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::common::kills::{kills, seed};
use crate::common::{Place, output_of, within_tries};
use features::{Feature, USUAL, features};
use pair::{Made, Pair};
use scenarios::{Needs, SCENARIOS, Scenario};

/// Whether a pair makes no sense.
type Excepts = fn(&Feature, &Scenario) -> bool;

/// The pairs that make no sense, and why. Each of the others is run.
const EXCEPTIONS: [(&str, Excepts); 4] = [
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
];

/// What the help of `run` lists and is not in the matrix, and why.
const OUTSIDE: [(&str, &str); 2] = [
    (
        "kafka://HOST:PORT/TOPIC",
        "needs a broker: tests/external/kafka kills runs from it and to it",
    ),
    ("null", "has no output"),
];

/// A pair of the matrix, and what is known about it.
struct Cell<'a> {
    name: String,
    feature: &'a Feature,
    scenario: &'a Scenario,
    seed: u64,
}

fn cells<'a>(features: &'a [Feature], seed: u64) -> Vec<Cell<'a>> {
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

/// Calls `each` for all items, several at a time: a run that is paced sleeps most of the time.
pub fn for_all<T: Sync>(items: &[T], each: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = 3 * thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, SeqCst)) {
                    each(item);
                }
            });
        }
    });
}

#[test]
fn every_feature_makes_the_output_of_the_local_run_in_every_scenario() {
    let (began, seed, features) = (Instant::now(), seed(), features());
    let expected = expected(&features);
    let cells = cells(&features, seed);
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

#[test]
fn each_source_and_sink_that_the_help_lists_is_in_the_matrix() {
    let help = output_of(&Place::new().run(&["run", "-h"]));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let features = features();
    for (option, what) in [("source", "Where records come from: "), ("sink", "Where results go: ")]
    {
        let values = help.split_once(what).unwrap().1.split_once(" [default").unwrap().0;
        for value in values.split(", ").flat_map(|values| values.split(" or ")) {
            let name = format!("{option} {value}");
            let is_outside = OUTSIDE.iter().any(|(outside, _)| *outside == value);
            let is_feature =
                USUAL.contains(&&*name) || features.iter().any(|feature| feature.name == name);
            assert!(is_feature != is_outside, "{name} is in the matrix or in OUTSIDE");
        }
    }
}
