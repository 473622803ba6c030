//! What a run reads and what `generate` writes: events, lines from files and pipes, records that are bad.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::common::{Place, end_of, error_of, poll};
use serde_json::Value;

#[test]
fn text_is_read_from_a_file_and_from_standard_input() {
    let place = Place::new();
    let text = b"one, two\n\n  \nna\xc3\xafve_1 caf\xc3\xa9!\r\nno end".to_vec();
    fs::write(place.path("text"), &text).unwrap();
    let expected = "0\tone two\n1\t\n2\t\n3\tna\u{ef}ve_1 caf\u{e9}\n4\tno end\n";
    let summary = place.run_well(&["run", "--source", "lines:text", "--out", "file"]);
    assert_eq!(String::from_utf8(place.output("file")).unwrap(), expected);
    assert_eq!(summary["events_in"], 5);

    let mut child = place
        .floodway(&["run", "--source", "lines:-", "--out", "stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = end_of(child, "it");
    assert!(output.status.success(), "{}", error_of(&output));
    assert_eq!(String::from_utf8(place.output("stdin")).unwrap(), expected);
}

#[test]
fn lines_on_a_pipe_are_committed_before_it_closes() {
    let place = Place::new();
    let mut child = place
        .floodway(&["run", "--source", "lines:-", "--out", "out"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    for (number, line) in ["first line", "second line"].iter().enumerate() {
        writeln!(pipe, "{line}").unwrap();
        poll("the line is committed", || {
            let lines = || fs::read(place.path("out/manifest.jsonl")).ok();
            let committed = lines().is_some_and(|manifest| {
                String::from_utf8_lossy(&manifest)
                    .contains(&format!("\"total_records\":{}", number + 1))
            });
            committed.then_some(())
        });
    }
    drop(pipe);
    assert!(child.wait().unwrap().success());
}

#[test]
fn bad_records_are_counted_and_kept_with_their_reasons() {
    let place = Place::new();
    let mut text = b"fine\nbroken \xff\xfe\n".to_vec();
    text.extend([b'x'; 150]);
    text.extend(b"\nfine again\n\xf0\x9f");
    fs::write(place.path("text"), &text).unwrap();
    for policy in [&["--policy", "local"][..], &["--policy", "remote"]] {
        let mut args = vec!["run", "--source", "lines:text", "--out", "out", "--overwrite"];
        args.extend(["--max-record", "100", "--dead-letter", "dead.jsonl"]);
        args.extend(policy);
        let _ = fs::remove_file(place.path("dead.jsonl"));
        let summary = place.run_well(&args);
        assert_eq!(place.output("out"), b"0\tfine\n3\tfine again\n");
        assert_eq!((&summary["events_in"], &summary["records_bad"]), (&5.into(), &3.into()));
        assert_eq!(summary["results_out"], 2);
        let dead = fs::read_to_string(place.path("dead.jsonl")).unwrap();
        let mut letters: Vec<Value> =
            dead.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        letters.sort_by_key(|letter| letter["record"].as_str().unwrap().to_owned());
        let reasons: Vec<_> =
            letters.iter().map(|letter| (&letter["record"], &letter["code"])).collect();
        let expected = [("1", "invalid_utf8"), ("2", "too_long"), ("4", "invalid_utf8")];
        let expected = expected.map(|(record, code)| (Value::from(record), Value::from(code)));
        assert_eq!(reasons, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    }
}

#[test]
fn generate_writes_what_run_processes_event_for_event() {
    let place = Place::new();
    let events = ["--rate", "5k", "--shape", "sine", "--peak-rate", "20k", "--period", "300ms"];
    let more = ["--duration", "500ms", "--seed", "11", "--nexmark", "person_proportion=3"];
    let all: Vec<&str> = events.into_iter().chain(more).collect();
    let generate = |format: &str| {
        let mut args = vec!["generate", "--format", format];
        args.extend(&all);
        let output = place.run(&args);
        assert!(output.status.success(), "{}", error_of(&output));
        output.stdout
    };
    let csv = generate("csv");
    fs::write(place.path("events.csv"), &csv).unwrap();
    let mut args = vec!["run", "--out", "direct"];
    args.extend(&all);
    let summary = place.run_well(&args);
    place.run_well(&["run", "--source", "lines:events.csv", "--out", "read"]);
    assert!(place.output("direct") == place.output("read"), "{summary}");
    let count = csv.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(summary["events_in"], count);
    assert_eq!(count, 6_561, "the integral of the rate over the duration");

    let json = String::from_utf8(generate("json")).unwrap();
    assert_eq!(json.lines().count(), count);
    for (line, event) in csv.split(|byte| *byte == b'\n').zip(json.lines()).take(500) {
        let event: Value = serde_json::from_str(event).unwrap();
        let line = String::from_utf8_lossy(line);
        let first = line.split(',').next().unwrap();
        let key = if event["type"] == "bid" { "auction" } else { "id" };
        let id = event.get(key).unwrap_or_else(|| panic!("{event}"));
        assert_eq!(first, id.to_string(), "{line} is {event}");
    }
}
