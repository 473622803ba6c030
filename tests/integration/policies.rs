//! What must hold of every policy in the registry, also of those that come later. What each does is tested
//! beside its code; `deadline_simulation.rs` runs all of them against the optimum.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use floodway::batch::Span;
use floodway::policy::{
    Offered, POLICIES, PolicyChoice, Queue, Rates, RemoteLatency, Sends, Spec, Take,
};

use crate::common::{Place, error_of, output_of};

const MS: u64 = 1_000_000;

/// The policy with a threshold of 1,000 records a second, if it needs one.
fn choice(policy: &'static Spec) -> PolicyChoice {
    let threshold = policy.needs_threshold().then_some(1_000.0);
    PolicyChoice::new(policy, threshold).unwrap()
}

/// The options that choose the policy for a run.
fn options(policy: &Spec) -> Vec<&'static str> {
    let mut options = vec!["--policy", policy.name];
    options.extend(policy.needs_threshold().then_some(["--threshold", "1k"]).iter().flatten());
    options
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a plan takes is in the queue, in rising order, and came not home before. So every record is
    /// taken once or stays, and a policy that says that it sends nothing sends nothing.
    #[test]
    fn a_plan_takes_each_waiting_record_at_most_once_and_none_that_returned(
        steps in prop::collection::vec((1..60_usize, 0..3_u8, 0..400_usize, 0..200_u64), 1..30),
        (cold_ms, median_ms, rate) in (0..300_u64, 0..300_u64, 100.0..100_000.0_f64),
        index in 0..POLICIES.len(),
    ) {
        let policy = POLICIES[index];
        let mut planner = choice(policy).make(Duration::from_millis(100), Duration::from_millis(200), 2);
        let (mut queue, mut takes, mut away) = (Queue::default(), Vec::new(), Vec::new());
        let (mut came, mut done, mut now) = (0, 0, 0);
        for (records, kind, room, wait_ms) in steps {
            now += wait_ms * MS;
            queue.push(0..records, now, Span::at(now), 200 * MS, records);
            came += records;
            planner.on_epoch(Offered { mine: records as u64, total: 2 * records as u64, length: 100 * MS });
            let remote = RemoteLatency { median: median_ms * MS, p99: median_ms * MS, cold_start: cold_ms * MS, failure_rate: 0.0 };
            let rates = Rates { local: Some(rate), room, waiting: queue.records(), remote, slack: 200 * MS, ..Rates::default() };
            planner.plan(now, &queue.entries(), rates, &mut takes);
            let [front, back] = queue.entries();
            let mut last: Option<&Take> = None;
            for take in &takes {
                let entry = front.iter().chain(back).nth(take.entry).unwrap();
                prop_assert!(!entry.returned, "{policy:?}: {take:?} of {entry:?}");
                prop_assert!(!take.range.is_empty(), "{policy:?}: {take:?}");
                prop_assert!(entry.range.start <= take.range.start && take.range.end <= entry.range.end);
                prop_assert!(last.is_none_or(|last| (last.entry, last.range.end) <= (take.entry, take.range.start)), "{policy:?}: {takes:?}");
                last = Some(take);
            }
            let taken: usize = takes.iter().map(|take| take.range.len()).sum();
            prop_assert!(taken <= room, "{policy:?} takes {taken} into room for {room}");
            prop_assert!(taken == 0 || policy.sends != Sends::Nothing, "{policy:?} sends");
            queue.take_all(&mut takes, |taken| away.push(taken));
            match kind {
                0 => done += queue.take_front(records).map_or(0, |taken| taken.entry.records()),
                1 => done += away.pop().map_or(0, |taken| taken.entry.records()),
                _ => if let Some(taken) = away.pop() {
                    let range = taken.entry.range.clone();
                    queue.put_returned(taken.entry, range, taken.payload);
                },
            }
            let waiting: usize = away.iter().map(|taken| taken.entry.records()).sum();
            prop_assert_eq!(done + waiting + queue.records(), came);
        }
    }
}

