//! Graphs of other forms than a chain, and what the command shows of any.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::programs::{graph, numbers};
use super::{FAILING, INPUT, WAYS, clicks, counts_are_right, run_with};
use crate::common::shown::Shown;
use crate::common::{Place, error_of, for_all, output_of, within_tries};

const NUMBERS: u64 = 2_000;
const TO_OUT: [&str; 3] = ["--out", "out", "--overwrite"];
const REMOTE: [&str; 2] = ["--policy", "remote"];

fn place(name: &'static str) -> Place {
    let place = graph(name);
    fs::write(place.path("input"), numbers(NUMBERS)).unwrap();
    place
}

/// Runs the program under `remote` in all ways. Its sorted output is these lines.
fn commits(name: &'static str, mut lines: Vec<String>, check: impl Fn(&Value) + Sync) {
    lines.sort_unstable();
    let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
    for_all(&WAYS, |way| {
        let place = place(name);
        let run = ["run", "--summary", "summary.json", "--commit-every", "20ms"];
        run_with(&place, &[&run[..], &INPUT, &TO_OUT, &REMOTE, &FAILING].concat(), *way);
        assert!(place.output("out") == expected.as_bytes(), "{way:?}");
        let summary = place.summary();
        assert_eq!(summary["events_in"], NUMBERS, "{summary}");
        assert_eq!(summary["results_out"], lines.len(), "{summary}");
        assert_eq!(summary["records_bad"], 0, "{summary}");
        check(&summary);
    });
}

#[test]
fn a_graph_without_a_stage_commits_what_timelys_operators_count() {
    let mut counts = BTreeMap::new();
    for number in 0..NUMBERS {
        *counts.entry((number / 100, number % 3)).or_insert(0) += 1;
    }
    let line = |((epoch, key), count)| format!("{epoch}\t1\t{key}: {count}");
    commits("counts", counts.into_iter().map(line).collect(), |summary| {
        assert_eq!(summary["attempts"], 0, "there is nothing to send: {summary}");
    });
}

#[test]
fn records_may_change_workers_between_two_stages() {
    commits("exchange", (0..NUMBERS).map(|number| (6 * number).to_string()).collect(), |summary| {
        let stages = summary["stages"].as_array().unwrap();
        let received: Vec<_> = stages
            .iter()
            .map(|stage| (stage["name"].as_str(), stage["received"].as_u64()))
            .collect();
        let each = Some(NUMBERS);
        assert_eq!(received, [(Some("double"), each), (Some("triple"), each)], "{summary}");
    });
}

#[test]
fn verify_finds_a_task_that_is_not_pure_and_shows_both_results() {
    let verified = [&["run", "--verify", "100%"], &INPUT[..], &TO_OUT, &REMOTE, &FAILING].concat();
    let place = place("impure");
    // It is found if any record is done remotely.
    within_tries("a remote result", || {
        let output = place.run(&verified);
        let error = error_of(&output);
        match output.status.code() {
            Some(0) => return Err(error),
            code => assert_eq!(code, Some(1), "{error}"),
        }
        let lines: Vec<_> = error.lines().filter(|line| line.starts_with("program: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains("record "), "{error}");
        let logged = error.lines().filter(|line| line.contains("differs"));
        assert_eq!(logged.count(), 1, "it is said once: {error}");
        // Both results are numbers, which no two calls share.
        let (_, results) = lines[0].split_once("(--verify): ").unwrap();
        let (remote, here) = results.split_once(". ").unwrap().0.split_once(", and here ").unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{error}"));
        assert_ne!(number(remote), number(here), "{error}");
        Ok(())
    });
}

#[test]
fn verify_passes_for_pure_tasks() {
    let place = clicks();
    let remote = [&REMOTE[..], &["--verify", "100%"], &FAILING].concat();
    let args = [&["run"], &INPUT[..], &TO_OUT, &remote].concat();
    place.run_until(&args, |summary| summary["verified"].as_u64() > Some(0));
    assert!(place.output("out") == super::scores());
}

#[test]
fn compare_runs_the_program_itself_under_each_policy() {
    let place = clicks();
    let policies = ["--policies", "local,remote", "--warm-up-run", "0s", "--report", "report"];
    let output = place.run(&[&["compare"], &INPUT[..], &policies].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let table = output_of(&output);
    for policy in ["local", "remote"] {
        assert!(table.lines().any(|line| line.starts_with(policy)), "{table}");
    }
    let report = fs::read(place.path("report/compare.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let command = report["command"].as_str().unwrap();
    assert!(command.starts_with("clicks compare "), "{command}");
    let compared = report["policies"].as_array().unwrap();
    assert_eq!(compared.len(), 2);
    for policy in compared {
        counts_are_right(&policy["rounds"][0]["summary"]);
        let command = policy["command"].as_str().unwrap();
        assert!(command.starts_with("clicks run "), "{command}");
    }
}

#[test]
fn a_program_shows_itself_while_it_runs() {
    let place = clicks();
    let listen = ["--listen", "127.0.0.1:0", "--listen-after", "1h", "--summary", "summary.json"];
    let remote = [&REMOTE[..], &FAILING].concat();
    let args = [&["run"], &INPUT[..], &["--out", "out"], &listen, &remote].concat();
    let run = Shown::start(place.floodway(&args));
    assert_eq!(run.get("/").status, 200);
    let last = run.until("done");
    let summary = place.summary();
    counts_are_right(&summary);
    let shown: Value = serde_json::from_str(&run.get("/summary.json").body).unwrap();
    assert_eq!(shown, summary);
    let emitted = last.get("floodway_records_emitted_total");
    assert_eq!(summary["events_in"].as_f64(), Some(emitted));
    for stage in summary["stages"].as_array().unwrap() {
        let of = format!("{{stage={}", stage["name"]);
        let received = last.get(&format!("floodway_stage_received_records_total{of}}}"));
        let done = ["local", "remote", "bad"].map(|route| {
            last.get(&format!("floodway_stage_records_total{of},where=\"{route}\"}}"))
        });
        assert_eq!(stage["received"].as_f64(), Some(received));
        assert_eq!(stage["done"].as_f64(), Some(done.iter().sum()));
        assert_eq!(last.get(&format!("floodway_stage_backlog_records{of}}}")), 0.0);
    }
    assert_eq!(summary["stages"][1]["name"], "score");
    run.end();
}
