//! Logs that are followed and renamed, removed, replaced or truncated while they are read, or between two runs: no line
//! is lost, none is there twice, and what cannot be read is said.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{Place, end_of, error_of, poll, signal, start};
use rustix::process::Signal;

/// A log that is followed, with a state.
struct Log {
    place: Place,
    source: &'static str,
    workers: &'static str,
}

impl Log {
    fn new(source: &'static str, workers: &'static str) -> Log {
        Log { place: Place::new(), source, workers }
    }

    fn start(&self) -> Child {
        start(self.command())
    }

    /// Starts a run whose words are in a file, so that they can be read while it lasts.
    fn start_saying_in(&self, name: &str) -> Child {
        let to_file = Stdio::from(fs::File::create(self.place.path(name)).unwrap());
        self.command().stdout(Stdio::null()).stderr(to_file).spawn().unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.place.path(name)).unwrap()
    }

    fn command(&self) -> Command {
        let args = ["run", "--source", self.source, "--follow", "--out", "out", "--state", "state"];
        let more = ["--epoch", "50ms", "--commit-every", "100ms", "--", "-w", self.workers];
        self.place.floodway(&[&args[..], &more].concat())
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.place.path(name);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.place.path(from), self.place.path(to)).unwrap();
    }

    fn truncate(&self, name: &str) {
        OpenOptions::new().write(true).open(self.place.path(name)).unwrap().set_len(0).unwrap();
    }

    /// Leads the link `log` to another file.
    fn lead(&self, to: &str) {
        symlink(to, self.place.path("next")).unwrap();
        self.rename("next", "log");
    }

    /// Waits until so many lines are committed.
    fn committed(&self, lines: u64) {
        poll(&format!("{lines} lines are committed"), || {
            let manifest = fs::read_to_string(self.place.path("out/manifest.jsonl")).ok()?;
            manifest.contains(&format!("\"total_records\":{lines}")).then_some(())
        });
    }

    /// Stops a run, which must end well; answers what it said.
    fn stop(&self, run: Child) -> String {
        signal(&run, Signal::INT);
        let output = end_of(run, "the run");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(0), "{error}");
        error
    }

    /// The texts of the output's lines, whose numbers must be those from 0 on.
    fn texts(&self) -> Vec<String> {
        let output = String::from_utf8(self.place.output("out")).unwrap();
        let mut lines: Vec<(u64, String)> = output
            .lines()
            .map(|line| {
                let (number, text) = line.split_once('\t').unwrap();
                let number = number.rsplit(':').next().unwrap();
                (number.parse().unwrap(), text.to_owned())
            })
            .collect();
        lines.sort();
        for (at, (number, text)) in lines.iter().enumerate() {
            assert_eq!(*number, at as u64, "{text}: {output}");
        }
        lines.into_iter().map(|(_, text)| text).collect()
    }
}

const WORKERS: [&str; 2] = ["1", "2"];

#[test]
fn a_renamed_log_is_read_to_its_end_and_for_late_writers_then_the_new_one() {
    for workers in WORKERS {
        let log = Log::new("lines:log", workers);
        log.append("log", "one\n");
        let run = log.start();
        log.committed(1);
        let mut late = OpenOptions::new().append(true).open(log.place.path("log")).unwrap();
        log.rename("log", "log.1");
        log.append("log", "new\n");
        late.write_all(b"late\n").unwrap();
        log.committed(2);
        late.write_all(b"very late, without an end").unwrap();
        log.committed(4);
        // Again, and then nothing is there for a while.
        log.rename("log", "log.2");
        log.append("log.2", "end of the second\n");
        log.committed(5);
        log.append("log", "third\n");
        log.committed(6);
        log.stop(run);
        let expected =
            ["one", "late", "very late without an end", "new", "end of the second", "third"];
        assert_eq!(log.texts(), expected);
        // The position says which file it is in, and nothing of those before.
        let manifest = fs::read_to_string(log.place.path("out/manifest.jsonl")).unwrap();
        assert!(manifest.contains("\"before\":[5]"), "{manifest}");
        assert!(!manifest.contains("\"files\":{\"1\""), "{manifest}");
    }
}

#[test]
fn a_repointed_symbolic_link_names_the_next_file() {
    for workers in WORKERS {
        let log = Log::new("lines:log", workers);
        log.append("monday", "one\n");
        symlink("monday", log.place.path("log")).unwrap();
        let run = log.start();
        log.committed(1);
        log.append("tuesday", "three\n");
        log.lead("tuesday");
        log.append("monday", "two\n");
        log.committed(3);
        // It is led back to a file that was read: only what is new of it comes.
        log.append("monday", "four\n");
        log.lead("monday");
        log.committed(4);
        log.stop(run);
        // In the meantime it is led on, and back where it was.
        log.append("monday", "five\n");
        log.append("wednesday", "six\n");
        log.lead("wednesday");
        let run = log.start();
        log.committed(6);
        log.stop(run);
        assert_eq!(log.texts(), ["one", "two", "three", "four", "five", "six"]);
    }
}

