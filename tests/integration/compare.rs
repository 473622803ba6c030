//! `floodway compare` through the real command: short runs, and what is left of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use crate::common::{
    Place, end_of, error_of, output_of, poll, signal, start_processes, within_tries,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A second of a burst that one worker cannot do.
const TRACE: [&str; 12] = [
    "--work",
    "50us",
    "--rate",
    "5k",
    "--shape",
    "spike",
    "--peak-rate",
    "80k",
    "--period",
    "4s",
    "--duration",
    "1s",
];

fn command<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["compare"][..], &TRACE, more].concat()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The pid of the run at hand under `policy`, once there is one.
fn run_under(parent: u32, policy: &str) -> Pid {
    poll(policy, || {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        children.split_whitespace().find_map(|pid| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            let is_run =
                line.contains(&format!("--policy\0{policy}\0")) && line.contains("--series");
            is_run.then(|| Pid::from_raw(pid.parse().ok()?))?
        })
    })
}

#[test]
fn policies_are_compared_in_a_self_contained_report() {
    let policies = ["local", "spill", "remote"];
    let args = command(&[
        "--policies",
        "local,spill,remote",
        "--rounds",
        "2",
        "--warm-up-run",
        "100ms",
        "--report",
        "report",
    ]);
    // Bursting is what it is for, unless the machine is so busy that the function has no more time than the worker.
    let (place, output) = within_tries("a comparison that shows the gain", || {
        let place = Place::new();
        let output = place.run(&args);
        assert!(output.status.success(), "{}", error_of(&output));
        let report = json(&place.path("report/compare.json"));
        let median =
            |policy: usize, of: &str| report["policies"][policy]["medians"][of].as_f64().unwrap();
        let (local, spill) = (median(0, "p99_ms"), median(1, "p99_ms"));
        let rate = median(0, "true_rate_eps");
        let is_shown = local > 1.5 * spill && rate > 1_000.0;
        let instead = || format!("p99 {local} ms, with bursting {spill} ms, at {rate}/s");
        is_shown.then_some((place, output)).ok_or_else(instead)
    });
    let error = error_of(&output);
    assert!(error.contains("no --threshold was given"), "{error}");
    let rounds: Vec<_> = error.lines().filter(|line| line.ends_with(" of 6)")).collect();
    assert!(rounds[0].starts_with("local") && rounds[3].starts_with("local"), "{rounds:?}");

    let table = output_of(&output);
    assert!(!table.contains('\x1b'), "no colours: {table}");
    for policy in policies {
        assert!(table.lines().any(|line| line.starts_with(policy)), "{table}");
    }
    assert!(table.contains("choose ") && table.contains("report/report.html"), "{table}");

    let html = fs::read_to_string(place.path("report/report.html")).unwrap();
    for part in html.split("http").skip(1) {
        assert!(part.starts_with("://www.w3.org/2000/svg\""), "{}", &part[..60]);
    }
    assert!(!html.contains("<script") && !html.contains("<link") && !html.contains(" src="));
    // Two plots of flows a policy, one tail a policy, two of latencies, one of cost.
    assert_eq!(html.matches("<svg").count(), 3 * 3 + 3);
    let threshold = json(&place.path("report/compare.json"))["threshold"]["eps"].as_f64().unwrap();
    let words = format!("--policy spill --threshold {}", shown(threshold));
    assert!(html.contains(&format!("<span>{}</span>", words.replace(' ', "</span> <span>"))));

    let order = ["<h2>Latency over time", "<h2>Rates and backlog", "<h2>Cost over time"];
    let at = order.map(|title| html.find(title).unwrap_or_else(|| panic!("{title}")));
    assert!(at.is_sorted(), "the latency is first: {at:?}");

    let picture = fs::read_to_string(place.path("report/burst.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert_eq!((picture.matches("<svg ").count(), picture.matches("</svg>").count()), (3, 3));
    assert!(!picture.contains("NaN") && !picture.contains("var("), "{picture}");

    let report = json(&place.path("report/compare.json"));
    // When and where it was made, and what a column is, is said wherever the figures are.
    let made = |what: &str| report["made"][what].as_str().unwrap().to_owned();
    for said in [made("date"), made("machine"), made("version"), "known beforehand".to_owned()] {
        assert!(!said.is_empty() && table.contains(&said), "{said}: {table}");
        assert!(html.contains(&said), "{said} is not in the report");
    }
    assert!(made("date").ends_with(" UTC") && made("machine").contains(" core"), "{table}");
    let compared = report["policies"].as_array().unwrap();
    assert_eq!(compared.len(), 3);
    for (policy, compared) in policies.iter().zip(compared) {
        assert_eq!(
            (&compared["policy"], compared["rounds"].as_array().unwrap().len()),
            (&(*policy).into(), 2)
        );
        for (round, run) in compared["rounds"].as_array().unwrap().iter().enumerate() {
            let series = place.path(&format!("report/runs/{policy}-{}.series.jsonl", round + 1));
            the_series_adds_up_to(&run["summary"], &fs::read_to_string(series).unwrap());
        }
    }
    assert_eq!(report["burst_s"], serde_json::json!([[0.4, 0.8]]));

    // Another report in its place only if that is said.
    let again = place.run(&args);
    assert_eq!(again.status.code(), Some(2));
    let error = error_of(&again);
    assert!(error.contains("--report report") && error.contains("--overwrite"), "{error}");
    fs::write(place.path("report/mine.txt"), "keep").unwrap();
    let args = command(&["--policies", "local", "--report", "report", "--overwrite"]);
    assert!(place.run(&args).status.success());
    assert_eq!(fs::read(place.path("report/mine.txt")).unwrap(), b"keep");
    assert!(!place.path("report/runs/spill-1.series.jsonl").exists());
}

fn shown(rate: f64) -> String {
    floodway::units::show_rate(rate)
}

/// What a run's series says of its slots is what its summary says of the whole.
fn the_series_adds_up_to(summary: &Value, series: &str) {
    let lines: Vec<Value> =
        series.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let slots: Vec<_> = lines.iter().filter(|line| line["kind"] == "slot").collect();
    let sum = |name: &str| slots.iter().map(|slot| slot[name].as_f64().unwrap()).sum::<f64>();
    let total = |name: &str| summary[name].as_f64().unwrap();
    assert_eq!(sum("offered"), total("events_in"));
    assert_eq!(sum("local"), total("records_local"));
    assert_eq!(sum("remote") + sum("hedged"), total("records_remote"));
    assert_eq!(sum("hedged"), total("records_hedged"));
    assert_eq!((sum("home"), sum("bad")), (total("records_home"), total("records_bad")));
    assert!((sum("backpressured_ms") - total("backpressured_ms")).abs() < 1e-3);
    assert_eq!(slots.last().unwrap()["cost_usd"], summary["cost_usd"]);
    let paths = lines.iter().filter(|line| line["kind"] == "latency");
    for path in paths {
        let buckets = path["buckets"].as_array().unwrap();
        let records: f64 = buckets.iter().map(|bucket| bucket[1].as_f64().unwrap()).sum();
        let counted = sum(path["path"].as_str().unwrap());
        assert_eq!((records, path["records"].as_f64().unwrap()), (counted, counted));
    }
}

fn text(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn a_series_is_of_all_processes_and_of_bad_records_too() {
    let place = Place::new();
    let args = ["run", "--rate", "40k", "--duration", "700ms", "--sink", "null"];
    let files = ["--summary", "summary.json", "--series", "series", "--", "-w", "2"];
    for (process, child) in
        start_processes(&place, 2, &[&args[..], &files].concat()).into_iter().enumerate()
    {
        let output = end_of(child, "a process");
        assert!(output.status.success(), "{process}: {}", error_of(&output));
    }
    let (summary, series) = (place.summary(), text(&place, "series"));
    assert_eq!((&summary["processes"], &summary["events_in"]), (&2.into(), &28_000.into()));
    the_series_adds_up_to(&summary, &series);
    let first: Value = serde_json::from_str(series.lines().next().unwrap()).unwrap();
    assert_eq!((&first["offered"], &first["length_ms"]), (&4_000.into(), &100.0.into()));

    fs::write(place.path("text"), b"one\ntwo\xff\nthree\n".repeat(500)).unwrap();
    let args = ["run", "--source", "lines:text", "--out", "out", "--series", "series"];
    let summary = place.run_well(&args);
    assert_eq!(summary["records_bad"], 500);
    assert!(summary["latency_burst_ms"].is_null(), "a constant rate has no burst");
    the_series_adds_up_to(&summary, &text(&place, "series"));
    let output = place.run(&["run", "--events", "10", "--sink", "null", "--series", "none/s"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_of(&output).contains("none/s"));
}

#[test]
fn a_wrong_comparison_is_refused_before_anything_runs() {
    let place = Place::new();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--policies", "local,magic"], &["--policies", "magic", "deadline"]),
        (&["--policies", "local,local"], &["--policies", "local", "--rounds"]),
        (&["--policies", ""], &["--policies"]),
        (&["--policy", "local"], &["--policy", "local", "--policies"]),
        (&["--policies", "local", "--threshold", "5k"], &["--threshold", "5k", "--policies"]),
        (&["--threshold", "fast"], &["--threshold", "fast"]),
        (&["--policies", "local", "--budget", "1/h"], &["--budget", "1/h", "--policies"]),
        (&["--warm-up-run", "-1s"], &["--warm-up-run", "-1s", "1.5s"]),
        (&["--shape", "trace:x", "--rate", "5k"], &["--rate", "5k", "own rates"]),
        (&["--skew", "0.9"], &["--skew", "0.9", "-w 2"]),
        (&["--rounds", "0"], &["--rounds", "0", "at least 1"]),
        (&["--warm-up-run", "5"], &["--warm-up-run", "5", "1.5s"]),
        (&["--out", "x"], &["--out", "x", "null"]),
        (&["--summary", "x"], &["--summary", "x", "--report"]),
        (&["--source", "lines:-"], &["--source", "lines:-", "file"]),
        (&["--source", "lines:x", "--follow"], &["--follow", "no end"]),
        (&["--rate", "0"], &["--rate", "0"]),
        (&["--local-lambda", "speed=9"], &["--local-lambda", "speed=9"]),
        (&["--", "-n", "2", "-p", "0"], &["-n", "2", "-w"]),
    ];
    place.refuses("compare", cases);
    assert!(!place.path("out").exists(), "nothing was begun");
}

#[test]
fn a_run_that_fails_is_named_and_compare_exits_with_1() {
    let place = Place::new();
    let args = command(&["--policies", "local,remote", "--report", "report"]);
    let child = place.start(&args);
    kill_process(run_under(child.id(), "remote"), Signal::KILL).unwrap();
    let output = end_of(child, "compare");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("remote (round 1 of 1) failed: it was ended by signal 9"), "{error}");
    // What was finished is reported all the same.
    let report = json(&place.path("report/compare.json"));
    assert_eq!(report["policies"][0]["policy"], "local");
    assert!(report["incomplete"].as_str().unwrap().contains("remote"), "{report}");
    assert!(output_of(&output).contains("local"));
}

/// What only some policies heed goes to their runs.
#[test]
fn options_of_some_policies_are_passed_to_those_only() {
    let place = Place::new();
    let trace = ["compare", "--rate", "5k", "--duration", "200ms", "--warm-up-run", "0s"];
    let more = ["--policies", "local,spill,deadline", "--deadline", "70ms", "--budget", "1/h"];
    let output = place.run(&[&trace[..], &more, &["--report", "r"]].concat());
    let error = error_of(&output);
    assert!(output.status.success(), "{error}");
    // The task costs nothing: it is the dataflow that bounds the threshold, and that is above the trace.
    let report = json(&place.path("r/compare.json"));
    let threshold = report["threshold"]["eps"].as_f64().unwrap();
    assert!(threshold > 5e3, "{threshold}");
    assert!(error.contains("the rate is never above 5k"), "{error}");
    assert_eq!(report["deadline_ms"], 70.0);
    let has = |policy: usize, option: &str| {
        report["policies"][policy]["command"].as_str().unwrap().contains(option)
    };
    assert_eq!([0, 1, 2].map(|policy| has(policy, "--deadline 70ms")), [true; 3]);
    assert_eq!([0, 1, 2].map(|policy| has(policy, "--budget 1/h")), [false, true, true]);
}

#[test]
fn ctrl_c_in_the_first_run_leaves_no_report() {
    let place = Place::new();
    let args = command(&["--policies", "local,remote", "--report", "r", "--warm-up-run", "0s"]);
    let child = place.start(&args);
    run_under(child.id(), "local");
    signal(&child, Signal::INT);
    let output = end_of(child, "compare");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(!place.path("r").exists(), "the same command can be given again");
}

/// The first signal finishes what is at hand, which may take long.
#[test]
fn a_second_signal_ends_compare_at_once_and_leaves_no_report() {
    let place = Place::new();
    // A second of input is fifty seconds of work.
    let args = ["compare", "--rate", "1k", "--duration", "10s", "--work", "50ms", "--report", "r"];
    let more = ["--max-backlog", "100k", "--policies", "local,remote", "--warm-up-run", "0s"];
    let mut child = place.start(&[&args[..], &more].concat());
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("backlog")));
    let run = run_under(child.id(), "local");
    signal(&child, Signal::INT);
    assert!(said.any(|line| line.contains("again to end at once")));
    signal(&child, Signal::INT);
    assert!(said.any(|line| line == "floodway: ended by a second signal"));
    assert_eq!(end_of(child, "compare").status.code(), Some(1));
    assert!(rustix::process::test_kill_process(run).is_err(), "the run is gone");
    assert!(!place.path("r").exists(), "the same command can be given again");
}

#[test]
fn ctrl_c_ends_the_current_run_and_reports_the_finished_ones() {
    let place = Place::new();
    let args = command(&["--policies", "local,remote,spill", "--threshold", "9k", "--report", "r"]);
    let child = place.start(&args);
    let run = run_under(child.id(), "remote");
    signal(&child, Signal::INT);
    let output = end_of(child, "compare");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(rustix::process::test_kill_process(run).is_err(), "the run is gone");
    assert!(!error.contains("spill (3 of 3)"), "{error}");
    let report = json(&place.path("r/compare.json"));
    assert_eq!(report["policies"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["incomplete"], "it was stopped by a signal");
}
