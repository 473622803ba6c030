//! What files hold: lines of text or of JSON, packed or not, and how they are read by hand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Place, end_of, error_of, parts, poll, signal, start_processes};
use floodway::sink::{Commit, Manifest};
use serde_json::Value;

const EVENTS: [&str; 11] = [
    "run",
    "--events",
    "20k",
    "--rate",
    "40k",
    "--seed",
    "3",
    "--epoch",
    "10ms",
    "--commit-every",
    "50ms",
];

fn run<'a>(sink: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&EVENTS[..], &["--sink", sink], more].concat()
}

/// Lines of text, of JSON lines.
fn as_text(jsonl: &[u8]) -> Vec<u8> {
    let mut lines: Vec<String> = String::from_utf8(jsonl.to_vec())
        .unwrap()
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let number = match &line["source"] {
                Value::String(source) => format!("{source}:{}", line["id"]),
                _ => line["id"].to_string(),
            };
            format!("{number}\t{}\n", line["tokens"].as_str().unwrap())
        })
        .collect();
    lines.sort_unstable();
    lines.concat().into_bytes()
}

#[test]
fn every_format_has_the_same_records_and_is_the_same_bytes_for_any_way_to_make_it() {
    let place = Place::new();
    place.run_well(&run("files:text", &[]));
    let text = place.output("text");
    place.run_well(&run("files:jsonl?format=jsonl", &[]));
    let jsonl = place.output("jsonl");
    assert!(as_text(&jsonl) == text);
    assert!(jsonl.starts_with(b"{\"id\":0,\"tokens\":\""));

    let lambda = "network=2ms,failure_rate=0.2,seed=3";
    let remote = ["--policy", "remote", "--local-lambda", lambda, "--", "-w", "3"];
    for (format, expected) in [("text", &text), ("jsonl", &jsonl)] {
        for options in
            ["compress=zstd", "compress=zstd&io=buffered&sync=none&roll_size=20k", "roll_age=1ms"]
        {
            let sink = format!("files:out?format={format}&{options}");
            for more in [&["--overwrite"][..], &[&["--overwrite"], &remote[..]].concat()] {
                place.run_well(&run(&sink, more));
                assert!(place.output("out") == *expected, "{sink} {more:?}");
            }
            let children = start_processes(&place, 2, &run(&sink, &["--overwrite"]));
            for child in children {
                let output = end_of(child, "a process");
                assert!(output.status.success(), "{}", error_of(&output));
            }
            assert!(place.output("out") == *expected, "{sink} in two processes");
            let manifest = Manifest::read(&place.path("out")).unwrap();
            for file in manifest.files() {
                assert_eq!(file.name.ends_with(".zst"), options.contains("zstd"));
                assert_eq!(
                    fs::metadata(place.path("out").join(&file.name)).unwrap().len(),
                    file.bytes
                );
            }
        }
    }
}

#[test]
fn text_of_any_kind_is_json_with_its_files_name() {
    let place = Place::new();
    fs::create_dir(place.path("in \"1\"")).unwrap();
    let text = "one \"two\" \\three\\ \u{1}four\u{7f}\n\n\tfünf 六 \u{1f600}\n".repeat(50);
    fs::write(place.path("in \"1\"/a.txt"), &text).unwrap();
    fs::write(place.path("in \"1\"/b.txt"), &text).unwrap();
    let source = "lines:in \"1\"/*.txt";
    place.run_well(&["run", "--source", source, "--sink", "files:text"]);
    place.run_well(&["run", "--source", source, "--sink", "files:jsonl?format=jsonl"]);
    let jsonl = place.output("jsonl");
    assert!(as_text(&jsonl) == place.output("text"));
    let first = b"{\"source\":\"in \\\"1\\\"/a.txt\",\"id\":0,\"tokens\":\"one two three four\"}\n";
    assert!(jsonl.starts_with(first), "{}", String::from_utf8_lossy(&jsonl[..200]));
}

