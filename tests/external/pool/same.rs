//! The output does not depend on who computed a record.

use super::{assert_whole, lines, place, settings};
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{end_of, error_of, poll, start_processes};

const RUN: [&str; 9] = [
    "run",
    "--source",
    "lines:lines.txt",
    "--task",
    "function:f",
    "--out",
    "out",
    "--dead-letter",
    "bad.jsonl",
];

#[test]
fn the_output_is_the_same_under_any_policy_and_with_any_number_of_workers_and_processes() {
    let lines = lines(1_500);
    let ways: [&[&str]; 6] = [
        &["--processes", "1"],
        &["--processes", "3", "--", "-w", "4"],
        &["--policy", "remote", "--batch", "50"],
        &["--policy", "remote", "--batch", "50", "--local-lambda", "failure_rate=0.2"],
        &["--policy", "deadline", "--deadline", "50ms", "--", "-w", "2"],
        &["--rate", "5k", "--policy", "spill", "--threshold", "2k", "--", "-w", "2"],
    ];
    for way in ways {
        let Some(place) = place(&lines) else { return };
        let summary = place.run_well(&[&RUN[..], way].concat());
        assert_whole(&place, &lines, &format!("{way:?}"));
        assert_eq!(summary["events_in"], lines.len(), "{way:?}: {summary}");
    }
    let Some(place) = place(&lines) else { return };
    for process in start_processes(&place, 2, &[&RUN[..], &["--processes", "1"]].concat()) {
        let output = end_of(process, "a process of two");
        assert!(output.status.success(), "{}", error_of(&output));
    }
    assert_whole(&place, &lines, "two processes");
}

#[test]
fn a_function_that_is_slower_than_the_stream_is_helped_by_the_remote_side() {
    let lines: Vec<String> = (0..4_000).map(|number| format!("line {number}")).collect();
    let Some(place) = place(&lines) else { return };
    settings(&place, "environment = { SECONDS_A_RECORD = \"0.002\" }");
    let options =
        ["--processes", "1", "--rate", "2k", "--policy", "deadline", "--deadline", "400ms"];
    let summary = place.run_until(&[&RUN[..], &["--overwrite"], &options].concat(), |summary| {
        let done = |side: &str| summary[side].as_u64().unwrap();
        done("records_local") > 100 && done("records_remote") > 1_000
    });
    assert_whole(&place, &lines, "with help");
    assert_eq!(summary["stages"], serde_json::Value::Null, "{summary}");
}

#[test]
fn a_sample_of_the_remote_results_is_verified_by_the_processes() {
    let lines = lines(2_000);
    let Some(place) = place(&lines) else { return };
    let options = ["--policy", "remote", "--batch", "100", "--verify", "0.5"];
    let summary = place.run_well(&[&RUN[..], &options].concat());
    assert_whole(&place, &lines, "verified");
    let (verified, remote) = (&summary["verified"], &summary["records_remote"]);
    let share = verified.as_f64().unwrap() / remote.as_f64().unwrap();
    assert!((0.45..0.55).contains(&share), "{verified} of {remote}");
}

#[test]
fn records_and_results_are_json_values_if_that_is_asked_for() {
    let values = [
        r#"{"b": 1, "a": [null, "ü"]}"#,
        "12345678901234567890123",
        r#"{"a":"#,
        r#""text""#,
        "true",
    ];
    let lines = values.map(str::to_owned);
    for policy in ["local", "remote"] {
        let Some(place) = place(&lines) else { return };
        place.run_well(&[&RUN[..], &["--records", "json", "--policy", policy]].concat());
        let expected = [
            r#"0	{"of":{"b":1,"a":[null,"ü"]},"is":"dict"}"#,
            r#"1	{"of":12345678901234567890123,"is":"int"}"#,
            r#"3	"txet""#,
            r#"4	{"of":true,"is":"bool"}"#,
        ];
        let output = String::from_utf8(place.output("out")).unwrap();
        assert_eq!(output.lines().collect::<Vec<_>>(), expected, "{policy}");
        let message = "EOF while parsing a value at column 5";
        let letter = format!(
            r#"{{"record":"2","code":"invalid_json","message":"{message}","text":"{{\"a\":"}}"#
        );
        assert_eq!(super::dead_letters(place.path("bad.jsonl")), [letter], "{policy}");
    }
}

#[test]
fn a_record_for_which_the_function_hangs_is_bad_and_no_other() {
    let mut lines: Vec<String> = (0..300).map(|number| format!("line {number}")).collect();
    lines[120] = "hang here".to_owned();
    let Some(place) = place(&lines) else { return };
    settings(&place, "timeout = \"1s\"");
    place.run_well(&RUN);
    let mut good = lines.clone();
    good[120] = "no result".to_owned();
    assert!(place.output("out") == super::expected(&good), "another output");
    let letters = super::dead_letters(place.path("bad.jsonl"));
    let expected = r#"{"record":"120","code":"function_timeout","message":"Task timed out after 1.00 seconds","text":"hang here"}"#;
    assert_eq!(letters, [expected]);
}

#[test]
fn processes_that_are_killed_are_replaced() {
    let lines: Vec<String> = (0..3_000).map(|number| format!("line {number}")).collect();
    let Some(place) = place(&lines) else { return };
    settings(&place, "environment = { SECONDS_A_RECORD = \"0.001\" }");
    let options = ["--rate", "300", "--processes", "2", "--commit-every", "100ms"];
    let mut run = place.start(&[&RUN[..], &options].concat());
    for _ in 0..5 {
        let committed = place.commits("out");
        kill_processes(&place.path("f/bootstrap"));
        poll("another commit", || {
            let is_over = run.try_wait().unwrap().is_some();
            (is_over || place.commits("out") > committed).then_some(())
        });
    }
    let output = end_of(run, "a run whose processes are killed");
    assert!(output.status.success(), "{}", error_of(&output));
    assert_whole(&place, &lines, "killed processes");
}

/// Kills the processes that run `program`.
fn kill_processes(program: &Path) {
    let program = program.to_str().unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let (true, Some(pid)) = (command.contains(program), pid.and_then(Pid::from_raw)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
