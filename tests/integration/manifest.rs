//! The manifest over a long time: what it says stays short, whoever reads it, and whatever is done to it is noticed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::common::{Place, end_of, error_of, poll, signal};
use floodway::sink::{CommittedState, Manifest};
use rustix::process::Signal;
use serde_json::json;

fn commits(dir: &Path) -> u64 {
    CommittedState::read(dir).map_or(0, |standing| standing.commits)
}

fn ends(child: Child, code: i32) -> String {
    let output = end_of(child, "the run");
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// Takes the files of the output away, but those of its newest commits; answers their lines.
fn take(dir: &Path) -> Vec<u8> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut parts: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    parts.retain(|name| name.starts_with("part-"));
    parts.sort_unstable();
    let mut taken = Vec::new();
    for part in parts.iter().rev().skip(20) {
        taken.extend(fs::read(dir.join(part)).unwrap());
        fs::remove_file(dir.join(part)).unwrap();
    }
    taken
}

fn sorted(lines: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// A consumer takes files away while the run goes on: the manifest is replaced by a shorter one, which says what is
/// there to whoever reads it, and from which the run is resumed.
#[test]
fn a_manifest_does_not_grow_with_time() {
    let place = Place::new();
    let dir = place.path("out");
    let input = ["run", "--rate", "4k", "--duration", "8s", "--epoch", "1ms"];
    let output = ["--sink", "files:out?sync=none", "--state", "state", "--commit-every", "1ms"];
    let command = [&input[..], &output].concat();
    let child = place.start(&command);
    let mut taken = Vec::new();
    let mut longest = 0;
    let made = poll("a shorter manifest", || {
        if dir.exists() {
            taken.extend(take(&dir));
        }
        let bytes = fs::metadata(dir.join("manifest.jsonl")).ok()?.len();
        longest = bytes.max(longest);
        // It is read while it is replaced.
        let manifest = Manifest::read(&dir).unwrap();
        manifest.shortened.map(|_| CommittedState::read(&dir).unwrap().commits)
    });
    assert!(longest < 300 << 10, "{longest} bytes");
    let lines = Manifest::read(&dir).unwrap().commits.len();
    assert!((lines as u64) < made, "{lines} of {made} commits");
    signal(&child, Signal::TERM);
    ends(child, 0);
    assert!(CommittedState::read(&dir).unwrap().commits < 8_000, "the run was done");
    // Whoever reads it by hand finds all files that are there.
    let named: Vec<String> =
        Manifest::read(&dir).unwrap().files().map(|file| file.name.clone()).collect();
    let there = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
    let parts = there.filter_map(|name| name.into_string().ok());
    assert!(parts.filter(|name| name.starts_with("part-")).all(|name| named.contains(&name)));
    let made = commits(&dir);
    place.run_well(&command);
    assert!(commits(&dir) > made);
    place.run_well(&[&input[..], &["--out", "expected"]].concat());
    taken.extend(place.output("out"));
    assert!(sorted(&taken) == sorted(&place.output("expected")));
}

/// The most memory that a process has had, in KiB.
fn high_water(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// As versions before wrote it: each commit says where all sources stand. Two hours of ten commits a second.
#[test]
fn resuming_takes_no_memory_for_each_commit_that_was_made() {
    const COMMITS: u64 = 70_000;
    let place = Place::new();
    fs::write(place.path("a.log"), "0\n").unwrap();
    let args = ["run", "--source", "lines:a.log", "--follow", "--out", "out", "--state", "state"];
    let child = place.start(&args);
    poll("a commit", || (commits(&place.path("out")) > 0).then_some(()));
    signal(&child, Signal::TERM);
    ends(child, 0);
    let path = place.path("out/manifest.jsonl");
    let header = fs::read_to_string(&path).unwrap().lines().next().unwrap().to_owned();
    let data: String = (0..COMMITS).map(|number| format!("{number}\n")).collect();
    fs::write(place.path("a.log"), &data).unwrap();
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    };
    let mut manifest = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    writeln!(manifest, "{header}").unwrap();
    let mut at = 0;
    for number in 0..COMMITS {
        at += format!("{number}\n").len();
        let read = &data.as_bytes()[..at];
        let file = json!({
            "path": "a.log", "bytes": at, "lines": number + 1, "size": at,
            "head": crc(&read[..at.min(4_096)]), "tail": crc(&read[at - at.min(4_096)..]),
        });
        let part = json!({
            "name": format!("part-{number:06}-000-000"), "records": 1,
            "temporary": format!(".part-000-{number:010}-000001-0000000001"),
            "bytes": format!("{number}\t{number}\n").len(),
        });
        let lines = json!({"epoch": number + 1, "lines": number + 1, "files": [file]});
        let commit = json!({
            "commit": number, "up_to_epoch": number, "files": [part], "dead_letters_at": 0,
            "total_records": number + 1, "total_bad": 0, "sources": {"lines": lines},
        });
        writeln!(manifest, "{commit}").unwrap();
    }
    manifest.flush().unwrap();
    let was = fs::metadata(&path).unwrap().len();
    fs::remove_file(place.path("out/part-000000-000-000")).unwrap();
    let last = COMMITS - 1;
    let part = place.path("out").join(format!("part-{last:06}-000-000"));
    fs::write(part, format!("{last}\t{last}\n")).unwrap();
    fs::File::options()
        .append(true)
        .open(place.path("a.log"))
        .unwrap()
        .write_all(b"one more\n")
        .unwrap();
    let child = place.start(&args);
    poll("a commit", || (commits(&place.path("out")) > COMMITS).then_some(()));
    if Path::new("/proc/self/status").exists() {
        let most = high_water(&child);
        assert!(most < 150 << 10, "{most} KiB for {COMMITS} commits");
    }
    signal(&child, Signal::TERM);
    ends(child, 0);
    let is = fs::metadata(&path).unwrap().len();
    assert!(is < 2_000, "{is} bytes where there were {was}: one file is left");
    let output = String::from_utf8(place.output("out")).unwrap();
    assert_eq!(output, format!("{last}\t{last}\n{COMMITS}\tone more\n"));
}

/// A hundred files of which one grows: a commit is a line about that one, and there is one each `--commit-every`.
#[test]
fn a_followed_file_is_committed_by_wall_time_and_a_commit_says_what_changed() {
    let place = Place::new();
    fs::create_dir(place.path("logs")).unwrap();
    for number in 100..200 {
        fs::write(place.path(&format!("logs/{number}.log")), format!("line {number}\n")).unwrap();
    }
    let follow = ["run", "--source", "lines:logs/*.log", "--follow", "--out", "out"];
    let args = [&follow[..], &["--state", "state", "--commit-every", "500ms"]].concat();
    let mut growing = fs::File::options().append(true).open(place.path("logs/199.log")).unwrap();
    let dir = place.path("out");
    let mut lines = 0;
    for _ in 0..2 {
        let (began, before) = (Instant::now(), commits(&dir));
        let child = place.start(&args);
        poll("commits", || {
            std::thread::sleep(Duration::from_millis(20));
            lines += 1;
            growing.write_all(format!("more {lines}\n").as_bytes()).unwrap();
            (commits(&dir) >= before + 6).then_some(())
        });
        let (made, lasted) = (commits(&dir) - before, began.elapsed());
        // A line that was not read before the signal would be the next run's.
        poll("the last line", || {
            (CommittedState::read(&dir).unwrap().records() == 100 + lines).then_some(())
        });
        signal(&child, Signal::TERM);
        ends(child, 0);
        // The first group begins with the first line, and the last one ends early.
        let most = lasted.as_millis() as u64 / 500 + 2;
        assert!(made <= most, "{made} commits in {lasted:?}");
    }
    let output = place.output("out");
    assert_eq!(output.iter().filter(|byte| **byte == b'\n').count() as u64, 100 + lines);
    let manifest = fs::read_to_string(dir.join("manifest.jsonl")).unwrap();
    let long = manifest.lines().filter(|line| line.len() > 2_000).count();
    assert_eq!(long, 1, "one line says all, the others what changed:\n{manifest}");
}

#[test]
fn a_manifest_that_somebody_changes_while_a_run_appends_to_it_is_noticed() {
    let meddle: [(&str, fn(&Path)); 4] = [
        ("changed by somebody else", |path| drop(fs::File::create(path).unwrap())),
        ("changed by somebody else", |path| {
            let mut file = fs::File::options().append(true).open(path).unwrap();
            file.write_all(b"{}\n").unwrap();
        }),
        ("another file has its name", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        ("was it removed?", |path| fs::remove_file(path).unwrap()),
    ];
    for (said, meddle) in meddle {
        let place = Place::new();
        let child =
            place.start(&["run", "--rate", "1k", "--out", "out", "--commit-every", "100ms"]);
        poll("a commit", || (commits(&place.path("out")) > 1).then_some(()));
        meddle(&place.path("out/manifest.jsonl"));
        let error = ends(child, 1);
        assert!(error.contains("manifest.jsonl") && error.contains(said), "{said}: {error}");
    }
}

#[test]
fn a_manifest_that_somebody_empties_after_the_last_commit_is_noticed_at_the_end() {
    let place = Place::new();
    fs::write(place.path("log"), "one\n").unwrap();
    let args = ["run", "--source", "lines:log", "--follow", "--out", "out"];
    let child = place.start(&[&args[..], &["--commit-every", "100ms"]].concat());
    poll("the line is committed", || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        manifest.contains("\"total_records\":1").then_some(())
    });
    drop(fs::File::create(place.path("out/manifest.jsonl")).unwrap());
    signal(&child, Signal::INT);
    let error = ends(child, 1);
    assert!(error.contains("changed by somebody else"), "{error}");
}
