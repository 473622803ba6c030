//! Input that is not followed and is replaced, truncated, removed or overwritten while it is read, or between two runs:
//! the run ends with an error, or reads to the end what it began.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Output};

use crate::common::{Place, end_of, error_of, poll, signal};
use rustix::process::Signal;

/// Lines of so many bytes that a reader is not done at once, and two workers share them if they are many.
fn lines(text: &str, count: usize) -> Vec<u8> {
    (0..count).flat_map(|number| format!("{number:08} {text:>50}\n").into_bytes()).collect()
}

/// Starts a run of a file that is not followed and takes seconds, and waits until it has committed.
fn begun(place: &Place, workers: &str) -> Child {
    let args = ["run", "--source", "lines:in", "--rate", "30k", "--out", "out", "--state", "state"];
    let more = ["--epoch", "50ms", "--commit-every", "100ms", "--", "-w", workers];
    let run = place.start(&[&args[..], &more].concat());
    poll("a commit", || {
        let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
        (manifest.lines().count() > 2).then_some(())
    });
    run
}

fn fails(output: &Output, words: &[&str]) {
    let error = error_of(output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let line = error.lines().find(|line| line.starts_with("floodway: cannot")).unwrap_or(&error);
    assert!(words.iter().all(|word| line.contains(word)), "{error} should say {words:?}");
}

/// Few lines, which one reader has; and so many that all workers share them.
const CASES: [(usize, &str); 3] = [(60_000, "1"), (60_000, "2"), (300_000, "2")];

#[test]
fn an_input_that_is_replaced_while_it_is_read_ends_the_run_with_1() {
    for (count, workers) in CASES {
        let place = Place::new();
        fs::write(place.path("in"), lines("old", count)).unwrap();
        fs::write(place.path("next"), lines("new", count)).unwrap();
        let run = begun(&place, workers);
        fs::rename(place.path("in"), place.path("before")).unwrap();
        fs::rename(place.path("next"), place.path("in")).unwrap();
        let output = end_of(run, "the run");
        fails(&output, &["cannot read in", "replaced while it was read", "--follow"]);
        let again = ["run", "--source", "lines:in", "--rate", "30k", "--out", "out"];
        let resumed = [&again[..], &["--epoch", "50ms", "--state", "state"]].concat();
        fails(&place.run(&resumed), &["in was replaced by another file"]);
        assert!(!String::from_utf8(place.output("out")).unwrap().contains("new"));
        // The file that was read is gone on with when it has its name again.
        fs::rename(place.path("before"), place.path("in")).unwrap();
        place.run_well(&[&resumed[..], &["--overwrite"]].concat());
        let lines = place.lines("out");
        assert_eq!(lines, count);
    }
}

#[test]
fn an_input_that_loses_bytes_while_it_is_read_ends_the_run_with_1() {
    for (count, workers) in CASES {
        for left in [0, 1, 2] {
            let place = Place::new();
            let text = lines("old", count);
            fs::write(place.path("in"), &text).unwrap();
            let run = begun(&place, workers);
            let file = OpenOptions::new().write(true).open(place.path("in")).unwrap();
            file.set_len((text.len() / 2 * left) as u64 - u64::from(left == 2)).unwrap();
            fails(&end_of(run, "the run"), &["cannot read in", "shrank from", "while it was read"]);
        }
    }
}

#[test]
fn an_input_that_is_overwritten_in_place_while_it_is_read_ends_the_run_with_1_before_its_end() {
    for (count, workers) in CASES {
        let place = Place::new();
        fs::write(place.path("in"), lines("old", count)).unwrap();
        let run = begun(&place, workers);
        // Neither the first nor the last bytes that were read.
        records_committed(&place, 2_000);
        let file = OpenOptions::new().write(true).open(place.path("in")).unwrap();
        file.write_at(b"#", 60 * 1_000 + 30).unwrap();
        fails(&end_of(run, "the run"), &["cannot read in", "overwritten while it was read"]);
        assert!(records(&place).unwrap() < count);
        let again = ["run", "--source", "lines:in", "--rate", "30k", "--epoch", "50ms"];
        let again = [&again[..], &["--out", "out", "--state", "state"]].concat();
        fails(&place.run(&again), &["in has other bytes where it was read already"]);
    }
}

#[test]
fn an_input_that_grows_and_is_overwritten_while_it_is_read_ends_the_run_with_1() {
    for (count, workers) in CASES {
        let place = Place::new();
        fs::write(place.path("in"), lines("old", count)).unwrap();
        let run = begun(&place, workers);
        records_committed(&place, 2_000);
        let file = OpenOptions::new().write(true).open(place.path("in")).unwrap();
        let size = file.metadata().unwrap().len();
        file.write_at(&lines("more", 1), size).unwrap();
        file.write_at(b"#", 60 * 1_000 + 30).unwrap();
        fails(&end_of(run, "the run"), &["cannot read in", "overwritten while it was read"]);
    }
}

/// The number of records in all commits.
fn records(place: &Place) -> Option<usize> {
    let manifest = fs::read_to_string(place.path("out/manifest.jsonl")).ok()?;
    let last = manifest.lines().last()?.rsplit_once("\"total_records\":")?.1;
    last.split(',').next()?.parse().ok()
}

fn records_committed(place: &Place, most: usize) {
    poll("lines are committed", || records(place).filter(|records| *records > most));
}

#[test]
fn an_input_that_is_removed_while_it_is_read_is_read_to_its_end() {
    for (count, workers) in [(60_000, "1"), (60_000, "2")] {
        let place = Place::new();
        fs::write(place.path("in"), lines("old", count)).unwrap();
        let run = begun(&place, workers);
        fs::remove_file(place.path("in")).unwrap();
        let output = end_of(run, "the run");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        let lines = place.lines("out");
        assert_eq!(lines, count);
    }
}

/// A file is what it was if all bytes are that were read, and not only those at its ends: under any number, so that
/// a backup can be gone on with.
#[test]
fn a_resume_takes_a_copy_of_its_input_and_no_other_bytes() {
    for (count, workers) in CASES {
        let place = Place::new();
        let text = lines("old", count);
        fs::write(place.path("in"), &text).unwrap();
        let run = begun(&place, workers);
        // So much that its middle is neither of its ends.
        records_committed(&place, 2_000);
        signal(&run, Signal::INT);
        assert_eq!(end_of(run, "the run").status.code(), Some(0));
        let again = ["run", "--source", "lines:in", "--rate", "30k", "--epoch", "50ms"];
        let again = [&again[..], &["--out", "out", "--state", "state"]].concat();
        let mut other = text.clone();
        other[60 * 1_000 + 30] = b'#';
        let replace = |bytes: &[u8]| {
            fs::write(place.path("next"), bytes).unwrap();
            fs::rename(place.path("next"), place.path("in")).unwrap();
        };
        fs::write(place.path("in"), &other).unwrap();
        fails(&place.run(&again), &["in has other bytes where it was read already"]);
        replace(&other);
        fails(&place.run(&again), &["in was replaced by another file, with other bytes"]);
        replace(&text);
        place.run_well(&[&again[..], &["--", "-w", workers]].concat());
        let lines = place.lines("out");
        assert_eq!(lines, count);
    }
}
