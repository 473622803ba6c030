//! A topic is read: the same output whoever reads it, and however it is gone on with.

use std::fs;
use std::process::Child;
use std::time::Duration;

use floodway::sink::Manifest;
use rdkafka::producer::Producer as _;
use rustix::process::Signal;

use super::broker::{Broker, broker};
use super::topics::{by_partition, texts};
use crate::common::{Place, end_of, error_of, poll, signal, start_processes};

/// A topic of five partitions with everything that a topic may have: text, texts that are none, tombstones,
/// transactions that were committed and aborted, and a partition with nothing in it.
pub fn mixed(broker: &Broker, texts_each: u32) -> String {
    let topic = broker.topic(5);
    broker.send(&topic, &texts(0, texts_each, &[0, 1, 4]));
    let odd = [None, Some(b"\xff\xfe".to_vec()), Some(Vec::new()), Some(vec![b'x'; 3_000])];
    broker.send(&topic, &odd.map(|value| (1, value)));
    let aborted = broker.transaction(&topic, &texts(50_000, 50_500, &[0, 2]));
    aborted.abort_transaction(Duration::from_secs(10)).unwrap();
    let committed = broker.transaction(&topic, &texts(texts_each, 2 * texts_each, &[0, 2, 4]));
    committed.commit_transaction(Duration::from_secs(10)).unwrap();
    broker.send(&topic, &texts(60_000, 60_050, &[4]));
    let aborted = broker.transaction(&topic, &texts(70_000, 70_005, &[0, 4]));
    aborted.abort_transaction(Duration::from_secs(10)).unwrap();
    topic
}

/// Lines that are committed in an output.
pub fn committed(place: &Place, out: &str) -> u64 {
    Manifest::read(&place.path(out)).map_or(0, |manifest| manifest.records())
}

pub fn stop(child: Child) {
    signal(&child, Signal::TERM);
    let output = end_of(child, "a run that was told to stop");
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn the_output_is_the_same_for_any_workers_processes_and_policy() {
    let Some(broker) = broker() else { return };
    let topic = mixed(broker, 3_000);
    let place = Place::new();
    let source = format!("{}?until=end", broker.url(&topic));
    let input = ["run", "--source", &source, "--max-record", "2000", "--dead-letter", "dead"];
    let more = ["--summary", "summary.json", "--out", "out", "--overwrite", "--epoch", "20ms"];
    let input = [&input[..], &more].concat();
    let mut expected = broker.expected(&topic);
    let too_long = b"x".repeat(3_000);
    let at = expected.windows(3_000).position(|window| window == too_long).expect("it is there");
    let begin = expected[..at].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    expected.drain(begin..at + 3_001);
    assert_eq!(by_partition(&expected)["2"], 1_000, "committed, and none of the aborted");
    let local = ["--policy", "local"];
    let failing = "network=2ms,failure_rate=0.2,seed=3";
    let remote = ["--policy", "remote", "--local-lambda", failing];
    let spill = ["--policy", "spill", "--threshold", "5k", "--local-lambda", failing];
    let policies = [&local[..], &remote, &spill];
    for (workers, processes, policy) in
        [("1", 1, 0), ("2", 1, 1), ("4", 1, 2), ("8", 1, 0), ("1", 2, 2), ("2", 2, 1), ("1", 7, 0)]
    {
        let args = [&input[..], policies[policy], &["--", "-w", workers]].concat();
        let _ = fs::remove_file(place.path("dead"));
        for child in start_processes(&place, processes, &args) {
            let output = end_of(child, "it");
            let said = error_of(&output);
            assert!(output.status.success(), "{said}");
        }
        let named = format!("{workers} workers in {processes} processes, {:?}", policies[policy]);
        assert!(place.output("out") == expected, "{named}");
        let summary = place.summary();
        assert_eq!(summary["records_bad"], 2, "{named}: {summary}");
        let dead = fs::read_to_string(place.path("dead")).unwrap();
        let mut codes: Vec<&str> = dead.lines().filter_map(|line| line.split('"').nth(7)).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["invalid_utf8", "too_long"], "{dead}");
        assert!(dead.lines().all(|line| line.starts_with("{\"record\":\"1:")), "{dead}");
    }
}

#[test]
fn a_followed_topic_goes_on_where_it_was_stopped() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(3);
    let (place, source) = (Place::new(), broker.url(&topic));
    let args = ["run", "--source", &source, "--out", "out", "--state", "state"];
    let args = [&args[..], &["--epoch", "20ms", "--commit-every", "60ms"]].concat();
    let mut sent = 0;
    for workers in ["1", "2", "4"] {
        let args = [&args[..], &["--", "-w", workers]].concat();
        // Some are there when it begins, and some come.
        broker.send(&topic, &texts(sent, sent + 500, &[0, 1]));
        let child = place.start(&args);
        sent += 500;
        poll("what was there", || (committed(&place, "out") == u64::from(sent)).then_some(()));
        broker.send(&topic, &texts(sent, sent + 300, &[0, 2]));
        sent += 300;
        poll("what has come", || (committed(&place, "out") == u64::from(sent)).then_some(()));
        stop(child);
        assert!(place.output("out") == broker.expected(&topic));
    }
    // A partition that was added since is read from its first message on.
    grow(broker, &topic, 4);
    broker.send(&topic, &texts(sent, sent + 10, &[3]));
    let child = place.start(&args);
    poll("its messages", || (committed(&place, "out") == u64::from(sent + 10)).then_some(()));
    stop(child);
    assert!(place.output("out") == broker.expected(&topic));
}

