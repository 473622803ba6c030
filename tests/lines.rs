//! Lines of text as a source: several files, packed ones, large ones that workers share, files that
//! grow, and input that is not as it should be.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use common::{Place, end_of, poll, signal, start_processes};
use rustix::process::Signal;

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sorted(mut lines: Vec<Vec<u8>>) -> Vec<u8> {
    lines.sort_unstable();
    lines.concat()
}

/// The words of ASCII lines; a line that is none of the output's gives nothing.
fn tokenized(label: &str, text: &[u8], max: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop_if(|last| last.is_empty());
    let good = lines.into_iter().enumerate().filter_map(|(number, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok().filter(|_| line.len() <= max)?;
        let separator = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let words: Vec<_> = text.split(separator).filter(|word| !word.is_empty()).collect();
        Some(format!("{label}{number}\t{}\n", words.join(" ")).into_bytes())
    });
    good.collect()
}

#[test]
fn files_of_a_glob_plain_and_packed_are_one_input() {
    let place = Place::new();
    fs::create_dir_all(place.path("logs/folder")).unwrap();
    let files: [(&str, &[u8]); 5] = [
        ("logs/a.log", b"one, two\r\nno end"),
        ("logs/b.log.gz", b"packed\n\nlast\n"),
        ("logs/c.log.zst", b"also packed"),
        ("logs/d.log", b""),
        ("logs/e.log", b"first\nsecond\n"),
    ];
    let mut expected = Vec::new();
    for (name, text) in files {
        let bytes = match name.rsplit('.').next() {
            // Of two members.
            Some("gz") => [gzip(&text[..5]), gzip(&text[5..])].concat(),
            Some("zst") => zstd::encode_all(text, 1).unwrap(),
            _ => text.to_vec(),
        };
        fs::write(place.path(name), bytes).unwrap();
        expected.extend(tokenized(&format!("{name}:"), text, 1_000));
    }
    let expected = sorted(expected);
    for workers in ["1", "2", "4"] {
        let args = ["run", "--source", "lines:logs/*", "--out", "out", "--overwrite", "--"];
        let mut args = args.to_vec();
        args.extend(["-w", workers]);
        let summary = place.run_well(&args);
        assert_eq!(String::from_utf8(place.output("out")), String::from_utf8(expected.clone()));
        assert_eq!(summary["events_in"], 8, "{summary}");
    }
    // One file by its path has no name before its lines; one of a glob has.
    place.run_well(&["run", "--source", "lines:logs/b.log.gz", "--out", "one"]);
    assert_eq!(place.output("one"), b"0\tpacked\n1\t\n2\tlast\n");
    place.run_well(&["run", "--source", "lines:logs/c*", "--out", "glob"]);
    assert_eq!(place.output("glob"), b"logs/c.log.zst:0\talso packed\n");
    // Bad lines are named in the same way.
    fs::write(place.path("logs/e.log"), b"fine\n\xff\n").unwrap();
    let args = ["run", "--source", "lines:logs/[de].log", "--out", "bad", "--dead-letter", "dead"];
    place.run_well(&args);
    let dead = fs::read_to_string(place.path("dead")).unwrap();
    assert!(dead.contains("\"record\":\"logs/e.log:1\""), "{dead}");
}

/// 18 MB of lines, more than one reader reads alone: with line ends of both kinds, lines that are
/// too long and longer than a chunk, lines that are no text, and no end of the last one.
fn large() -> Vec<u8> {
    let mut text = Vec::new();
    let mut number = 0_u64;
    while text.len() < 18_000_000 {
        number =
            number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = (number >> 33) as usize % 160;
        let word = format!("word_{number}, ");
        text.extend(word.bytes().cycle().take(length));
        match (number >> 20) % 5_000 {
            0 => text.resize(text.len() + 2_500_000, b'x'),
            1..5 => text.resize(text.len() + 5_000, b'y'),
            5..9 => text.push(0xff),
            9..1_000 => text.push(b'\r'),
            _ => {}
        }
        text.push(b'\n');
    }
    text.extend(b"the last one");
    text
}

