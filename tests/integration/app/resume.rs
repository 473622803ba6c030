//! A program that is killed or stopped, and started again with the same command until it is done, has the output of one
//! that nobody ends.

use std::time::Duration;

use rustix::process::Signal;

use super::{FAILING, INPUT, OUTPUT, clicks, is_complete};
use crate::common::kills::{Killed, Way, until_killed};
use crate::common::{end_of, error_of, poll, signal, within_tries};

const ONE: Way = Way { workers: "1", processes: 1, options: &[] };
const PROCESSES: Way = Way { workers: "2", processes: 2, options: &[] };

/// The command, which resumes.
fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "--summary", "summary.json", "--state", "state"];
    [&run[..], &INPUT, &OUTPUT, more].concat()
}

/// Under other policies in each start, also of single stages.
const WAYS: [Way; 4] = [
    Way { options: &["--policy", "remote"], ..ONE },
    Way { workers: "3", options: &["--policy", "spill", "--threshold", "3k"], ..ONE },
    Way { options: &["--policy", "deadline", "--deadline", "30ms"], ..PROCESSES },
    Way {
        options: &["--policy", "remote", "--stage", "fetch.batch=20,score.policy=local"],
        ..PROCESSES
    },
];

#[test]
fn kills_at_random_instants_change_nothing_in_the_output() {
    until_killed(4, |random| {
        let place = clicks();
        let args = args(&FAILING);
        let after = Duration::from_millis(300);
        let run = Killed { place: &place, args: &args, ways: &WAYS, commits: "out", after };
        let kills = run.until_done(random);
        is_complete(&place);
        // What is complete is complete.
        let again = place.run(&args);
        assert!(again.status.success(), "{}", error_of(&again));
        assert_eq!(place.summary()["results_out"], 0);
        is_complete(&place);
        kills
    });
}

#[test]
fn a_stop_and_a_resumed_run_have_the_whole_output() {
    within_tries("a stop before the end", || {
        let place = clicks();
        let remote = [&["--policy", "remote"], &FAILING[..], &["--", "-w", "2"]].concat();
        let mut child = place.start(&args(&remote));
        poll("a commit", || {
            (place.commits("out") > 1 || child.try_wait().unwrap().is_some()).then_some(())
        });
        if child.try_wait().unwrap().is_none() {
            signal(&child, Signal::TERM);
        }
        let output = end_of(child, "the run");
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        let first = place.summary();
        let lines = place.lines("out") as u64;
        assert_eq!(first["results_out"], lines, "{first}");

        let output = place.run(&args(&["--policy", "local"]));
        assert!(output.status.success(), "{}", error_of(&output));
        is_complete(&place);
        let second = place.summary();
        let count = |field: &str| second["total"][field].as_u64().unwrap();
        assert_eq!(count("results_out"), place.lines("out") as u64, "{second}");
        assert_eq!(count("runs"), 2, "{second}");
        if first["stopped"] == "signal" { Ok(()) } else { Err(first.to_string()) }
    });
}