#[test]
fn a_removed_log_is_read_to_its_end_and_its_path_waited_for() {
    for workers in WORKERS {
        let log = Log::new("lines:log", workers);
        log.append("log", "one\n");
        let run = log.start();
        log.committed(1);
        let mut late = OpenOptions::new().append(true).open(log.place.path("log")).unwrap();
        fs::remove_file(log.place.path("log")).unwrap();
        late.write_all(b"two\n").unwrap();
        log.committed(2);
        log.append("log", "three\n");
        log.committed(3);
        log.stop(run);
        assert_eq!(log.texts(), ["one", "two", "three"]);
    }
}

#[test]
fn a_truncated_log_is_read_from_its_copy_and_then_from_its_start() {
    for workers in WORKERS {
        let log = Log::new("lines:log", workers);
        log.append("log", "one\n");
        let run = log.start();
        log.committed(1);
        // Whether this line is read in time or not, it is in the copy.
        log.append("log", "two\n");
        fs::copy(log.place.path("log"), log.place.path("log.1")).unwrap();
        log.truncate("log");
        log.append("log", "new\n");
        log.committed(3);
        // The file has as many bytes again, and more, before it is looked at.
        log.stop(run);
        log.append("log", "and the last\n");
        fs::copy(log.place.path("log"), log.place.path("log.2")).unwrap();
        fs::write(log.place.path("log"), "again, and it is longer than before\n").unwrap();
        let run = log.start();
        log.committed(5);
        // Without a copy: what is lost is said.
        log.truncate("log");
        log.append("log", "another\n");
        log.committed(6);
        let said = log.stop(run);
        assert!(said.contains("log was replaced or truncated"), "{said}");
        assert!(said.contains("after its first 36 bytes (1 lines) is lost"), "{said}");
        let expected =
            ["one", "two", "new", "and the last", "again and it is longer than before", "another"];
        assert_eq!(log.texts(), expected);
    }
}

#[test]
fn a_log_that_was_rotated_between_two_runs_is_found() {
    for workers in WORKERS {
        let log = Log::new("lines:log", workers);
        log.append("log", "one\n");
        let run = log.start();
        log.committed(1);
        log.stop(run);
        log.append("log", "two\nwith no end");
        log.rename("log", "log.1");
        // What the path named is not there, and the old file is.
        let run = log.start();
        log.committed(2);
        log.append("log", "new\n");
        log.committed(4);
        log.stop(run);
        // It is truncated, and its copy has more.
        log.append("log", "newer\n");
        fs::copy(log.place.path("log"), log.place.path("log.2")).unwrap();
        log.truncate("log");
        log.append("log", "newest\n");
        let run = log.start();
        log.committed(6);
        log.stop(run);
        assert_eq!(log.texts(), ["one", "two", "with no end", "new", "newer", "newest"]);
    }
}

#[test]
fn a_log_that_was_rotated_several_times_between_two_runs_is_read_in_order() {
    for (source, workers) in [("lines:log", "1"), ("lines:log", "2"), ("lines:log*", "1")] {
        let log = Log::new(source, workers);
        // What is older, and what is no number, is not the log's.
        log.append("log.0", "older\n");
        log.append("log", "one\n");
        if source.ends_with('*') {
            fs::remove_file(log.place.path("log.0")).unwrap();
        }
        let run = log.start();
        log.committed(1);
        log.stop(run);
        if !source.ends_with('*') {
            log.append("log.lock", "no log\n");
        }
        log.append("log", "two\n");
        log.rename("log", "log.3");
        let later = std::time::SystemTime::now() + Duration::from_secs(1);
        for (name, text, seconds) in
            [("log.2", "three\n", 0), ("log.1", "four\n", 1), ("log", "five\n", 2)]
        {
            log.append(name, text);
            let file = OpenOptions::new().append(true).open(log.place.path(name)).unwrap();
            file.set_modified(later + Duration::from_secs(seconds)).unwrap();
        }
        let run = log.start();
        log.committed(5);
        log.stop(run);
        assert_eq!(log.texts(), ["one", "two", "three", "four", "five"]);
    }
}

#[test]
fn lines_lost_between_two_runs_are_reported() {
    for workers in WORKERS {
        let log = Log::new("lines:log", workers);
        log.append("log", "one\n");
        let run = log.start();
        log.committed(1);
        log.stop(run);
        // Neither the path nor the file is there.
        log.append("log", "lost\n");
        fs::remove_file(log.place.path("log")).unwrap();
        let output = end_of(log.start(), "the run");
        let error = error_of(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("and no other file in its folder begins with"), "{error}");
        // Another one is there in its place.
        log.append("log", "new\n");
        let run = log.start();
        log.committed(2);
        let said = log.stop(run);
        assert!(said.contains("after its first 4 bytes (1 lines) is lost"), "{said}");
        assert_eq!(log.texts(), ["one", "new"]);
    }
}

