//! Lines that are not of a program's type are dead letters.

use std::fs;

use serde_json::{Value, json};

use super::programs::graph;
use super::{dead_letters, letter, run_on};
use crate::common::Place;

fn counts(place: &Place) -> [Value; 3] {
    let summary = place.summary();
    ["events_in", "results_out", "records_bad"].map(|field| summary[field].clone())
}

#[test]
fn lines_of_another_type_are_dead_letters_that_say_why_and_the_first_is_named() {
    let place = graph("double");
    let said = run_on(&place, "1\nx\n2\n\"three\"\n\n-1\n3\n");
    assert_eq!(place.output("out"), b"2\n4\n6\n");
    assert_eq!(counts(&place), [json!(7), json!(3), json!(4)]);
    let letter = |number, message, text| letter(number, "invalid_json", message, text);
    let mut expected = [
        letter(1, "expected value at column 1", "x"),
        letter(3, "invalid type: string \"three\", expected u64 at column 7", "\"three\""),
        letter(4, "EOF while parsing a value at column 0", ""),
        letter(5, "invalid value: integer `-1`, expected u64 at column 2", "-1"),
    ];
    expected.sort_by_key(Value::to_string);
    assert_eq!(dead_letters(&place), expected);
    // A worker names its own first one.
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("is not a u64")).collect();
    assert!((1..=2).contains(&warnings.len()), "{said}");
    assert!(warnings[0].contains("\"x\"") && warnings[0].contains("bad record"), "{said}");
}

#[test]
fn a_run_whose_lines_are_all_bad_has_only_dead_letters() {
    let place = graph("double");
    let lines: String = (0..1_000).map(|number| format!("line {number}\n")).collect();
    let said = run_on(&place, &lines);
    assert_eq!(counts(&place), [json!(1_000), json!(0), json!(1_000)]);
    assert_eq!((place.lines("out"), dead_letters(&place).len()), (0, 1_000));
    assert!(said.contains("\"line 0\" is not a u64"), "{said}");
}

/// The source finds it, and not the parser.
#[test]
fn a_line_that_is_not_text_is_a_dead_letter_of_the_source() {
    let place = graph("double");
    fs::write(place.path("numbers"), b"1\n\xff\n3\n").unwrap();
    let args = ["run", "--source", "lines:numbers", "--out", "out", "--dead-letter", "dead.jsonl"];
    let summary = place.run_well(&[&args[..], &["--policy", "local"]].concat());
    assert_eq!((&summary["events_in"], &summary["records_bad"]), (&json!(3), &json!(1)));
    assert_eq!(place.output("out"), b"2\n6\n");
    assert_eq!(dead_letters(&place)[0]["code"], "invalid_utf8");
}
