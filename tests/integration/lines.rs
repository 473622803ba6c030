//! Lines of text as a source: several files, packed ones, large ones that workers share, files that
//! grow, and input that is not as it should be.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::{Place, end_of, error_of, poll, signal, start_processes};
use rustix::process::Signal;

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
fn plain_and_compressed_files_of_a_glob_are_one_input() {
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
fn unreadable_input_is_named() {
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
        (2, &["lines:dangl*"], &["matches no file", "dangling"]),
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
fn compressed_input_is_recognised_by_its_first_bytes() {
    let place = Place::new();
    let text: Vec<u8> =
        (0..50_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
    let expected = sorted(tokenized("", &text, 1_000));
    let halves = [gzip(&text[..500]), vec![0; 1_000], gzip(&text[500..]), vec![0; 512]].concat();
    let zstd = zstd::encode_all(&text[..], 1).unwrap();
    for (name, packed) in [("log", &halves), ("log.zst", &halves), ("log.gz", &zstd), ("z", &zstd)]
    {
        fs::write(place.path(name), packed).unwrap();
        let source = format!("lines:{name}");
        place.run_well(&["run", "--source", &source, "--out", "out", "--overwrite"]);
        assert!(place.output("out") == expected, "{name}");
        // The same on standard input, where it comes in pieces.
        let args = ["run", "--source", "lines:-", "--out", "out", "--overwrite"];
        let mut run = place.floodway(&args);
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = run.spawn().unwrap();
        let mut pipe = run.stdin.take().unwrap();
        for piece in [&packed[..1], &packed[1..3], &packed[3..100], &packed[100..]] {
            pipe.write_all(piece).unwrap();
            pipe.flush().unwrap();
            std::thread::park_timeout(Duration::from_millis(150));
        }
        drop(pipe);
        let output = end_of(run, "the run");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        assert!(place.output("out") == expected, "{name}");
    }
    let mixed = [gzip(&text[..500]), zstd::encode_all(&text[500..], 1).unwrap()].concat();
    fs::write(place.path("mixed"), &mixed).unwrap();
    place.run_well(&["run", "--source", "lines:mixed", "--out", "out", "--overwrite"]);
    assert!(place.output("out") == expected);
    fs::write(place.path("mixed"), [&mixed[..], b"a line\n"].concat()).unwrap();
    let output = place.run(&["run", "--source", "lines:mixed", "--out", "out", "--overwrite"]);
    let (error, end) = (error_of(&output), format!("ends at byte {}, and", mixed.len()));
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot read mixed: ") && error.contains(&end), "{error}");
    let mut tar = vec![b'x'; 2_048];
    tar[257..262].copy_from_slice(b"ustar");
    let wide: Vec<u8> = "\u{feff}text\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, what) in [
        ("in.log", b"BZh91AY&SY\x01\x02".to_vec(), "compressed with bzip2"),
        ("in.log.gz", b"\xfd7zXZ\0\0\x04".to_vec(), "compressed with xz"),
        ("in.zip", b"PK\x03\x04\x14\0".to_vec(), "a zip archive"),
        ("in.tgz", gzip(&tar), "a tar archive"),
        ("in.tar", tar, "a tar archive"),
        ("in.txt", wide, "text in UTF-16"),
    ] {
        fs::write(place.path(name), bytes).unwrap();
        for source in [format!("lines:{name}"), format!("lines:{name}*"), "lines:-".to_owned()] {
            let mut run = place.floodway(&["run", "--sink", "null", "--source", &source]);
            run.stdin(fs::File::open(place.path(name)).unwrap());
            let output = run.stderr(Stdio::piped()).output().unwrap();
            let error = error_of(&output);
            assert_eq!(output.status.code(), Some(1), "{source}: {error}");
            assert!(error.contains(what), "{source}: {error}");
        }
        fs::remove_file(place.path(name)).unwrap();
    }
}

#[test]
fn unreadable_files_of_a_glob_are_skipped_with_a_warning() {
    let place = Place::new();
    fs::create_dir_all(place.path("d/a")).unwrap();
    fs::create_dir_all(place.path("d/closed")).unwrap();
    fs::write(place.path("d/x.log"), "one\n").unwrap();
    fs::write(place.path("d/a/x.log"), "two\n").unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"d/photo\xff.jpg");
    fs::write(place.path("d").parent().unwrap().join(odd), "no text").unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("d/y.log")).unwrap();
    std::os::unix::fs::symlink("..", place.path("d/a/up")).unwrap();
    fs::set_permissions(place.path("d/closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let output = place.run(&["run", "--source", "lines:d/**/*.log", "--out", "out"]);
    let error = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert_eq!(place.output("out"), b"d/a/x.log:0\ttwo\nd/x.log:0\tone\n");
    assert!(error.contains("d/y.log is skipped: No such file"), "{error}");
    // While it is followed, it is the same.
    let child = follow(&place, "lines:d/*.log", &["--overwrite"]);
    committed(&place, 1);
    std::os::unix::fs::symlink("nowhere", place.path("d/z.log")).unwrap();
    fs::write(place.path("d").join(std::ffi::OsStr::from_bytes(b"\xff.log")), "no name\n").unwrap();
    fs::write(place.path("d/zz.log"), "three\n").unwrap();
    committed(&place, 2);
    signal(&child, Signal::INT);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(place.output("out"), b"d/x.log:0\tone\nd/zz.log:0\tthree\n");
}

/// An option that names a file may hold any bytes.
#[test]
fn paths_may_hold_any_bytes() {
    use std::ffi::{OsStr, OsString};
    let place = Place::new();
    let home = place.path("d").parent().unwrap().to_owned();
    let odd = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    fs::create_dir(home.join(odd(b"d\xff"))).unwrap();
    fs::write(home.join(odd(b"d\xff/in\xfe.log")), "one\ntwo\n").unwrap();
    fs::write(home.join(odd(b"trace\xff")), "0,1000\n1,0\n").unwrap();
    let run = |args: &[&[u8]]| {
        let args: Vec<OsString> = args.iter().map(|arg| odd(arg)).collect();
        let mut run = place.floodway(&[]);
        let output = run.args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    };
    let more: [&[u8]; 8] = [
        b"--state",
        b"s\xff",
        b"--summary",
        b"sum\xff",
        b"--series",
        b"series\xff",
        b"--dead-letter",
        b"dead\xff",
    ];
    let source: [&[u8]; 3] = [b"run", b"--source", b"lines:d\xff/in\xfe.log"];
    // The second time it goes on where the first one ended.
    for _ in 0..2 {
        run(&[&source[..], &[b"--out", b"o\xff"], &more].concat());
    }
    let out = crate::common::sorted_output(&home.join(odd(b"o\xff")));
    assert_eq!(out, b"0\tone\n1\ttwo\n");
    assert!(home.join(odd(b"s\xff")).is_dir() && home.join(odd(b"sum\xff")).is_file());
    run(&[&source[..], &[b"--sink", b"files:f\xff"]].concat());
    assert_eq!(crate::common::sorted_output(&home.join(odd(b"f\xff"))), out);
    run(&[b"run", b"--shape", b"trace:trace\xff", b"--out", b"p\xff"]);
    let refused =
        place.floodway(&["run", "--source"]).arg(odd(b"lines:none\xff")).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", error_of(&refused));
    let refused = place.floodway(&["run", "--rate"]).arg(odd(b"5\xff")).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", error_of(&refused));
}

#[test]
fn a_read_error_is_not_taken_for_the_end_of_input() {
    let place = Place::new();
    let line = |number| format!("line {number} {}\n", number * 7_919 % 10_007);
    let text: String = (0..250_000).map(line).collect();
    let packed = gzip(text.as_bytes());
    fs::write(place.path("cut.gz"), &packed[..packed.len() - 9]).unwrap();
    let output = place.run(&["run", "--source", "lines:cut.gz", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1), "{}", error_of(&output));
    let lines = place.lines("out");
    assert!(
        lines.is_multiple_of(100_000),
        "an epoch was committed without its last lines: {lines}"
    );
}

#[test]
fn empty_files_give_no_lines() {
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
    place.start(&args)
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// Waits until so many lines are committed.
fn committed(place: &Place, lines: u64) {
    poll(&format!("{lines} lines are committed"), || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        manifest.contains(&format!("\"total_records\":{lines}")).then_some(())
    });
}

#[test]
fn a_growing_file_is_followed_until_the_run_is_stopped() {
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
            poll("it has begun", || place.path("out/manifest.jsonl").exists().then_some(()));
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
fn a_followed_file_that_shrinks_exits_with_1() {
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
fn a_file_is_followed_for_the_given_duration() {
    let place = Place::new();
    fs::write(place.path("log"), b"one\ntwo\n").unwrap();
    let child = follow(&place, "lines:log", &["--duration", "700ms"]);
    let output = end_of(child, "the run");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(place.output("out"), b"0\tone\n1\ttwo\n");
    assert_eq!(place.summary()["stopped"], "done");
}