#[test]
fn a_large_file_is_shared_by_all_workers_of_all_processes() {
    let place = Place::new();
    let text = large();
    fs::write(place.path("large"), &text).unwrap();
    let good = tokenized("", &text, 4_000);
    let bad = text.split(|byte| *byte == b'\n').count() - good.len();
    assert!(bad > 50, "{bad}");
    let expected = sorted(good);
    let args = ["run", "--source", "lines:large", "--max-record", "4000", "--out", "out"];
    let mut args = args.to_vec();
    args.extend(["--overwrite", "--summary", "summary.json", "--dead-letter", "dead"]);
    let mut letters = Vec::new();
    for (workers, processes, more) in
        [("1", 1, &[][..]), ("2", 1, &[]), ("4", 1, &["--rate", "500k"]), ("2", 2, &[])]
    {
        let mut args = args.clone();
        args.extend(more);
        args.extend(["--", "-w", workers]);
        let _ = fs::remove_file(place.path("dead"));
        for child in start_processes(&place, processes, &args) {
            let output = end_of(child, "it");
            assert!(output.status.success(), "{}", error_of(&output));
        }
        let named = format!("{workers} workers in {processes} processes");
        assert!(place.output("out") == expected, "{named}");
        assert_eq!(place.summary()["records_bad"], bad, "{named}");
        let dead = fs::read(place.path("dead")).unwrap();
        letters.push(sorted(dead.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()));
    }
    assert!(letters.iter().all(|dead| *dead == letters[0]), "bad lines are the same too");
    // As many as are wanted, and no more.
    args.extend(["--events", "12345", "--", "-w", "3"]);
    place.run_well(&args[..]);
    assert_eq!(place.summary()["events_in"], 12_345);
}

