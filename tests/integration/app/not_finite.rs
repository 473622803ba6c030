//! Numbers that JSON does not have are the same on workers and in the function: dead letters, or not sent.

use std::fs;

use super::dead_letters;
use super::programs::{graph, numbers};
use crate::common::Place;

const NUMBERS: u64 = 3_000;
const REMOTE: [&str; 4] = ["--policy", "remote", "--local-lambda", "network=1ms,cold_start=1ms"];

/// Runs the program `name` with these options. Its output is `line` of each number that has one.
fn commits(name: &'static str, options: &[&str], line: impl Fn(u64) -> Option<String>) -> Place {
    let place = graph(name);
    fs::write(place.path("numbers"), numbers(NUMBERS)).unwrap();
    let run = ["run", "--source", "lines:numbers", "--out", "out", "--dead-letter", "dead.jsonl"];
    place.run_well(&[&run[..], options].concat());
    let mut lines: Vec<String> = (0..NUMBERS).filter_map(line).collect();
    lines.sort_unstable();
    assert!(place.output("out") == lines.concat().into_bytes(), "{name} {options:?}");
    place
}

#[test]
fn a_record_whose_result_has_nan_is_a_dead_letter_wherever_it_is_computed() {
    for options in [&["--policy", "local"][..], &REMOTE] {
        let line = |number| match number % 3 {
            0 => None,
            1 => Some("0.5\n".to_owned()),
            _ => Some("null\n".to_owned()),
        };
        let place = commits("not finite", options, line);
        let letters = dead_letters(&place);
        assert_eq!(letters.len() as u64, NUMBERS / 3, "{options:?}");
        for letter in letters {
            assert_eq!(
                (&letter["record"], &letter["code"]),
                (&"divide".into(), &"not_finite".into())
            );
            assert!(letter["message"].as_str().unwrap().contains("NaN"), "{letter}");
        }
    }
}

#[test]
fn a_record_with_nan_is_not_sent_and_has_the_result_of_a_worker() {
    for options in [&["--policy", "local"][..], &REMOTE] {
        let line = |number| Some(format!("{}\n", number % 3 == 0));
        let place = commits("not finite between stages", options, line);
        let summary = place.summary();
        let remote = summary["records_remote"].as_u64().unwrap();
        assert!(remote <= NUMBERS - NUMBERS / 3, "{summary}");
        assert_eq!(summary["failed"], 0, "no request is wrong: {summary}");
    }
}
