//! The files that a run writes beside its output, where they are none: devices, pipes, links, standard output.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::common::{Place, end_of, error_of, start};
use serde_json::Value;

const RUN: [&str; 7] = ["run", "--rate", "1k", "--duration", "100ms", "--sink", "null"];

#[test]
fn a_summary_is_written_through_links_and_pipes_which_stay() {
    let place = Place::new();
    fs::create_dir(place.path("below")).unwrap();
    fs::write(place.path("below/real"), "old").unwrap();
    symlink("below/real", place.path("link")).unwrap();
    symlink("below/new", place.path("dangling")).unwrap();
    symlink("/dev/null", place.path("null")).unwrap();
    let run = |more: &[&str]| {
        let output = place.run(&[&RUN[..], more].concat());
        assert!(output.status.success(), "{}", error_of(&output));
        output
    };
    run(&["--summary", "link", "--series", "dangling"]);
    let summary: Value =
        serde_json::from_slice(&fs::read(place.path("below/real")).unwrap()).unwrap();
    assert_eq!(summary["events_in"], 100);
    assert!(fs::read_to_string(place.path("below/new")).unwrap().lines().count() > 1);
    run(&["--summary", "null", "--series", "/dev/null"]);
    for link in ["link", "dangling", "null"] {
        assert!(place.path(link).is_symlink(), "{link}");
    }
    let left = fs::read_dir(place.path("below")).unwrap().count();
    assert_eq!(left, 2, "no temporary file is left");

    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let pipe = place.path("pipe");
    let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
    run(&["--summary", "pipe"]);
    let summary: Value = serde_json::from_slice(&reader.join().unwrap()).unwrap();
    assert_eq!(summary["events_in"], 100);
    assert!(fs::symlink_metadata(place.path("pipe")).is_ok_and(|there| !there.is_file()));
}

#[test]
fn a_summary_on_standard_output_is_alone_there() {
    let place = Place::new();
    for name in ["-", "/dev/stdout"] {
        let output = place.run(&[&RUN[..], &["--summary", name]].concat());
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["events_in"], 100, "{name}");
        let said = error_of(&output);
        assert!(said.contains("latency"), "what is for people goes to standard error: {said}");
    }
    assert!(!place.path("-").exists());
    // To a file that a shell has opened.
    let file = fs::File::create(place.path("all.txt")).unwrap();
    let mut command = place.floodway(&[&RUN[..], &["--series", "/dev/stdout"]].concat());
    let child = command.stdout(file).stderr(Stdio::piped()).spawn().unwrap();
    assert!(end_of(child, "the run").status.success());
    let lines = fs::read_to_string(place.path("all.txt")).unwrap();
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
}

#[test]
fn dead_letters_are_written_to_pipes_and_devices_as_they_are() {
    let place = Place::new();
    fs::write(place.path("in.txt"), b"good\nbad \xff\n").unwrap();
    let run = ["run", "--source", "lines:in.txt", "--policy", "local"];
    for sink in [["--sink", "null"], ["--out", "out"]] {
        let run = [&run[..], &sink, &["--overwrite"][..usize::from(sink[0] == "--out")]].concat();
        let output = place.run(&[&run[..], &["--dead-letter", "-"]].concat());
        let said = error_of(&output);
        assert!(output.status.success(), "{said}");
        let letter: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(letter["code"], "invalid_utf8");
        let output = place.run(&[&run[..], &["--dead-letter", "/dev/null"]].concat());
        let said = error_of(&output);
        assert!(output.status.success(), "{said}");
    }
    assert!(!place.path("-").exists());
    // A link stays, and what is behind it is written to.
    fs::write(place.path("letters"), "").unwrap();
    symlink("letters", place.path("link")).unwrap();
    let output = place.run(&[&run[..], &["--sink", "null", "--dead-letter", "link"]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(place.path("link").is_symlink());
    let letters = fs::read_to_string(place.path("letters")).unwrap();
    assert!(letters.starts_with('{') && letters.lines().count() == 1, "{letters}");
}

#[test]
fn dead_letters_belong_to_the_output_and_a_new_one_begins_the_file_anew() {
    let place = Place::new();
    fs::write(place.path("in.txt"), b"good\nbad \xff\n").unwrap();
    let run = ["run", "--source", "lines:in.txt", "--policy", "local", "--dead-letter", "dead"];
    let run = |options: &[&str]| place.run(&[&run[..], options].concat());
    let letters = || fs::read_to_string(place.path("dead")).unwrap();
    let well = |options: &[&str]| {
        let output = run(options);
        assert!(output.status.success(), "{options:?}: {}", error_of(&output));
        assert_eq!(letters().lines().count(), 1, "{options:?}: {}", letters());
    };
    let refused = |options: &[&str], why: &str| {
        let before = letters();
        let output = run(options);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
        assert!(
            error.contains("--dead-letter dead") && error.contains(why),
            "{options:?}: {error}"
        );
        assert_eq!(letters(), before, "{options:?}");
    };
    let (first, other) =
        (["--out", "out", "--state", "state"], ["--out", "other", "--state", "state"]);
    well(&first);
    // Nothing is left to do, and nothing is done twice.
    well(&first);
    // The state's output begins again in another folder.
    refused(&other, "dead letters of another output");
    assert!(!place.path("other").exists());
    well(&[&other[..], &["--overwrite"]].concat());
    // Another run's output is replaced, and its dead letters.
    well(&["--out", "other", "--overwrite"]);
    refused(&["--out", "third"], "dead letters of another output");
    // Nothing is kept of these runs but their dead letters.
    well(&["--sink", "null"]);
    well(&["--sink", "null"]);
    fs::write(place.path("in.txt"), "good\n").unwrap();
    let output = run(&["--sink", "null"]);
    assert!(output.status.success() && letters().is_empty(), "{}", letters());
    fs::write(place.path("dead"), "a text of mine\n").unwrap();
    for options in [&["--sink", "null"][..], &["--out", "other", "--overwrite"]] {
        refused(options, "something else than dead letters");
    }
}

/// A link of the name that a temporary file had by its process's number, and a home folder that no shell wrote out.
#[test]
fn a_leading_tilde_is_the_home_folder() {
    let place = Place::new();
    fs::create_dir(place.path("home")).unwrap();
    let args = ["run", "--events", "100", "--sink", "files:~/out", "--state=~/state"];
    let mut command = place.floodway(&args);
    command.env("HOME", place.path("home"));
    let output = end_of(start(command), "the run");
    assert!(output.status.success(), "{}", error_of(&output));
    assert!(!place.path("~").exists());
    assert!(place.path("home/out/manifest.jsonl").exists());
    let state =
        fs::read_dir(place.path("home/state")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = state.map(|name| name.into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["lock", "state.json"]);
}
