//! Programs of one's own by their command line: the example `clicks`, and the graphs of `programs.rs`.

mod aggregate;
mod bad_input;
mod bad_lines;
mod builds;
mod call;
mod call_faults;
mod csv;
mod earlier_state;
mod explain;
mod graphs;
mod names;
mod not_finite;
mod options;
mod orders;
mod package;
mod policies;
mod programs;
mod resume;
mod stages;
mod state;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Place, end_of, error_of, example, start_processes};

/// What most runs read: the file `input`, in epochs of 10 ms with a hundred lines.
const INPUT: [&str; 6] = ["--source", "lines:input", "--rate", "10k", "--epoch", "10ms"];
/// The number of clicks or visits.
const LINES: usize = 3_000;
/// Where the output goes.
const OUTPUT: [&str; 6] =
    ["--sink", "files:out", "--commit-every", "20ms", "--dead-letter", "dead.jsonl"];
/// The workers and processes of a run.
const WAYS: [(&str, usize); 4] = [("1", 1), ("2", 1), ("4", 1), ("2", 2)];
/// The local Lambda that fails and throttles, and how it is asked.
const FAILING: [&str; 8] = [
    "--local-lambda",
    "network=2ms,cold_start=5ms,failure_rate=0.1,throttle_rate=0.02,seed=3",
    "--attempts",
    "2",
    "--timeout",
    "300ms",
    "--linger",
    "2ms",
];

/// A place with clicks, for the example `clicks`.
fn clicks() -> Place {
    let place = Place::in_memory().running(|| Command::new(example("clicks")));
    fs::write(place.path("input"), (0..LINES).map(line).collect::<String>()).unwrap();
    place
}

/// Runs the program with these workers and processes to a good end. Returns what it wrote to standard error.
fn run_with(place: &Place, args: &[&str], (workers, processes): (&str, usize)) -> String {
    let args = [args, &["--", "-w", workers]].concat();
    let children = match processes {
        1 => vec![place.start(&args)],
        several => start_processes(place, several, &args),
    };
    let said = children.into_iter().map(|child| {
        let ended = end_of(child, "a process");
        assert!(ended.status.success(), "{args:?}: {} {}", ended.status, error_of(&ended));
        error_of(&ended)
    });
    said.collect()
}

/// Runs the program on these lines, with two workers under `local`, to a good end. Returns what it wrote to standard error.
fn run_on(place: &Place, lines: &str) -> String {
    fs::write(place.path("input"), lines).unwrap();
    let args = ["run", "--source", "lines:input", "--out", "out", "--policy", "local"];
    let figures = ["--dead-letter", "dead.jsonl", "--summary", "summary.json"];
    run_with(place, &[&args[..], &figures].concat(), ("2", 1))
}

/// The dead letter of a line.
fn letter(number: u64, code: &str, message: &str, text: &str) -> Value {
    json!({ "record": number.to_string(), "code": code, "message": message, "text": text })
}

/// A click on a page with up to four links, or a line that is bad for the parser or for the stage `fetch`.
fn line(number: usize) -> String {
    let user = number % 7;
    match page(number) {
        Ok(links) => format!("{{\"user\":\"u{user}\",\"page\":\"/{}\"}}\n", links.join("/")),
        Err("no_page") => format!("{{\"page\":\"n{number}\",\"user\":\"u{user}\"}}\n"),
        Err(_) => format!("{{\"user\":\"u{user}\",\"page\":{number}}}\n"),
    }
}

/// The links of a click's page, or the code of its dead letter.
fn page(number: usize) -> Result<Vec<String>, &'static str> {
    match number % 100 {
        99 => Err("invalid_json"),
        49 => Err("no_page"),
        _ => Ok((0..=number % 4).map(|link| format!("{number:x}-{link}")).collect()),
    }
}

/// The sorted lines that a run must commit, computed without Floodway.
fn scores() -> Vec<u8> {
    let score =
        |link: &String| link.bytes().fold(7, |score, byte| (score * 31 + u64::from(byte)) % 1_000);
    let mut lines = Vec::new();
    for number in 0..LINES {
        let user = number % 7;
        lines.extend(page(number).unwrap_or_default().iter().map(|link| {
            format!("{{\"user\":\"u{user}\",\"link\":\"{link}\",\"score\":{}}}\n", score(link))
        }));
    }
    lines.sort_unstable();
    lines.concat().into_bytes()
}

/// The dead letters that a run must write, in the order of `dead_letters`.
fn expected_dead_letters() -> Vec<Value> {
    let mut letters = Vec::new();
    for number in 0..LINES {
        letters.extend(match page(number) {
            Ok(_) => None,
            Err(code @ "no_page") => {
                let text = format!("{{\"user\":\"u{}\",\"page\":\"n{number}\"}}", number % 7);
                Some(json!({ "record": "fetch", "code": code, "text": text }))
            }
            Err(code) => {
                let text = line(number).trim_end().to_owned();
                let page = format!("invalid type: integer `{number}`, expected a string");
                let message = format!("{page} at column {}", text.len() - 1);
                Some(letter(number as u64, code, &message, &text))
            }
        });
    }
    letters.sort_by_key(Value::to_string);
    letters
}

/// The dead letters of a run.
fn dead_letters(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("dead.jsonl")).unwrap_or_default();
    let mut letters: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    letters.sort_by_key(Value::to_string);
    letters
}

/// Checks that the output is whole, and that nothing is in its folder that does not belong there.
fn is_complete(place: &Place) {
    assert!(place.output("out") == scores(), "other lines than expected");
    assert!(dead_letters(place) == expected_dead_letters(), "other dead letters than expected");
    let entries = fs::read_dir(place.path("out")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stray: Vec<_> = names.filter(|name| name.starts_with('.')).collect();
    assert!(stray.is_empty(), "{stray:?} are left in the folder");
}

/// Checks that the counts of a summary are those of the input.
fn counts_are_right(summary: &Value) {
    let count = |field: &str| summary[field].as_u64().unwrap();
    let bad = expected_dead_letters().len() as u64;
    let results = scores().iter().filter(|byte| **byte == b'\n').count() as u64;
    let of_input = [count("events_in"), count("results_out"), count("records_bad")];
    assert_eq!(of_input, [LINES as u64, results, bad], "{summary}");
    let stages = summary["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|stage| stage["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fetch", "score"], "{summary}");
    let parsed = (LINES - LINES / 100) as u64;
    for (stage, records) in stages.iter().zip([parsed, results]) {
        assert_eq!(stage["received"], records, "{summary}");
        assert_eq!(stage["done"], records, "{summary}");
    }
}

/// The number of results that functions computed, over all stages of a program with several.
fn remote(summary: &Value) -> u64 {
    let stages = summary["stages"].as_array().unwrap();
    stages.iter().map(|stage| stage["remote"].as_u64().unwrap()).sum()
}