#[test]
fn lines_that_are_added_to_a_log_after_it_was_rotated_are_said_to_be_unread() {
    for (source, next) in [("lines:log", "log"), ("lines:log*", "log.next")] {
        let log = Log::new(source, "1");
        log.append("log", "one\n");
        let run = log.start_saying_in("said");
        let said = || log.read("said");
        log.committed(1);
        let mut old = OpenOptions::new().append(true).open(log.place.path("log")).unwrap();
        if next == "log" {
            log.rename("log", "log.1");
        }
        log.append(next, "two\n");
        log.committed(2);
        old.write_all(b"too late\n").unwrap();
        poll("a warning", || said().contains(" 9 bytes were added to log (inode ").then_some(()));
        // And once more at the end, of all that it is by then.
        old.write_all(b"and later\n").unwrap();
        log.stop(run);
        assert!(said().contains(" 19 bytes were added to log (inode "), "{}", said());
        assert_eq!(said().matches("after it was read to its end: they are not read").count(), 2);
        // A glob still names it when the run is resumed.
        let run = log.start();
        log.append(next, "three\n");
        log.committed(3);
        let said = log.stop(run);
        assert_eq!(said.contains("19 bytes were added to log (inode "), next != "log", "{said}");
        // Nothing was added since.
        let run = log.start();
        log.append(next, "four\n");
        log.committed(4);
        let said = log.stop(run);
        assert!(!said.contains("bytes were added"), "{said}");
        let output = String::from_utf8(log.place.output("out")).unwrap();
        assert!(!output.contains("late"), "{output}");
    }
}

/// As logrotate with `compress` leaves a log: what was read of it comes once, also of a run that is resumed.
#[test]
fn a_rotated_log_that_is_compressed_is_not_read_again_by_its_glob() {
    let log = Log::new("lines:log*", "1");
    log.append("log", "one\n");
    let run = log.start_saying_in("said");
    log.committed(1);
    log.rename("log", "log.1");
    log.append("log", "two\n");
    log.committed(2);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    gzip.write_all(b"one\n").unwrap();
    fs::write(log.place.path("log.1.gz"), gzip.finish().unwrap()).unwrap();
    fs::remove_file(log.place.path("log.1")).unwrap();
    poll("a warning", || {
        let said = log.read("said");
        said.contains("log.1.gz is skipped: it is compressed, and only plain files").then_some(())
    });
    log.append("log", "three\n");
    log.committed(3);
    // Nor is a file that no output line can begin with.
    let odd = std::ffi::OsStr::from_bytes(b"log\xff");
    fs::write(log.place.path("log\tx"), "tab\n").unwrap();
    fs::write(log.place.path("log").with_file_name(odd), "byte\n").unwrap();
    poll("a warning", || log.read("said").contains("log\\tx is skipped: ").then_some(()));
    log.stop(run);
    let run = log.start_saying_in("resumed");
    log.append("log", "four\n");
    log.committed(4);
    // New files of a glob are looked for each second, and found after those that were there.
    fs::create_dir(log.place.path("log.d")).unwrap();
    poll("a scan", || log.read("resumed").contains("log.d is skipped: ").then_some(()));
    log.stop(run);
    let said = log.read("resumed");
    assert_eq!(said.matches("is skipped: ").count(), 4, "each file once: {said}");
    assert_eq!(log.texts(), ["one", "two", "three", "four"]);
}

/// A glob that names a log under its old name too: it is the same file, and not read again.
#[test]
fn a_glob_that_names_renamed_files_reads_each_once() {
    for workers in WORKERS {
        let log = Log::new("lines:log*", workers);
        log.append("log", "one\n");
        let run = log.start();
        log.committed(1);
        log.append("log", "two\n");
        log.rename("log", "log.1");
        log.append("log", "three\n");
        log.committed(3);
        log.rename("log.1", "log.2");
        log.append("log", "four\n");
        log.rename("log", "log.1");
        log.append("log", "five\n");
        log.committed(5);
        log.stop(run);
        log.rename("log", "log.3");
        log.append("log.3", "six\n");
        log.append("log", "seven\n");
        let run = log.start();
        log.committed(7);
        log.stop(run);
        assert_eq!(log.texts(), ["one", "two", "three", "four", "five", "six", "seven"]);
        let output = String::from_utf8(log.place.output("out")).unwrap();
        assert!(output.lines().all(|line| line.starts_with("log:")), "{output}");
    }
}
