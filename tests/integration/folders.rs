//! The folders of a run, as a user meets them: which may be in which, and what a run that is refused
//! leaves in them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::common::{Place, end_of, error_of};
use rustix::fs::{FlockOperation, flock};

/// Runs it; it ends with `code`, and names these in one line.
fn refused(place: &Place, code: i32, args: &[&str], named: &[&str]) {
    let output = place.run(args);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    assert!(named.iter().all(|what| error.contains(what)), "{args:?}: {named:?}: {error}");
    let lines = error.lines().filter(|line| line.starts_with("floodway: "));
    assert_eq!(lines.count(), 1, "{args:?}: {error}");
}

/// All that is in a folder, with its length.
fn all(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, metadata) =
                (entry.as_ref().unwrap().path(), entry.unwrap().metadata().unwrap());
            found.push((path.display().to_string(), metadata.len()));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

const SMALL: [&str; 5] = ["run", "--events", "500", "--rate", "max"];

#[test]
fn a_refused_run_leaves_no_file() {
    let place = Place::new();
    place.run_well(&[&SMALL[..], &["--out", "other"]].concat());
    place.run_well(&[&SMALL[..], &["--out", "of", "--state", "state"]].concat());
    fs::create_dir(place.path("empty")).unwrap();
    fs::create_dir_all(place.path("taken/state.json")).unwrap();
    fs::create_dir(place.path("spent")).unwrap();
    fs::write(place.path("spent/spent-0.json"), "{").unwrap();
    let new = ["--out", "new/out", "--state", "new/state"];
    let cases: &[(i32, &[&str], &[&str])] = &[
        (2, &["--out", "other", "--state", "new"], &["other", "--overwrite"]),
        (2, &["--out", "other", "--state", "new/a/b"], &["other", "--overwrite"]),
        (2, &["--out", "other", "--state", "empty"], &["other", "--overwrite"]),
        (2, &["--out", "new", "--state", "state", "--seed", "2"], &["--seed was"]),
        (2, &["--out", "new", "--state", "spent"], &["spent-0.json"]),
        (2, &[&new[..], &["--task", "wordz"]].concat(), &["wordz"]),
        (2, &[&new[..], &["--summary", "none/file"]].concat(), &["none/file"]),
        (2, &[&new[..], &["--dead-letter", "none/file"]].concat(), &["none/file"]),
        (2, &["--out", "other/manifest.jsonl/out", "--state", "new"], &["other/manifest.jsonl"]),
        (1, &["--out", "new/a/out", "--state", "taken"], &["taken"]),
    ];
    let before = all(&place.path(""));
    for (code, args, named) in cases {
        refused(&place, *code, &[&SMALL[..], args].concat(), named);
        assert_eq!(all(&place.path("")), before, "{args:?}");
    }
    let lines = ["run", "--source", "lines:none", "--out", "new/out", "--state", "new/state"];
    refused(&place, 2, &lines, &["none"]);
    assert_eq!(all(&place.path("")), before);
    // Nor does it take what was there.
    refused(&place, 2, &[&SMALL[..], &["--out", "of", "--state", "empty"]].concat(), &["of"]);
    place.run_well(&[&SMALL[..], &["--out", "of", "--state", "state"]].concat());
    place.run_well(&[&SMALL[..], &["--out", "empty", "--state", "new/state"]].concat());
}

#[test]
fn a_state_lock_that_is_released_soon_is_waited_for() {
    let place = Place::new();
    fs::create_dir(place.path("state")).unwrap();
    let owner = File::create(place.path("state/lock")).unwrap();
    flock(&owner, FlockOperation::LockExclusive).unwrap();
    let args = [&SMALL[..], &["--out", "out", "--state", "state"]].concat();
    let mut child = place.start(&args);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = said.find(|line| line.contains("waiting")).expect("it says that it waits");
    assert!(line.contains("the state in state"), "{line}");
    drop(owner);
    let rest: Vec<String> = said.collect();
    assert_eq!(end_of(child, "the run").status.code(), Some(0), "{rest:?}");
    assert_eq!(place.output("out").split_inclusive(|byte| *byte == b'\n').count(), 500);
}