#[test]
fn what_cannot_be_read_is_said() {
    let place = Place::new();
    fs::create_dir_all(place.path("folder/inner")).unwrap();
    let text: Vec<u8> = (0..9_000_000_u32).flat_map(u32::to_be_bytes).take(3_000_000).collect();
    let packed = gzip(&text);
    fs::write(place.path("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    fs::write(place.path("no.gz"), b"\x1f\x8bthis is not packed").unwrap();
    fs::write(place.path("no.zst"), b"\x28\xb5\x2f\xfdthis is not packed").unwrap();
    fs::write(place.path("tab\there"), b"text\n").unwrap();
    fs::write(place.path("plain"), b"text\n").unwrap();
    fs::write(place.path("closed"), b"text\n").unwrap();
    fs::set_permissions(place.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("dangling")).unwrap();
    let cases: &[(i32, &[&str], &[&str])] = &[
        (2, &["lines:none/*.log"], &["--source", "none/*.log", "matches no file"]),
        (2, &["lines:folder/*"], &["--source", "folder/*", "matches no file"]),
        (2, &["lines:***"], &["--source", "***"]),
        (2, &["lines:tab*"], &["--source", "tab", "name"]),
        (2, &["lines:-", "--follow"], &["--source", "--follow", "lines:PATH"]),
        (2, &["nexmark", "--follow"], &["--source", "--follow", "lines:PATH"]),
        (2, &["lines:cut.gz", "--follow"], &["cut.gz", "compressed"]),
        (2, &["lines:[cp]*", "--follow"], &["cut.gz", "compressed"]),
        (2, &["lines:folder"], &["folder", "directory", "DIR/*"]),
        (2, &["lines:none"], &["none"]),
        (2, &["lines:dangl*"], &["dangling"]),
        (1, &["lines:cut.gz"], &["cut.gz", "truncated"]),
        (1, &["lines:c*.gz"], &["cut.gz", "truncated"]),
        (1, &["lines:no.gz"], &["no.gz", "damaged"]),
        (1, &["lines:no.zst"], &["no.zst", "damaged"]),
        (2, &["lines:closed"], &["closed", "ermission"]),
    ];
    for (code, source, words) in cases {
        if source[0] == "lines:closed" && fs::read(place.path("closed")).is_ok() {
            // Nothing is closed to root.
            continue;
        }
        let mut args = vec!["run", "--sink", "null", "--source"];
        args.extend(*source);
        let output = place.run(&args);
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(*code), "{source:?}: {error}");
        let line = error.lines().find(|line| line.starts_with("floodway: "));
        let line = line.unwrap_or_else(|| panic!("{source:?}: {error}"));
        for word in *words {
            assert!(line.contains(word), "{source:?}: {error} should say {word}");
        }
    }
}

#[test]
fn input_that_fails_does_not_look_as_if_it_had_ended() {
    let place = Place::new();
    let line = |number| format!("line {number} {}\n", number * 7_919 % 10_007);
    let text: String = (0..250_000).map(line).collect();
    let packed = gzip(text.as_bytes());
    fs::write(place.path("cut.gz"), &packed[..packed.len() - 9]).unwrap();
    let output = place.run(&["run", "--source", "lines:cut.gz", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
    let lines = place.output("out").iter().filter(|byte| **byte == b'\n').count();
    assert!(lines % 100_000 == 0, "an epoch was committed without its last lines: {lines}");
}

#[test]
fn files_without_lines_give_none() {
    let place = Place::new();
    fs::write(place.path("empty"), b"").unwrap();
    fs::write(place.path("empty2"), b"").unwrap();
    fs::write(place.path("packed.gz"), gzip(b"")).unwrap();
    for source in ["lines:empty", "lines:empty*", "lines:packed.gz"] {
        let args = ["run", "--source", source, "--out", "out", "--overwrite"];
        let summary = place.run_well(&args);
        assert_eq!(summary["events_in"], 0);
        assert!(place.output("out").is_empty(), "{source}");
    }
}

fn follow(place: &Place, source: &str, more: &[&str]) -> Child {
    let args = ["run", "--source", source, "--follow", "--out", "out", "--epoch", "50ms"];
    let mut args = args.to_vec();
    args.extend(["--commit-every", "100ms", "--summary", "summary.json"]);
    args.extend(more);
    let mut command = place.floodway(&args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Waits until so many lines are committed.
fn committed(place: &Place, lines: u64) {
    poll(Duration::from_secs(30), &format!("{lines} lines are committed"), || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        manifest.contains(&format!("\"total_records\":{lines}")).then_some(())
    });
}

#[test]
fn a_file_that_grows_is_followed_until_the_run_is_stopped() {
    for more in [&["--", "-w", "2"][..], &["--rate", "1k"]] {
        let place = Place::new();
        let log = place.path("log");
        fs::write(&log, b"one\ntw").unwrap();
        let child = follow(&place, "lines:log", more);
        if more[0] == "--" {
            committed(&place, 1);
            append(&log, b"o\nthree\r\n\nfi");
            committed(&place, 4);
            append(&log, b"ve");
        } else {
            append(&log, b"o\nthree\r\n\nfive");
            // A paced epoch goes on until its lines are there, or the run stops.
            poll(Duration::from_secs(30), "it has begun", || {
                place.path("out/manifest.jsonl").exists().then_some(())
            });
        }
        signal(&child, Signal::INT);
        let output = end_of(child, "the run");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        let output = place.output("out");
        // The last line has no end: it is the next run's.
        assert_eq!(String::from_utf8_lossy(&output), "0\tone\n1\ttwo\n2\tthree\n3\t\n");
        assert_eq!(place.summary()["stopped"], "signal");
    }
}

/// An epoch that the clock ends is the same one in the process that reads and in that which only waits.
#[test]
fn timed_epochs_of_a_file_that_grows_are_those_of_all_processes() {
    let place = Place::new();
    let log = place.path("log");
    fs::write(&log, b"one\ntw").unwrap();
    let args = ["run", "--source", "lines:log", "--follow", "--out", "out", "--epoch", "50ms"];
    let more = ["--commit-every", "100ms", "--summary", "summary.json", "--", "-w", "2"];
    let processes = start_processes(&place, 2, &[&args[..], &more].concat());
    committed(&place, 1);
    append(&log, b"o\nthree\n");
    committed(&place, 3);
    append(&log, b"four\nfi");
    committed(&place, 4);
    // Whichever of them hears of it.
    signal(&processes[1], Signal::INT);
    for process in processes {
        let output = end_of(process, "a process");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    }
    let output = place.output("out");
    assert_eq!(String::from_utf8_lossy(&output), "0\tone\n1\ttwo\n2\tthree\n3\tfour\n");
    let summary = place.summary();
    assert_eq!((&summary["stopped"], &summary["processes"]), (&"signal".into(), &2.into()));
    assert!(summary["epochs"].as_u64().unwrap() >= 3, "{summary}");
}

#[test]
fn new_files_of_a_glob_are_followed_after_those_before() {
    let place = Place::new();
    fs::write(place.path("log.1"), b"one\n").unwrap();
    fs::write(place.path("log.2"), b"two\nend").unwrap();
    let child = follow(&place, "lines:log.*", &[]);
    committed(&place, 2);
    append(&place.path("log.2"), b"ing\nlast");
    committed(&place, 3);
    append(&place.path("log.3"), b"three\n");
    committed(&place, 5);
    append(&place.path("log.3"), b"four\n");
    committed(&place, 6);
    signal(&child, Signal::TERM);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    let expected = "log.1:0\tone\nlog.2:0\ttwo\nlog.2:1\tending\nlog.2:2\tlast\n\
                    log.3:0\tthree\nlog.3:1\tfour\n";
    assert_eq!(String::from_utf8_lossy(&place.output("out")), expected);
}

#[test]
fn a_followed_file_that_shrinks_ends_the_run_with_1() {
    let place = Place::new();
    let log = place.path("log");
    fs::write(&log, b"one\ntwo\n").unwrap();
    let child = follow(&place, "lines:log", &[]);
    committed(&place, 2);
    OpenOptions::new().write(true).open(&log).unwrap().set_len(4).unwrap();
    let output = end_of(child, "the run");
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("log") && error.contains("shrank from 8 to 4 bytes"), "{error}");
    assert_eq!(place.output("out"), b"0\tone\n1\ttwo\n");
}

#[test]
fn a_followed_file_is_followed_for_as_long_as_is_said() {
    let place = Place::new();
    fs::write(place.path("log"), b"one\ntwo\n").unwrap();
    let child = follow(&place, "lines:log", &["--duration", "700ms"]);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(place.output("out"), b"0\tone\n1\ttwo\n");
    assert_eq!(place.summary()["stopped"], "done");
}
