//! What is wrong with a program or its command line ends it with one line and the right code, and what was committed
//! before is whole.

use std::process::Output;

use super::programs::{graph, numbers};
use super::{INPUT, clicks};
use crate::common::{Place, end_of, error_of, output_of, start, start_processes};

/// Checks that a process ended with 1 and said so in one line, which contains `parts`.
fn failed(output: &Output, parts: &[&str]) {
    let error = error_of(output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let lines: Vec<_> = error.lines().filter(|line| line.starts_with("program: ")).collect();
    assert_eq!(lines.len(), 1, "one line says what failed: {error}");
    for part in parts {
        assert!(lines[0].contains(part), "without {part:?}: {error}");
    }
    assert!(!error.contains("panicked at"), "a backtrace is for the log: {error}");
}

/// Runs the program `name` on the numbers below 3,000, with these options.
fn run(place: &Place, options: &[&str]) -> Output {
    std::fs::write(place.path("numbers"), numbers(3_000)).unwrap();
    let run = ["run", "--source", "lines:numbers", "--rate", "10k", "--epoch", "10ms"];
    place.run(&[&run[..], &["--out", "out", "--commit-every", "20ms"], options].concat())
}

#[test]
fn a_graph_that_cannot_be_built_ends_the_command_with_1_before_there_is_any_output() {
    let cases: [(&str, &[&str]); 5] = [
        ("fails", &["cannot be built: cannot read the rules: No such file"]),
        ("panics", &["panicked while it was built: there are no rules"]),
        ("named twice", &["cannot be built: two stages have the name \"double\""]),
        ("named wrongly", &["cannot be built: a stage has the name \"double, v1.2\": expected"]),
        ("output first", &["cannot be built: a stage or a parser was added after the output"]),
    ];
    for (name, parts) in cases {
        let place = graph(name);
        failed(&run(&place, &[]), parts);
        assert!(!place.path("out").exists(), "{name}");
        failed(&place.run(&["lambda"]), parts);
    }
}

/// It was built well before the run, and by the other worker.
#[test]
fn a_graph_that_cannot_be_built_on_one_worker_ends_all_processes_with_1() {
    let cases = [
        ("fails on a worker", "no rules on this worker"),
        ("panics on a worker", "there are no rules"),
    ];
    for (name, part) in cases {
        let place = graph(name);
        failed(&run(&place, &["--", "-w", "2"]), &[part]);
        assert_eq!(std::fs::read_dir(place.path("out")).map_or(0, parts_of), 0, "{name}");

        let place = graph(name);
        std::fs::write(place.path("numbers"), numbers(100)).unwrap();
        let args = ["run", "--source", "lines:numbers", "--out", "out", "--", "-w", "2"];
        let ended = start_processes(&place, 2, &args);
        let ended: Vec<_> = ended.into_iter().map(|child| end_of(child, "a process")).collect();
        let said: String = ended.iter().map(error_of).collect();
        assert!(said.contains(part), "{said}");
        assert!(ended.iter().all(|output| output.status.code() == Some(1)), "{said}");
    }
}

fn parts_of(folder: std::fs::ReadDir) -> usize {
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("part-")).count()
}

/// Checks that whole epochs of a hundred numbers are committed, and none from that of 700 on.
fn whole_before_700(place: &Place, line: impl Fn(u64) -> String) {
    floodway::sink::recover(&place.path("out")).unwrap();
    let output = String::from_utf8(place.output("out")).unwrap();
    let committed = output.lines().count() as u64;
    assert!(committed <= 700 && committed.is_multiple_of(100), "whole epochs: {committed}");
    let mut expected: Vec<_> = (0..committed).map(|number| line(number) + "\n").collect();
    expected.sort_unstable();
    assert_eq!(output, expected.concat());
}

#[test]
fn a_task_that_panics_ends_the_run_with_1_names_the_record_and_what_is_committed_is_whole() {
    let model = ["--local-lambda", "network=2ms,cold_start=5ms"];
    for policy in [&["--policy", "local"][..], &[&["--policy", "remote"], &model[..]].concat()] {
        let place = graph("task panics");
        let named = "the code of the stage panics panicked for record 700: ";
        let parts = [named, "700 is too much", "programs.rs:", "let it return a code"];
        failed(&run(&place, policy), &parts);
        whole_before_700(&place, |number| number.to_string());
    }
}

#[test]
fn a_parser_that_panics_ends_the_run_with_1_and_names_the_line() {
    let place = graph("parser panics");
    let named = "the code that parses lines panicked for record 700: ";
    failed(&run(&place, &["--policy", "local"]), &[named, "700 is too much", "programs.rs:"]);
    whole_before_700(&place, |number| number.to_string().len().to_string());
}

#[test]
fn a_result_that_cannot_be_written_ends_the_run_with_1_and_what_is_committed_is_whole() {
    let place = graph("unwritable");
    failed(
        &run(&place, &["--policy", "local"]),
        &["a result cannot be written as JSON: key must be a string"],
    );
    whole_before_700(&place, |_| "null".to_owned());
}

#[test]
fn options_that_are_not_a_programs_own_are_refused() {
    let refused = |place: &Place| {
        place.refuses(
            "run",
            &[
                (&["--task", "words"], &["--task words", "clicks has its own"]),
                (&["--work", "1ms"], &["--work 1ms", "clicks has its own"]),
                (
                    &["--sink", "files:out?format=jsonl"],
                    &["--sink files:out?format=jsonl", "JSON lines", "leave format= out"],
                ),
            ],
        );
        assert!(!place.path("out").exists());
    };
    refused(&clicks());
    let place = clicks();
    let help = output_of(&place.run(&["run", "--help"]));
    assert!(help.contains("Usage: clicks run"), "{help}");
    assert!(!help.contains("--task") && !help.contains("--work"), "{help}");
}

#[test]
fn the_state_of_another_graph_is_refused_and_the_difference_is_named() {
    let place = graph("double");
    let state = ["--state", "state", "--policy", "local"];
    let output = run(&place, &state);
    assert!(output.status.success(), "{}", error_of(&output));
    let before = place.output("out");
    let args = ["run", "--source", "lines:numbers", "--rate", "10k", "--epoch", "10ms", "--out"];
    let mut command = place.floodway(&[&args[..], &["out"], &state].concat());
    command.env(super::programs::NAME, "other");
    let output = end_of(start(command), "the other program");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for part in ["--state state", "the dataflow", "double", "twice"] {
        assert!(error.contains(part), "without {part:?}: {error}");
    }
    assert!(place.output("out") == before);
}

#[test]
fn an_empty_input_is_a_run_without_output() {
    for policy in ["local", "remote"] {
        let place = clicks();
        std::fs::write(place.path("input"), "").unwrap();
        let args = [&["run"], &INPUT[..], &["--out", "out", "--policy", policy]].concat();
        let summary = place.run_well(&args);
        assert_eq!((&summary["events_in"], &summary["results_out"]), (&0.into(), &0.into()));
        assert_eq!(summary["records_bad"], 0);
        assert_eq!(place.lines("out"), 0);
    }
}