#[test]
fn compression_may_change_on_resume_and_the_format_may_not() {
    let place = Place::new();
    let state = ["--state", "state"];
    place.run_well(&run("files:expected?format=jsonl", &[]));
    let args = run("files:out?format=jsonl&compress=zstd", &state);
    let child = place.start(&args);
    poll("a commit", || {
        let manifest = Manifest::read(&place.path("out")).ok()?;
        (manifest.commits.len() > 1).then_some(())
    });
    signal(&child, rustix::process::Signal::TERM);
    assert!(end_of(child, "the run").status.success());

    let refused = place.run(&run("files:out", &state));
    let error = error_of(&refused);
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("the format of --sink was jsonl and is not given"), "{error}");

    place.run_well(&run("files:out?format=jsonl", &state));
    assert!(place.output("out") == place.output("expected"));
    let manifest = Manifest::read(&place.path("out")).unwrap();
    let packed = manifest.files().filter(|file| file.name.ends_with(".zst")).count();
    assert!((1..manifest.files().count()).contains(&packed));
}

#[test]
fn a_consumer_may_take_files_away_but_not_the_newest() {
    let place = Place::new();
    let args = run("files:out", &["--state", "state"]);
    place.run_well(&args);
    let manifest = Manifest::read(&place.path("out")).unwrap();
    // A busy machine may commit several files at once.
    let commits = manifest.commits.iter().filter(|commit| !commit.files.is_empty());
    let of_commit = |commit: &Commit| {
        commit.files.iter().map(|file| place.path("out").join(&file.name)).collect()
    };
    let files: Vec<Vec<PathBuf>> = commits.map(of_commit).collect();
    let (newest, older) = files.split_last().unwrap();
    let older = older.concat();
    older.iter().for_each(|file| fs::remove_file(file).unwrap());
    let output = place.run(&args);
    let said = error_of(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{} committed files of out", older.len())), "{said}");
    fs::remove_file(&newest[0]).unwrap();
    let output = place.run(&args);
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("was it removed?"), "{said}");
}

#[test]
fn unsupported_sink_options_are_refused() {
    let place = Place::new();
    for option in ["format=csv", "format", "compress=gzip", "roll_size=x", "roll_age=5"] {
        let sink = format!("files:out?{option}");
        let output = place.run(&["run", "--events", "1", "--sink", &sink]);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(option) && error.contains("--sink"), "{error}");
    }
    assert!(!place.path("out").exists());
}

/// The commands of `docs/manifest.md`, as they stand there.
#[test]
fn the_documented_jq_commands_read_a_manifest() {
    let Some(_) = parts::program("jq") else { return };
    let place = Place::new();
    place.run_well(&run("files:out", &[]));
    let manifest = Manifest::read(&place.path("out")).unwrap();
    // As a run leaves it that is ended in the middle of a commit.
    let last = manifest.files().last().unwrap();
    fs::rename(place.path("out").join(&last.name), place.path("out").join(&last.temporary))
        .unwrap();
    let torn =
        fs::read_to_string(place.path("out/manifest.jsonl")).unwrap() + "{\"commit\":99,\"fil";
    let whole = torn.rsplit_once('\n').unwrap().0.to_owned() + "\n";

    let docs = include_str!("../../docs/manifest.md");
    let by_hand = |what: &str| {
        let mut commands =
            docs.lines().filter(|line| line.starts_with("    ") && line.contains(what));
        let command = commands.next().unwrap().trim();
        let output =
            Command::new("sh").args(["-c", command]).current_dir(place.path("out")).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    fs::write(place.path("out/manifest.jsonl"), torn).unwrap();
    let read = by_hand("while read -r temporary name");
    assert_eq!(read.lines().count(), 20_000);

    fs::write(place.path("out/manifest.jsonl"), whole).unwrap();
    assert_eq!(by_hand("total_bad}").lines().count(), manifest.commits.len());
    let may_go = by_hand("[:-1]");
    // On a busy machine a commit may have several files.
    let counts =
        manifest.commits.iter().map(|commit| commit.files.len()).filter(|files| *files > 0);
    let counts: Vec<usize> = counts.collect();
    let older: usize = counts[..counts.len() - 1].iter().sum();
    assert_eq!(may_go.lines().count(), older, "{may_go}");
    assert!(!may_go.contains(&last.name));
    fs::rename(place.path("out").join(&last.temporary), place.path("out").join(&last.name))
        .unwrap();
    assert_eq!(by_hand("while read -r bytes name"), "");
    fs::write(place.path("out").join(&last.name), "").unwrap();
    assert_eq!(by_hand("while read -r bytes name").trim(), last.name);
}