/// Not even who may overwrite it takes it from a run that goes on; once that is gone, it is free.
#[test]
fn an_output_folder_is_used_by_one_run_at_a_time() {
    let place = Place::new();
    let paced = ["run", "--rate", "1k", "--out", "out", "--commit-every", "50ms"];
    let mut first = place.floodway(&paced).stderr(Stdio::null()).spawn().unwrap();
    while !place.path("out/manifest.jsonl").exists() {
        assert!(first.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::os::unix::fs::symlink("out", place.path("link")).unwrap();
    for (out, more) in
        [("out", &["--overwrite"][..]), ("link", &["--overwrite", "--state", "state"])]
    {
        let args = [&SMALL[..], &["--out", out], more].concat();
        refused(&place, 2, &args, &["--out", out, "another run writes to"]);
        assert!(!place.path("state").exists());
    }
    first.kill().unwrap();
    first.wait().unwrap();
    place.run_well(&[&SMALL[..], &["--out", "out", "--overwrite"]].concat());
    assert_eq!(place.output("out").split_inclusive(|byte| *byte == b'\n').count(), 500);
    for out in ["kafka://127.0.0.1:9092/topic", "files:out", "out?format=jsonl"] {
        refused(&place, 2, &[&SMALL[..], &["--out", out]].concat(), &["--out", "--sink"]);
    }
    refused(
        &place,
        2,
        &[&SMALL[..], &["--sink", "null", "--overwrite"]].concat(),
        &["--overwrite"],
    );
}

/// What is read is never what the same run writes, nor removes because it is to be replaced.
#[test]
fn an_input_among_the_runs_own_output_is_refused() {
    let place = Place::new();
    place.run_well(&[&SMALL[..], &["--out", "out"]].concat());
    fs::write(place.path("out/mine.txt"), "my own\n").unwrap();
    std::os::unix::fs::symlink("out", place.path("link")).unwrap();
    fs::create_dir(place.path("links")).unwrap();
    let part = place.path("out/part-000000-000-000");
    std::os::unix::fs::symlink(&part, place.path("links/data")).unwrap();
    fs::create_dir_all(place.path("deep/logs")).unwrap();
    fs::write(place.path("deep/logs/a.log"), "one\n").unwrap();
    let whole = part.display().to_string();
    let before = all(&place.path(""));
    for (input, out, named) in [
        ("out/part-000000-000-000", "out", "out/part-000000-000-000"),
        ("out/part-*", "out", "out/part-000000-000-000 is"),
        ("out/manifest.jsonl", "out", "out/manifest.jsonl"),
        ("./out/../out/part-*", "out", "of the output in out:"),
        ("out/part-*", "link", "of the output in link:"),
        ("link/part-*", "./link/../out", "link/part-000000-000-000"),
        ("links/*", "out", "links/data"),
        ("links/data", "out", "links/data"),
        (&whole, "out", &whole),
        ("*/p*", "out", "/part-000000-000-000 is"),
        ("**/part-*", "out", "/part-000000-000-000 is"),
        // What will be there.
        ("out/m*", "out/", "manifest.jsonl"),
        ("deep/*/*", "deep/logs", "deep/logs"),
        ("deep/**/*", "deep/logs", "deep/logs"),
        ("deep/**/*", "deep/new", "deep/new"),
        ("deep/**/*", "deep/logs/very/new", "deep/logs/very/new"),
        ("./deep/*/[a-z]*", "deep/new", "deep/new"),
        ("deep/logs/*", "deep/new/../logs", "deep/new/../logs"),
    ] {
        let source = format!("lines:{input}");
        for more in [&["--overwrite"][..], &["--overwrite", "--follow"], &["--state", "state"]] {
            let args = [&["run", "--source", &source, "--out", out][..], more].concat();
            refused(&place, 2, &args, &["--source", named, "another --out"]);
        }
        assert_eq!(all(&place.path("")), before, "{input}");
    }
    // Nor the state's.
    for folder in ["st", "deep"] {
        fs::create_dir_all(place.path(folder)).unwrap();
        fs::write(place.path(folder).join("lock.log"), "one\n").unwrap();
    }
    for (input, state, named) in [
        ("st/*", "st", "st/lock.log is in the folder of --state, st"),
        ("st/lock.log", "link/../st", "in the folder of --state"),
        ("deep/*", "deep/new/..", "deep/lock.log is in the folder of --state"),
        ("**/lock*", "new", "run's state in new"),
        ("*/l*", "new", "run's state in new"),
    ] {
        let source = format!("lines:{input}");
        let args = ["run", "--source", &source, "--out", "other", "--state", state];
        refused(&place, 2, &args, &["--source", named]);
    }
    // What lies beside it under names of its own is not touched, and can be read.
    for (input, out) in [
        ("out/mine.txt", "out"),
        ("out/*.txt", "out"),
        ("deep/**/a.log", "deep/new"),
        ("deep/logs/a.log", "deep/logs"),
        ("deep/logs/a*", "deep/logs/a"),
    ] {
        let source = format!("lines:{input}");
        let run = ["run", "--source", &source, "--out", out, "--overwrite"];
        assert_eq!(place.run_well(&run)["events_in"], 1, "{input}");
    }
    assert_eq!(fs::read(place.path("out/mine.txt")).unwrap(), b"my own\n");
}

#[test]
fn a_state_that_collides_with_the_output_is_refused_and_one_inside_it_works() {
    let place = Place::new();
    std::os::unix::fs::symlink("x", place.path("link")).unwrap();
    for (out, state, named) in [
        ("x", "x", "the output folder too"),
        ("x", "./y/../x", "the output folder too"),
        ("x/", "x", "the output folder too"),
        ("x/out", "x", "contains the output folder x/out"),
        ("x/a/b", "./x", "contains the output folder x/a/b"),
        ("x", "x/part-state", "a name that the output in x uses itself"),
        ("x", "x/manifest.jsonl/state", "a name that the output in x uses itself"),
        ("x", "x/.part-1/state", "a name that the output in x uses itself"),
    ] {
        let args = [&SMALL[..], &["--out", out, "--state", state]].concat();
        refused(&place, 2, &args, &["--state", state, named]);
        assert!(!place.path("x").exists());
    }
    fs::create_dir(place.path("x")).unwrap();
    refused(&place, 2, &[&SMALL[..], &["--out", "x", "--state", "link"]].concat(), &["too"]);
    // Under a name of its own it may be there: neither counts as the other's, nor is replaced with it.
    let whole = &place.run_well(&[&SMALL[..], &["--out", "whole"]].concat())["results_out"];
    for state in ["x/state", "x/.state"] {
        let inside = [&SMALL[..], &["--out", "x", "--state", state, "--overwrite"]].concat();
        assert_eq!(&place.run_well(&inside)["results_out"], whole);
        assert_eq!(place.run_well(&inside)["results_out"], 0, "it is complete");
        assert!(place.path(state).join("state.json").exists());
        assert!(place.output("x") == place.output("whole"));
    }
    place.run_well(&[&SMALL[..], &["--out", "x", "--overwrite", "--seed", "2"]].concat());
    assert!(place.path("x/state/state.json").exists());
}
