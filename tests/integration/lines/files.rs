//! Input of one or several files: globs, large files that workers share, empty files, and any path.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::{gzip, sorted, tokenized};
use crate::common::{Place, end_of, error_of, start_processes};

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

#[test]
fn a_file_that_only_process_0_reads_leaves_the_others_nothing_to_do_and_process_0_says_so() {
    let place = Place::new();
    fs::write(place.path("in.txt"), "a line\n".repeat(1_000)).unwrap();
    fs::write(place.path("in.txt.gz"), gzip(b"a line\n")).unwrap();
    for input in ["lines:in.txt", "lines:in.txt.gz"] {
        let args = ["run", "--source", input, "--out", "out", "--overwrite", "--policy", "local"];
        let ended = start_processes(&place, 2, &args).into_iter();
        let said: Vec<String> = ended
            .map(|child| {
                let output = end_of(child, "a process");
                assert!(output.status.success(), "{}", error_of(&output));
                error_of(&output)
            })
            .collect();
        let advice = "only process 0 reads the input, because files with less than 16 MiB";
        let says: Vec<usize> = said.iter().map(|said| said.matches(advice).count()).collect();
        assert_eq!(says, [1, 0], "{said:?}");
    }
}
