//! A run with a function that is killed at any instant, and resumed.

use std::time::Duration;

use super::{assert_whole, lines, place};
use crate::common::kills::{Killed, Way, until_killed};

#[test]
fn a_run_that_is_killed_and_resumed_has_each_result_once() {
    let lines = lines(1_500);
    const WAYS: [Way; 3] = [
        Way { workers: "1", processes: 1, options: &["--policy", "local"] },
        Way {
            workers: "2",
            processes: 1,
            options: &["--policy", "deadline", "--deadline", "60ms"],
        },
        Way { workers: "1", processes: 2, options: &["--policy", "remote", "--batch", "100"] },
    ];
    let args = [
        "run",
        "--source",
        "lines:lines.txt",
        "--task",
        "function:f",
        "--out",
        "out",
        "--dead-letter",
        "bad.jsonl",
        "--state",
        "state",
        "--rate",
        "4k",
        "--commit-every",
        "100ms",
        "--processes",
        "1",
    ];
    until_killed(6, |random| {
        let Some(place) = place(&lines) else { return 1_000 };
        let after = Duration::from_millis(600);
        let killed = Killed { place: &place, args: &args, ways: &WAYS, commits: "out", after };
        let kills = killed.until_done(random);
        assert_whole(&place, &lines, "killed");
        kills
    });
}