#[test]
fn each_policy_has_a_name_and_a_colour_that_no_other_has() {
    let names: HashSet<_> = POLICIES.iter().map(|policy| policy.name).collect();
    let colors: HashSet<_> = POLICIES.iter().map(|policy| policy.color).collect();
    assert_eq!((names.len(), colors.len()), (POLICIES.len(), POLICIES.len()), "{POLICIES:?}");
}

#[test]
fn each_policy_has_a_row_in_the_table_of_the_documentation() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policies.md");
    let docs = fs::read_to_string(docs).unwrap();
    for policy in POLICIES {
        assert!(docs.contains(&format!("\n| `{}` | ", policy.name)), "{}", policy.name);
    }
}

#[test]
fn run_takes_each_policy_and_its_output_has_every_record() {
    let place = Place::new();
    for policy in POLICIES {
        let mut args = vec!["run", "--events", "2k", "--rate", "10k", "--sink", "null"];
        args.extend(options(policy));
        let summary = place.run_well(&args);
        assert_eq!(summary["policy"], policy.name);
        assert_eq!(summary["events_in"], 2_000, "{summary}");
        assert_eq!(summary["records_bad"], 0, "{summary}");
    }
}

#[test]
fn simulate_takes_each_policy_alone_and_all_of_them_in_the_registrys_order() {
    let place = Place::new();
    let simulated = |more: &[&str]| -> Vec<String> {
        let args = [
            "simulate",
            "--rate",
            "10k",
            "--duration",
            "1s",
            "--service",
            "20us",
            "--json",
            "out.json",
        ];
        let output = place.run(&[&args, more].concat());
        assert!(output.status.success(), "{}", error_of(&output));
        let json: Value =
            serde_json::from_slice(&fs::read(place.path("out.json")).unwrap()).unwrap();
        let rows = json["policies"].as_array().unwrap();
        rows.iter().map(|row| row["policy"].as_str().unwrap().to_owned()).collect()
    };
    for policy in POLICIES {
        assert_eq!(simulated(&options(policy)), [policy.name]);
    }
    assert_eq!(simulated(&[]), POLICIES.iter().map(|policy| policy.name).collect::<Vec<_>>());
}

#[test]
fn compare_takes_each_policy_and_compares_all_of_them_if_none_is_named() {
    let place = Place::new();
    let input = ["--rate", "5k", "--duration", "200ms", "--warm-up-run", "0s", "--threshold", "1k"];
    let output = place.run(&[&["compare", "--report", "report"], &input[..]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let table = output_of(&output);
    let rows: HashSet<_> =
        table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for policy in POLICIES {
        assert!(rows.contains(policy.name), "{}: {table}", policy.name);
    }
}

#[test]
fn the_help_and_the_errors_name_each_policy() {
    let place = Place::new();
    let said = |args: &[&str]| {
        let output = place.run(args);
        let all = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&all).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let ok = ["--rate", "10k", "--duration", "1s", "--service", "20us"];
    let all = [
        said(&["run", "--help"]),
        said(&["compare", "--help"]),
        said(&["simulate", "--help"]),
        said(&["run", "--policy", "no-such-policy"]),
        said(&["compare", "--policies", "no-such-policy"]),
        said(&[&["simulate", "--policy", "no-such-policy"], &ok[..]].concat()),
    ];
    let sends = [
        said(&["run", "--policy", "local", "--budget", "1/h"]),
        said(&["run", "--policy", "local", "--shadow"]),
    ];
    let threshold = [said(&["run", "--policy", "local", "--threshold", "5"])];
    for policy in POLICIES {
        let names = |text: &String| text.contains(policy.name);
        assert!(all.iter().all(names), "{}: {all:#?}", policy.name);
        assert!(!policy.needs_remote() || sends.iter().all(names), "{}: {sends:#?}", policy.name);
        assert!(
            !policy.needs_threshold() || threshold.iter().all(names),
            "{}: {threshold:#?}",
            policy.name
        );
    }
}