/// Adds partitions to a topic, and waits until clients see them.
fn grow(broker: &Broker, topic: &str, partitions: usize) {
    broker.grow(topic, partitions);
    let source = format!("{}?until=end", broker.url(topic));
    poll("the new partitions", || {
        let run = Place::new().run(&["run", "--source", &source, "--sink", "null"]);
        run.status.success().then_some(())
    });
}

/// Process 1 has none at first.
#[test]
fn partitions_that_are_added_while_it_runs_are_read_without_a_restart() {
    let Some(broker) = broker() else { return };
    // Most of it is waiting.
    std::thread::scope(|scope| {
        for (workers, processes) in [("1", 1), ("3", 1), ("2", 2)] {
            scope.spawn(move || partitions_are_added(broker, workers, processes));
        }
    });
}

fn partitions_are_added(broker: &Broker, workers: &str, processes: usize) {
    let (topic, place) = (broker.topic(1), Place::new());
    let source = broker.url(&topic);
    let args = ["run", "--source", &source, "--out", "out", "--state", "state"];
    let more = ["--epoch", "20ms", "--commit-every", "40ms", "--", "-w", workers];
    let args = [&args[..], &more].concat();
    let has_come = |lines| {
        let what = format!("{lines} lines, {workers} workers, {processes} processes");
        poll(&what, || (committed(&place, "out") == lines).then_some(()));
    };
    broker.send(&topic, &texts(0, 500, &[0]));
    let run = start_processes(&place, processes, &args);
    has_come(500);
    grow(broker, &topic, 4);
    broker.send(&topic, &texts(500, 900, &[0, 1, 2, 3]));
    has_come(900);
    grow(broker, &topic, 6);
    broker.send(&topic, &texts(900, 1_200, &[5, 0, 4, 2]));
    has_come(1_200);
    run.into_iter().for_each(stop);
    assert!(place.output("out") == broker.expected(&topic));
    // They are remembered.
    broker.send(&topic, &texts(1_200, 1_300, &[5, 1]));
    let run = start_processes(&place, processes, &args);
    has_come(1_300);
    run.into_iter().for_each(stop);
    assert!(place.output("out") == broker.expected(&topic));
}

#[test]
fn an_end_stays_where_it_was_when_the_run_first_began() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(2);
    broker.send(&topic, &texts(0, 400, &[0, 1]));
    // It is not committed, so it is not there yet: the end is before it.
    let open = broker.transaction(&topic, &texts(400, 410, &[0]));
    let expected = broker.expected(&topic);
    let (place, source) = (Place::new(), format!("{}?until=end", broker.url(&topic)));
    let args = ["run", "--source", &source, "--out", "out", "--state", "state"];
    let slow = [
        &args[..],
        &["--work", "2ms", "--epoch", "10ms", "--commit-every", "20ms", "--max-backlog", "50"],
    ]
    .concat();
    let child = place.start(&slow);
    poll("a commit", || (committed(&place, "out") > 0).then_some(()));
    open.commit_transaction(Duration::from_secs(10)).unwrap();
    broker.send(&topic, &texts(500, 600, &[0, 1]));
    stop(child);
    let same = [&args[..], &["--epoch", "10ms"]].concat();
    place.run_well(&same);
    assert!(place.output("out") == expected);
    assert_eq!(place.run_well(&same)["results_out"], 0, "what is complete is complete");
}

#[test]
fn from_the_latest_is_what_comes() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(2);
    broker.send(&topic, &texts(0, 100, &[0, 1]));
    let (place, source) = (Place::new(), format!("{}?from=latest", broker.url(&topic)));
    let args = ["run", "--source", &source, "--out", "out", "--state", "state"];
    let args = [&args[..], &["--epoch", "20ms", "--commit-every", "40ms"]].concat();
    let child = place.start(&args);
    poll("the first commit", || {
        let manifest = Manifest::read(&place.path("out")).ok()?;
        (!manifest.commits.is_empty()).then_some(())
    });
    broker.send(&topic, &texts(100, 150, &[0, 1]));
    poll("what comes", || (committed(&place, "out") == 50).then_some(()));
    stop(child);
    // Where it began is remembered: what has come since is not passed over.
    broker.send(&topic, &texts(150, 170, &[1]));
    let child = place.start(&args);
    poll("what came", || (committed(&place, "out") == 70).then_some(()));
    stop(child);
}
