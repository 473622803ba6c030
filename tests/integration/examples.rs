//! The examples do what they say.

use crate::common::{error_of, output_of};
use std::process::{Command, Stdio};

/// Runs an example to its end; answers what it printed.
fn run(example: &str, args: &[&str]) -> String {
    let child = Command::new(crate::common::example(example))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = crate::common::end_of(child, example);
    let printed = output_of(&output);
    let error = error_of(&output);
    assert!(output.status.success(), "{example}: {printed}{error}");
    printed
}

/// The largest number before `what` in a line of `printed`.
fn longest(printed: &str) -> (u64, u64) {
    let steps = printed.lines().filter_map(|line| {
        let (before, after) = line.split_once(" takes ")?;
        let n = before.rsplit(' ').next()?.parse().ok()?;
        Some((after.split(' ').next()?.parse().ok()?, n))
    });
    steps.max().unwrap()
}

#[test]
fn examples_burst_and_local_give_the_same_result() {
    for workers in ["1", "2"] {
        let local = run("local", &["-w", workers]);
        let burst = run("burst", &["-w", workers]);
        assert_eq!(longest(&local), (350, 77_031), "{local}");
        assert_eq!(longest(&burst), (350, 77_031), "{burst}");
        let line = burst.lines().find(|line| line.contains("done remotely")).unwrap();
        let remote: u64 = line.split(' ').next().unwrap().parse().unwrap();
        // They come at once, and a worker does many before the first answer is there.
        assert!((5_000..100_000).contains(&remote), "{line}");
    }
}

#[test]
fn counts_are_the_same_under_every_policy() {
    for workers in ["1", "2", "4"] {
        let printed = run("count", &["-w", workers]);
        assert!(printed.contains("changes of counts in 20 epochs under all policies"), "{printed}");
    }
}

#[test]
fn example_watch_reports_offloaded_records() {
    let printed = run("watch", &[]);
    let remote: u64 = printed
        .lines()
        .filter_map(|line| {
            line.split_once(" locally, ")?.1.trim().split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    assert!(remote > 500, "{printed}");
    let epochs = printed.lines().filter(|line| line.starts_with("epoch ")).count();
    assert!(epochs >= 15, "{printed}");
}

/// The bottleneck is the stage that takes the time, whose records wait there or further up; how much of it
/// has to go follows from what is measured, and is what then goes.
#[test]
fn a_chains_bottleneck_is_found_and_relieved() {
    for workers in ["1", "2"] {
        let printed = run("chain", &["-w", workers]);
        let found: Vec<&str> =
            printed.lines().filter(|line| line.starts_with("score is the bottleneck")).collect();
        assert_eq!(found.len(), 2, "{printed}");
        assert!(
            found[0].contains("% of it would have to be done remotely, where 0 % are"),
            "{printed}"
        );
        let scores: Vec<&str> =
            printed.lines().filter(|line| line.starts_with("score  ")).collect();
        let remote = |line: &str| -> f64 {
            let column = line.split_whitespace().find_map(|column| column.strip_suffix('%'));
            column.unwrap().parse().unwrap()
        };
        assert_eq!(remote(scores[0]), 0.0, "{printed}");
        assert!(remote(scores[1]) > 20.0, "{printed}");
    }
}
