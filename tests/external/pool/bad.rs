//! What is wrong is said, with what would be right.

use std::fs;

use super::place;
use crate::common::shown::Shown;
use crate::common::{error_of, parts};

fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "--source", "lines:lines.txt", "--sink", "null", "--task", "function:f"];
    [&run[..], more].concat()
}

#[test]
fn a_function_that_fails_for_everything_ends_the_run_with_its_message() {
    let lines: Vec<String> = (0..500).map(|number| format!("raise {number}")).collect();
    let Some(place) = place(&lines) else { return };
    let output = place.run(&run(&[]));
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let said =
        "the function fails for every record, and has never answered: ValueError: no result for";
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_few_records_that_all_fail_are_bad_and_the_run_ends_well() {
    let lines: Vec<String> = (0..5).map(|number| format!("raise {number}")).collect();
    let Some(place) = place(&lines) else { return };
    let summary = place.run_well(&run(&["--dead-letter", "bad.jsonl"]));
    assert_eq!((&summary["records_bad"], &summary["results_out"]), (&5.into(), &0.into()));
    assert_eq!(super::dead_letters(place.path("bad.jsonl")).len(), 5);
}

#[test]
fn a_process_that_does_not_start_ends_the_run_before_it_begins() {
    let Some(place) = place(&["line".to_owned()]) else { return };
    fs::write(place.path("f/bootstrap"), "#!/bin/sh\necho no table words\nexit 4\n").unwrap();
    let output = place.run(&run(&[]));
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let parts = ["the function does not start", "exit status 4", "no table words"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn wrong_options_are_refused() {
    let Some(place) = place(&["line".to_owned()]) else { return };
    parts::program("python3");
    fs::create_dir(place.path("empty")).unwrap();
    let with = |options: &[&'static str]| -> Vec<&'static str> {
        [&["--source", "lines:lines.txt", "--sink", "null"], options].concat()
    };
    let cases = [
        (with(&["--task", "function:"]), vec!["words", "function:DIR"]),
        (with(&["--task", "nothing"]), vec!["words", "function:DIR"]),
        (with(&["--task", "function:none"]), vec!["--task", "none", "No such file"]),
        (with(&["--task", "function:empty"]), vec!["--task", "empty"]),
        (with(&["--task", "function:f", "--processes", "0"]), vec!["--processes", "0"]),
        (with(&["--processes", "2"]), vec!["--processes", "function:DIR"]),
        (with(&["--task", "function:f", "--work", "1ms"]), vec!["--work", "takes"]),
        (
            with(&[
                "--task",
                "function:f",
                "--policy",
                "remote",
                "--local-lambda",
                "cold_start=1s",
            ]),
            vec!["cold_start", "--task"],
        ),
    ];
    let cases: Vec<(&[&str], &[&str])> =
        cases.iter().map(|(args, parts)| (&args[..], &parts[..])).collect();
    place.refuses("run", &cases);
}

#[test]
fn processes_that_end_are_started_again_which_is_said_and_counted() {
    let line = |number: usize| match number {
        40 => "exit 40".to_owned(),
        number => format!("line {number}"),
    };
    let lines: Vec<String> = (0..200).map(line).collect();
    let Some(place) = place(&lines) else { return };
    let output = place.run(&run(&["--summary", "summary.json"]));
    let said = error_of(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 process of the function ended while it computed"), "{said}");
    assert!(said.contains("exit status 3"), "{said}");
    let restarts = place.summary()["function_restarts"].as_u64();
    assert!(restarts >= Some(3), "a record is tried in three processes: {restarts:?}");
    let words = crate::common::output_of(&output);
    assert!(words.contains("started in place of others"), "{words}");
    let shown = run(&["--listen", "127.0.0.1:0", "--listen-after", "1h"]);
    let shown = Shown::start(place.floodway(&shown));
    let metrics = shown.until("done");
    assert!(metrics.get("floodway_function_restarts_total") >= 3.0);
    shown.end();
}

#[test]
fn what_processes_print_is_shown_if_that_is_asked_for() {
    for policy in ["local", "remote"] {
        let Some(place) = place(&["a line".to_owned()]) else { return };
        let bootstrap = fs::read_to_string(place.path("f/bootstrap")).unwrap();
        let prints =
            bootstrap.replace("import time\n", "import time\nprint('loaded', flush=True)\n");
        fs::write(place.path("f/bootstrap"), prints).unwrap();
        let with = run(&["--policy", policy]);
        let shown = [&with[..], &["--log-functions"]].concat();
        let [with, shown] = [with, shown].map(|args| error_of(&place.run(&args)));
        assert!(shown.contains("loaded") && !with.contains("loaded"), "{policy}: {shown} {with}");
    }
}

#[test]
fn a_resumed_run_says_if_the_function_has_changed() {
    let Some(place) = place(&["a line".to_owned()]) else { return };
    let args = ["--out", "out", "--state", "state"];
    let run = || {
        let run = ["run", "--source", "lines:lines.txt", "--task", "function:f"];
        let output = place.run(&[&run[..], &args].concat());
        assert!(output.status.success(), "{}", error_of(&output));
        error_of(&output).contains("the function has changed since the last run")
    };
    assert_eq!([run(), run()], [false, false]);
    fs::write(place.path("f/data"), "new").unwrap();
    fs::create_dir(place.path("f/__pycache__")).unwrap();
    assert_eq!([run(), run()], [true, false], "it is said once");
    fs::write(place.path("f/__pycache__/bootstrap.pyc"), "made").unwrap();
    assert!(!run());
    assert_eq!(place.output("out"), b"0\tenil a\n");
}
