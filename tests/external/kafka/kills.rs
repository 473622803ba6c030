//! Runs that are killed at any instant, and started again with the same command.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rand::rngs::SmallRng;

use super::broker::broker;
use super::sink::assert_has;
use super::source::mixed;
use crate::common::kills::{Killed, Way, kills, random};
use crate::common::{Place, parts};

const FAILING: &str = "network=3ms,cold_start=20ms,failure_rate=0.1,throttle_rate=0.1";
/// Some seconds of work, in small commits.
const SLOW: [&str; 8] =
    ["--work", "80us", "--epoch", "5ms", "--commit-every", "20ms", "--max-backlog", "500"];
const REMOTE: [&str; 5] = ["--policy", "remote", "--local-lambda", FAILING, "--linger=1ms"];

const WAYS: [Way; 4] = [
    Way { workers: "1", processes: 1, options: &[] },
    Way { workers: "3", processes: 1, options: &REMOTE },
    Way { workers: "1", processes: 2, options: &[] },
    Way { workers: "7", processes: 1, options: &[] },
];

/// Kills a run at random instants, each time in another way, until it is done; answers how often.
fn kill_until_done(
    place: &Place,
    commits: &str,
    ways: &[Way],
    args: &[&str],
    random: &mut SmallRng,
) -> usize {
    Killed { place, args, ways, commits, after: Duration::from_millis(150) }.until_done(random)
}

#[test]
fn killed_from_topic_to_files_each_line_is_written_once() {
    let Some(broker) = broker() else { return };
    let topic = mixed(broker, 15_000);
    let expected = broker.expected(&topic);
    let source = format!("{}?until=end", broker.url(&topic));
    let args = ["run", "--source", &source, "--out", "out", "--state", "state"];
    let args = [&args[..], &SLOW].concat();
    let (mut killed, mut random) = (0, random());
    while killed < kills(20) {
        let place = Place::new();
        killed += kill_until_done(&place, "out", &WAYS, &args, &mut random);
        assert!(place.output("out") == expected, "after {killed} kills");
    }
    eprintln!("killed {killed} times");
}

#[test]
fn killed_from_topic_to_topic_each_line_is_written_once() {
    let Some(broker) = broker() else { return };
    let topic = mixed(broker, 15_000);
    let expected = broker.expected(&topic);
    let source = format!("{}?until=end", broker.url(&topic));
    let (mut killed, mut random) = (0, random());
    while killed < kills(20) {
        let (place, to) = (Place::new(), broker.topic(3));
        let sink = broker.url(&to);
        let args = ["run", "--source", &source, "--sink", &sink, "--state", "state"];
        let args = [&args[..], &SLOW].concat();
        killed += kill_until_done(&place, "state/outbox", &WAYS, &args, &mut random);
        assert_has(broker, &to, &expected, &format!("after {killed} kills"));
    }
    eprintln!("killed {killed} times");
}

/// The function in Python computes what the workers compute.
#[test]
fn killed_from_topic_through_a_function_to_topic_each_line_is_written_once() {
    let (Some(broker), Some(python)) = (broker(), parts::python()) else { return };
    let topic = mixed(broker, 15_000);
    let expected = broker.expected(&topic);
    let source = format!("{}?until=end", broker.url(&topic));
    let task = concat!("function:", env!("CARGO_MANIFEST_DIR"), "/functions/python");
    const SMALL: [&str; 6] = ["--epoch", "5ms", "--commit-every", "20ms", "--max-backlog", "500"];
    const FAILING: &str = "network=3ms,failure_rate=0.1,throttle_rate=0.1";
    const REMOTE: [&str; 5] = ["--policy", "remote", "--local-lambda", FAILING, "--linger=1ms"];
    const WAYS: [Way; 3] = [
        Way { workers: "2", processes: 1, options: &[] },
        Way { workers: "1", processes: 1, options: &REMOTE },
        Way { workers: "1", processes: 2, options: &[] },
    ];
    let (mut killed, mut random) = (0, random());
    while killed < kills(10) {
        let python = python.clone();
        let floodway = move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_floodway"));
            command.env("FLOODWAY_PYTHON", &python);
            command
        };
        let (place, to) = (Place::new().running(floodway), broker.topic(3));
        let sink = broker.url(&to);
        let args =
            ["run", "--source", &source, "--sink", &sink, "--state", "state", "--task", task];
        let args = [&args[..], &["--processes", "1"], &SMALL].concat();
        killed += kill_until_done(&place, "state/outbox", &WAYS, &args, &mut random);
        assert_has(broker, &to, &expected, &format!("after {killed} kills"));
    }
    eprintln!("killed {killed} times");
}

/// The ends of transactions come late, twice or never to the broker, over connections that are lost meanwhile. None
/// of them may end a later transaction, which would commit lines without their note.
#[test]
fn late_repeated_or_lost_transaction_ends_leave_each_line_once() {
    let Some(broker) = broker() else { return };
    const EVENTS: [&str; 7] = ["run", "--events", "20k", "--rate", "40k", "--seed", "7"];
    const SMALL: [&str; 4] = ["--epoch", "5ms", "--commit-every", "15ms"];
    const ONE: [Way; 1] = [Way { workers: "1", processes: 1, options: &[] }];
    let place = Place::new();
    place.run_well(&[&EVENTS[..], &["--out", "out"]].concat());
    let expected = place.output("out");
    let (mut killed, mut random) = (0, random());
    while killed < kills(100) {
        let (place, to) = (Place::new(), broker.topic(3));
        // Lost connections are made again at once, or the test would take minutes.
        fs::write(place.path("soon"), "reconnect.backoff.ms=5\nretry.backoff.ms=5\n").unwrap();
        let sink = format!("{}?config=soon", broker.proxy.url(&to));
        let args = [&EVENTS[..], &SMALL, &["--sink", &sink, "--state", "state"]].concat();
        killed += kill_until_done(&place, "state/outbox", &ONE, &args, &mut random);
        assert_has(broker, &to, &expected, &format!("after {killed} kills"));
    }
    let troubles = broker.proxy.troubles();
    eprintln!("killed {killed} times, {troubles} ends of transactions met trouble");
    assert!(troubles > 0);
}
