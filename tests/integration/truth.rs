//! What a run says of itself is true: whether its results were on time, and whether anything was done
//! remotely where the policy wanted that.

use std::fs;
use std::process::Output;

use crate::common::{Place, end_of, error_of, output_of, start_processes, within_tries};
use crate::fault_server::{Fault, On, Server};
use serde_json::Value;

/// A millisecond of work a record, two records a millisecond for 300 ms: twice what a worker does.
const TOO_MUCH: [&str; 9] =
    ["run", "--work", "1ms", "--rate", "2k", "--duration", "300ms", "--sink", "null"];

/// A server that is not there.
const NOBODY: &str = "http://127.0.0.1:1/";

fn number(summary: &Value, field: &str) -> u64 {
    summary[field].as_u64().unwrap_or_else(|| panic!("{field} of {summary}"))
}

/// The counts of late results agree with each other and with all results.
fn adds_up(summary: &Value) {
    let (late, all) = (number(summary, "late_records"), number(summary, "events_in"));
    let by = &summary["late_by"];
    assert_eq!(["local", "remote", "home"].map(|path| number(by, path)).iter().sum::<u64>(), late);
    let fraction = (all - late) as f64 / all as f64;
    assert!((summary["on_time_fraction"].as_f64().unwrap() - fraction).abs() < 1e-9, "{summary}");
}

#[test]
fn a_missed_deadline_and_its_cause_are_the_last_line_under_any_policy() {
    let place = Place::new();
    let policies: [&[&str]; 4] = [
        &["--policy", "local"],
        &["--policy", "spill", "--threshold", "1M"],
        &["--policy", "threshold", "--threshold", "1M"],
        &["--policy", "deadline", "--budget-total", "0.0000001"],
    ];
    for policy in policies {
        let more = ["--deadline", "20ms", "--summary", "summary.json"];
        let output = place.run(&[&TOO_MUCH[..], policy, &more].concat());
        assert!(output.status.success(), "{}", error_of(&output));
        let (said, summary) = (output_of(&output), place.summary());
        adds_up(&summary);
        // The first 40 are in time where the worker has a processor.
        assert!(number(&summary, "late_records") > 500, "{summary}");
        assert_eq!(summary["deadline_ms"], 20.0);
        let on_time = said.lines().find(|line| line.starts_with("on time "));
        assert!(on_time.is_some_and(|line| line.contains(" % within 20 ms; ")), "{said}");
        let missed = summary["missed"].as_str().unwrap();
        assert!(missed.starts_with("The deadline was missed: "), "{missed}");
        assert!(
            missed.contains(" of the results came more than 20 ms after their scheduled time.")
        );
        // What held it up is named, with figures.
        assert!(missed.contains(" Cause of most of them: The "), "{missed}");
        let last: Vec<&str> = said.lines().rev().take(2).collect();
        assert!(last.contains(&missed), "{said}");
    }
}

#[test]
fn a_kept_deadline_is_reported_as_all_on_time() {
    let place = Place::new();
    let args = ["run", "--rate", "1k", "--duration", "500ms", "--sink", "null"];
    let more = ["--policy", "local", "--deadline", "1h", "--summary", "summary.json"];
    let output = place.run(&[&args[..], &more].concat());
    let (said, summary) = (output_of(&output), place.summary());
    adds_up(&summary);
    assert_eq!((number(&summary, "late_records"), &summary["on_time_fraction"]), (0, &1.0.into()));
    assert!(said.contains("on time   100 % within 60 min\n"), "{said}");
    assert!(summary.get("missed").is_none() && !said.contains("missed"), "{said}");
}

/// Text that is read as fast as it is taken queues: that is no fault, but it is counted.
#[test]
fn without_a_schedule_late_results_are_counted_and_not_an_error() {
    let place = Place::new();
    std::fs::write(place.path("in.txt"), "some text\n".repeat(500)).unwrap();
    let args = ["run", "--source", "lines:in.txt", "--work", "1ms", "--deadline", "20ms"];
    let output = place.run(&[&args[..], &["--sink", "null", "--summary", "summary.json"]].concat());
    let summary = place.summary();
    adds_up(&summary);
    assert!(number(&summary, "late_records") > 0, "{summary}");
    assert!(summary.get("missed").is_none() && output_of(&output).contains("\non time "));
}

#[test]
fn progress_shows_the_on_time_share() {
    let place = Place::new();
    let args = ["run", "--rate", "1k", "--duration", "6s", "--deadline", "1h", "--sink", "null"];
    let output = place.run(&args);
    assert!(error_of(&output).contains("/s  on time 100 %  "), "{}", error_of(&output));
}

