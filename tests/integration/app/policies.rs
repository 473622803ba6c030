//! The output of a program is the same under every policy, for any number of workers and processes, and whatever the
//! remote side does.

use std::fs;
use std::path::Path;
use std::process::Command;

use floodway::policy::{POLICIES, Sends, Spec};
use serde_json::Value;

use super::programs::{graph, numbers};
use super::{
    FAILING, INPUT, OUTPUT, WAYS, clicks, counts_are_right, is_complete, remote, run_with,
};
use crate::common::{Lambda, Place, error_of, example, for_all, within_tries};
use crate::fault_server::{Fault, On, Server};

/// Runs `clicks` in this way to a good end, and returns its summary.
fn run(place: &Place, options: &[&str], way: (&str, usize)) -> Value {
    let run = ["run", "--summary", "summary.json", "--overwrite"];
    let error = run_with(place, &[&run[..], &INPUT, &OUTPUT, options].concat(), way);
    // What the function refuses, the task refuses on a worker too.
    assert!(!error.contains("refuses records"), "{options:?}: {error}");
    place.summary()
}

/// The policy, with options with which it sends.
fn options(policy: &Spec) -> Vec<&'static str> {
    let more: &[&str] = match policy.sends {
        Sends::Nothing | Sends::Always => &[],
        Sends::AboveThreshold => &["--threshold", "3k"],
        Sends::Late => &["--deadline", "30ms"],
    };
    let function: &[&str] = if policy.needs_remote() { &FAILING } else { &[] };
    [&["--policy", policy.name], more, function].concat()
}

#[test]
fn clicks_have_the_same_output_under_every_policy_with_any_workers_and_a_failing_function() {
    let cells: Vec<_> = POLICIES.iter().flat_map(|policy| WAYS.map(|way| (*policy, way))).collect();
    for_all(&cells, |(policy, way)| {
        let name = format!("{} with {way:?}", policy.name);
        // The clicks are cheap: a worker is never late, so that `deadline` may send none.
        let sends = matches!(policy.sends, Sends::Always | Sends::AboveThreshold);
        within_tries(&name, || {
            let place = clicks();
            let summary = run(&place, &options(policy), *way);
            is_complete(&place);
            counts_are_right(&summary);
            match sends && remote(&summary) == 0 {
                true => Err(format!("nothing was sent: {summary}")),
                false => Ok(()),
            }
        });
    });
}

/// A record takes a worker 1 ms, and there come more than it can do.
#[test]
fn late_records_are_sent_by_deadline_and_the_output_is_that_of_the_local_run() {
    let place = graph("slow");
    let (lines, expected) = (numbers(1_000), numbers(1_000));
    std::fs::write(place.path("lines"), &lines).unwrap();
    let args = ["run", "--source", "lines:lines", "--rate", "2k", "--out", "out", "--overwrite"];
    let late = ["--policy", "deadline", "--deadline", "50ms", "--batch", "50", "--epoch", "10ms"];
    let lambda = ["--local-lambda", "network=2ms,cold_start=5ms,failure_rate=0.05,seed=3"];
    within_tries("records that are sent", || {
        let summary = place.run_well(&[&args[..], &late, &lambda].concat());
        let mut expected: Vec<_> = expected.lines().map(|line| format!("{line}\n")).collect();
        expected.sort_unstable();
        assert!(place.output("out") == expected.concat().into_bytes());
        match summary["records_remote"].as_u64() {
            Some(0) => Err(summary.to_string()),
            _ => Ok(()),
        }
    });
}

#[test]
fn a_program_serves_its_own_tasks_to_runs_of_it() {
    let mut command = Command::new(example("clicks"));
    let model = "network=2ms,cold_start=5ms,failure_rate=0.05,seed=3";
    command.args(["lambda", "--local-lambda", model]);
    let lambda = Lambda::of(command);
    within_tries("results of the server", || {
        let place = clicks();
        let remote_side = ["--policy", "remote", "--lambda", &lambda.url];
        let summary = run(&place, &remote_side, ("2", 1));
        is_complete(&place);
        counts_are_right(&summary);
        if remote(&summary) > 0 { Ok(()) } else { Err(summary.to_string()) }
    });
}

#[test]
fn a_programs_own_file_is_the_function_that_aws_starts() {
    let place = clicks();
    fs::create_dir(place.path("function")).unwrap();
    fs::copy(example("clicks"), place.path("function/bootstrap")).unwrap();
    let lambda = Lambda::hosting(&place.path("function"), Path::new("python3"), "network=2ms");
    within_tries("results of the function", || {
        let place = clicks();
        let remote_side = ["--policy", "remote", "--lambda", &lambda.url];
        let summary = run(&place, &remote_side, ("1", 1));
        is_complete(&place);
        if remote(&summary) > 0 { Ok(()) } else { Err(summary.to_string()) }
    });
    let checked = place.run(&["check", "--lambda", &lambda.url]);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("answers for the stage fetch") && said.contains("stage score"), "{said}");
    assert!(checked.status.success() && said.ends_with("good\n"), "{said}");
}

/// It may end with 0 or 1: with 1 if it says that nothing was done remotely, as the function refuses all. Its output is
/// whole.
fn whole_with(url: &str) -> String {
    let place = clicks();
    let remote_side = ["--policy", "remote", "--timeout", "100ms", "--lambda", url];
    let output = place.run(&[&["run"], &INPUT[..], &OUTPUT, &remote_side].concat());
    let error = error_of(&output);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{error}");
    is_complete(&place);
    error
}

#[test]
fn what_a_server_without_the_programs_tasks_refuses_is_done_by_workers() {
    let lambda = Lambda::start("network=2ms,cold_start=5ms");
    let error = whole_with(&lambda.url);
    assert!(error.contains("does not answer as it should"), "it says why: {error}");
}

#[test]
fn what_a_broken_remote_side_does_not_do_is_done_by_workers() {
    for_all(&[Fault::Absent, Fault::Hang, Fault::Reset, Fault::Status(500)], |fault| {
        let server = Server::start(*fault, On::All);
        whole_with(&server.url);
    });
}
