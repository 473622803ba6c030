//! Runs that are killed at any instant, and started again with the same command.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use floodway::sink::Manifest;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};

use super::broker::broker;
use super::sink::assert_has;
use super::source::mixed;
use crate::common::{Place, end_of, hosts};

/// How a run is made, each time it is started.
struct Way {
    workers: &'static str,
    processes: usize,
    options: &'static [&'static str],
}

const WEATHER: &str = "network=3ms,cold_start=20ms,failure_rate=0.1,throttle_rate=0.1";
/// Some seconds of work, in small commits.
const SLOW: [&str; 8] =
    ["--work", "80us", "--epoch", "5ms", "--commit-every", "20ms", "--max-backlog", "500"];
const REMOTE: [&str; 5] = ["--policy", "remote", "--local-lambda", WEATHER, "--linger=1ms"];

const WAYS: [Way; 4] = [
    Way { workers: "1", processes: 1, options: &[] },
    Way { workers: "3", processes: 1, options: &REMOTE },
    Way { workers: "1", processes: 2, options: &[] },
    Way { workers: "7", processes: 1, options: &[] },
];

/// Kills of one run, at most: then it is let be.
const MOST: usize = 15;

fn start(place: &Place, way: &Way, args: &[&str]) -> Vec<Child> {
    let hosts = (way.processes > 1).then(|| hosts(place, way.processes));
    let all = [args, way.options, &["--", "-w", way.workers]].concat();
    let process = |process: usize| {
        let mut command = place.floodway(&all);
        if let Some(hosts) = &hosts {
            let (processes, process) = (way.processes.to_string(), process.to_string());
            command.args(["-n", &processes, "-p", &process, "-h"]).arg(hosts);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    (0..way.processes).map(process).collect()
}

/// Kills a run at random instants, each time in another way, until it is done; answers how often.
fn kill_until_done(
    place: &Place,
    manifest: &str,
    ways: &[Way],
    args: &[&str],
    random: &mut SmallRng,
) -> usize {
    let commits =
        || Manifest::read(&place.path(manifest)).map_or(0, |manifest| manifest.commits.len());
    for kills in 0.. {
        let before = commits();
        let way = &ways[random.random_range(0..ways.len())];
        let mut processes = start(place, way, args);
        let began = Instant::now();
        let mut alive = || processes.iter_mut().all(|child| child.try_wait().unwrap().is_none());
        let nap = || std::thread::park_timeout(Duration::from_millis(1));
        // Some while they begin or recover, most while they work.
        let early = random.random_bool(0.2);
        while !early && alive() && commits() == before {
            nap();
        }
        let after = began.elapsed() + Duration::from_micros(random.random_range(0..150_000));
        while alive() && (kills >= MOST || began.elapsed() < after) {
            nap();
        }
        let victim = processes.swap_remove(random.random_range(0..processes.len()));
        let _ = kill_process(Pid::from_child(&victim), Signal::KILL);
        let killed = end_of(victim, "the victim");
        let well = killed.status.success();
        for mut other in processes {
            // One whose partner is gone ends by itself; one that looks for it waits.
            if !well {
                let _ = other.kill();
            }
            end_of(other, "a process whose partner is gone");
        }
        if well {
            return kills;
        }
        let said = String::from_utf8_lossy(&killed.stderr);
        assert_eq!(killed.status.code(), None, "it ended by itself: {said}");
    }
    unreachable!("it is not killed for ever")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Kills of a test, at least.
fn kills(usual: u64) -> usize {
    number("FLOODWAY_KILLS").unwrap_or(usual) as usize
}

fn random() -> SmallRng {
    let seed = number("FLOODWAY_SEED").unwrap_or_else(rand::random);
    eprintln!("FLOODWAY_SEED={seed}");
    SmallRng::seed_from_u64(seed)
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