#[test]
fn late_results_of_all_processes_are_added_and_the_first_reports_the_cause() {
    let place = Place::new();
    let more = ["--deadline", "20ms", "--summary", "summary.json"];
    let twice = TOO_MUCH.map(|arg| if arg == "2k" { "4k" } else { arg });
    let processes = start_processes(&place, 2, &[&twice[..], &more].concat());
    let outputs: Vec<Output> =
        processes.into_iter().map(|child| end_of(child, "a process")).collect();
    let summary = place.summary();
    adds_up(&summary);
    // One process has half of the records.
    assert!(number(&summary, "late_records") > 600, "{summary}");
    let last = output_of(&outputs[0]);
    let last = last.lines().last().unwrap();
    assert!(
        last.starts_with("The deadline was missed: ") && last.contains("Cause of most of them"),
        "{last}"
    );
    assert_eq!(output_of(&outputs[1]), "");
}

/// Policies that want to send something of this.
const WANTING: [&[&str]; 4] = [
    &["--policy", "remote"],
    &["--policy", "spill", "--threshold", "1k"],
    &["--policy", "threshold", "--threshold", "1k"],
    &["--policy", "deadline", "--deadline", "20ms"],
];

#[test]
fn a_run_that_could_send_nothing_reports_the_cause_last() {
    let place = Place::new();
    for policy in WANTING {
        let args = [&TOO_MUCH[..], policy, &["--lambda", NOBODY]].concat();
        let output = place.run(&[&args[..], &["--summary", "summary.json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        let said = output_of(&output);
        let last = said.lines().last().unwrap();
        let begin = format!(
            "Nothing was done remotely, although the policy {} wanted to send records: {NOBODY}: ",
            policy[1]
        );
        assert!(last.starts_with(&begin) && last.contains("Connection refused"), "{last}");
        assert!(last.contains("the command `check`"), "it says what to do: {last}");
        assert_eq!(place.summary()["nothing_remote"], last);

        let output = place.run(&[&args[..], &["--require-remote"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
        let error = error_of(&output);
        let last = error.lines().last().unwrap();
        assert!(last.contains(&begin) && last.contains("--require-remote"), "{last}");
    }
}

#[test]
fn a_function_that_refuses_every_record_is_named_as_the_cause() {
    let place = Place::new();
    // The server refuses words whose bytes add up to a multiple of 5, as this one's do.
    fs::write(place.path("in.txt"), "d\nd\n").unwrap();
    let server = Server::start(Fault::Errors, On::All);
    let run = ["run", "--source", "lines:in.txt", "--policy", "remote", "--sink", "null"];
    let output = place.run(&[&run[..], &["--require-remote", "--lambda", &server.url]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", output_of(&output));
    let error = error_of(&output);
    let last = error.lines().last().unwrap();
    assert!(last.contains("the function refuses records that are good (\"no\")"), "{error}");
}

/// A function that fails, one that is paid for by nobody, and one that answers after the deadline: at all, if the
/// run is over before.
#[test]
fn the_reason_for_nothing_remote_is_the_actual_cause() {
    let place = Place::new();
    for (options, why) in [
        (
            &["--policy", "spill", "--threshold", "1k", "--local-lambda", "failure_rate=1"][..],
            "local: ",
        ),
        (&["--policy", "spill", "--threshold", "1k", "--budget-total", "0.0000001"], "the budget "),
        (&["--policy", "deadline", "--deadline", "50ms", "--local-lambda", "network=3s"], ""),
    ] {
        let output = place.run(&[&TOO_MUCH[..], options, &["--require-remote"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", output_of(&output));
        let error = error_of(&output);
        let last = error.lines().last().unwrap();
        let begin = format!("wanted to send records: {why}");
        let slow = ["a request to local takes ", "local had answered no request in time"];
        let is_slow = slow.iter().any(|slow| last.contains(slow));
        assert_eq!(is_slow, why.is_empty(), "{last}");
        assert!(last.contains(&begin), "{last}");
    }
}

#[test]
fn require_remote_passes_when_nothing_was_wanted_or_something_was_done() {
    let place = Place::new();
    let little = ["run", "--rate", "1k", "--duration", "300ms", "--sink", "null"];
    let unneeded = ["--policy", "spill", "--threshold", "50k", "--lambda", NOBODY];
    let had = ["--policy", "remote"];
    let run = |policy| place.run(&[&little[..], policy, &["--require-remote"]].concat());
    // The function of a busy machine may answer none in time.
    let had = within_tries("a run that does something remotely", || {
        let output = run(&had);
        if output.status.success() {
            return Ok(output);
        }
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("wanted to send records: "), "{error}");
        Err(error)
    });
    for output in [run(&unneeded), had] {
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        assert!(
            !output_of(&output).contains("Nothing was done remotely"),
            "{}",
            output_of(&output)
        );
    }
}
