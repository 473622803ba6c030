//! Results go to a topic: each line once, whoever makes it, and whatever ends.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::broker::{Broker, broker};
use super::source::{committed, mixed, stop};
use super::topics::texts;
use super::trouble::fails;
use crate::common::{Place, end_of, error_of, output_of, poll, signal, start_processes};

/// Waits until a topic has what it must: a transaction that is committed is seen a moment later. What is there
/// twice is never right.
pub fn assert_has(broker: &Broker, topic: &str, expected: &[u8], what: &str) {
    let began = Instant::now();
    while lines(broker, topic) != expected {
        if began.elapsed() < Duration::from_secs(5) {
            std::thread::park_timeout(Duration::from_millis(50));
            continue;
        }
        let there = lines(broker, topic);
        let count = |lines: &[u8]| lines.split(|byte| *byte == b'\n').count() - 1;
        let mut once: Vec<&[u8]> = there.split(|byte| *byte == b'\n').collect();
        once.dedup();
        let (all, wanted) = (count(&there), count(expected));
        panic!("{what}: {all} lines, {} of them once, and {wanted} are right", once.len() - 1);
    }
}

/// The sorted lines of a topic's messages: the key, a tab, the value.
pub fn lines(broker: &Broker, topic: &str) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = broker
        .read(topic)
        .into_iter()
        .map(|got| [&got.key.unwrap()[..], b"\t", &got.value.unwrap(), b"\n"].concat())
        .collect();
    lines.sort_unstable();
    lines.concat()
}

#[test]
fn a_topic_has_each_line_once_whoever_makes_it() {
    let Some(broker) = broker() else { return };
    let from = mixed(broker, 2_000);
    let expected = broker.expected(&from);
    let source = format!("{}?until=end", broker.url(&from));
    let failing = "network=2ms,failure_rate=0.2,seed=3";
    let remote = ["--policy", "remote", "--local-lambda", failing];
    let spill = ["--policy", "spill", "--threshold", "5k", "--local-lambda", failing];
    for (workers, processes, policy) in
        [("1", 1, &[][..]), ("2", 1, &remote), ("4", 1, &spill), ("2", 2, &[])]
    {
        let (place, to) = (Place::new(), broker.topic(3));
        let sink = broker.url(&to);
        let args = ["run", "--source", &source, "--sink", &sink, "--state", "state"];
        let more = ["--epoch", "20ms", "--commit-every", "60ms", "--summary", "summary.json"];
        let args = [&args[..], &more, policy, &["--", "-w", workers]].concat();
        let started = start_processes(&place, processes, &args);
        for (process, child) in started.into_iter().enumerate() {
            let output = end_of(child, "it");
            let said = error_of(&output);
            assert!(output.status.success(), "{said}");
            let words = output_of(&output);
            assert!(process > 0 || words.contains(&format!("output    {to} at ")), "{words}");
        }
        let named = format!("{workers} workers in {processes} processes, {policy:?}");
        assert_has(broker, &to, &expected, &named);
        let made = expected.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(place.summary()["results_out"], made, "{named}");
        // What is complete is complete.
        let again = place.run(&args[..args.len() - 2]);
        assert!(processes > 1 || again.status.success());
        assert_has(broker, &to, &expected, &named);
    }
}

#[test]
fn events_go_to_a_topic_as_they_do_to_files() {
    let Some(broker) = broker() else { return };
    let (place, to) = (Place::new(), broker.topic(4));
    let events = ["run", "--events", "300k", "--rate", "max", "--seed", "3"];
    place.run_well(&[&events[..], &["--out", "out"]].concat());
    let sink = broker.url(&to);
    place.run_well(&[&events[..], &["--sink", &sink, "--state", "state"]].concat());
    assert_has(broker, &to, &place.output("out"), "events");
    // Published files are gone, but those of the newest commit.
    let left = fs::read_dir(place.path("state/outbox"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("part-"));
    assert_eq!(left.count(), 1);
}

/// A producer that has lost a connection is replaced, and no other.
#[test]
fn a_producer_whose_connections_hold_makes_all_transactions() {
    let Some(broker) = broker() else { return };
    let (place, to) = (Place::new(), broker.topic(2));
    let sink = broker.url(&to);
    let events = ["run", "--events", "20k", "--rate", "20k", "--commit-every", "20ms"];
    let args = [&events[..], &["--epoch", "10ms", "--sink", &sink, "--state", "state"]].concat();
    let output = place.run(&[&args[..], &["--log", "floodway=debug"]].concat());
    let said = error_of(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("kafka") && !said.contains("made anew"), "{said}");
}

#[test]
fn a_run_that_is_stopped_has_published_what_it_committed() {
    let Some(broker) = broker() else { return };
    let (from, to) = (broker.topic(2), broker.topic(1));
    let (place, source, sink) = (Place::new(), broker.url(&from), broker.url(&to));
    let args = ["run", "--source", &source, "--sink", &sink, "--state", "state"];
    let args = [&args[..], &["--epoch", "20ms", "--commit-every", "40ms"]].concat();
    for round in 1..4 {
        broker.send(&from, &texts((round - 1) * 200, round * 200, &[0, 1]));
        let child = place.start(&args);
        poll("all", || (committed(&place, "state/outbox") == u64::from(round) * 200).then_some(()));
        // Two at once are refused.
        let said = fails(&place, 2, &args);
        assert!(said.contains("another run is using it"), "{said}");
        stop(child);
        assert_has(broker, &to, &broker.expected(&from), &format!("round {round}"));
    }
}

/// Four seconds of events.
const EVENTS: [&str; 7] = ["run", "--rate", "20k", "--duration", "4s", "--seed", "3"];

/// The arguments to publish them, in many commits.
fn published(sink: &str) -> Vec<&str> {
    let args = [&EVENTS[..], &["--sink", sink, "--state", "state"]].concat();
    [&args[..], &["--epoch", "20ms", "--commit-every", "100ms"]].concat()
}

/// A run whose broker is killed when it has committed something.
fn with_a_broker_that_dies(broker: &Broker, place: &Place, args: &[&str]) -> Child {
    let child = place.start(args);
    poll("some commits", || (committed(place, "state/outbox") > 10_000).then_some(()));
    broker.kill();
    child
}

#[test]
fn a_broker_that_dies_while_it_is_published_to_is_waited_for() {
    let Some(broker) = Broker::start() else { return };
    let (place, to) = (Place::new(), broker.topic(2));
    let sink = broker.url(&to);
    let args = published(&sink);
    let child = with_a_broker_that_dies(&broker, &place, &args);
    broker.begin();
    let output = end_of(child, "the run");
    let said = error_of(&output);
    assert!(output.status.success(), "{said}");
    place.run_well(&[&EVENTS[..], &["--out", "out"]].concat());
    assert_has(&broker, &to, &place.output("out"), "events");
}

#[test]
fn without_its_broker_a_run_that_is_told_to_stop_ends_and_the_next_one_publishes_the_rest() {
    let Some(broker) = Broker::start() else { return };
    let (place, to) = (Place::new(), broker.topic(2));
    let sink = broker.url(&to);
    let args = published(&sink);
    let child = with_a_broker_that_dies(&broker, &place, &args);
    signal(&child, Signal::TERM);
    let output = end_of(child, "the run");
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the same command publishes the rest"), "{said}");
    broker.begin();
    place.run_well(&args);
    place.run_well(&[&EVENTS[..], &["--out", "out"]].concat());
    assert_has(&broker, &to, &place.output("out"), "events");
}

#[test]
fn what_was_published_is_known_here_too_where_the_cluster_has_forgotten_it() {
    let Some(broker) = broker() else { return };
    let (place, to) = (Place::new(), broker.topic(1));
    let sink = broker.url(&to);
    let args = ["run", "--events", "1k", "--rate", "max", "--sink", &sink, "--state", "state"];
    place.run_well(&args);
    let state = fs::read(place.path("state/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let group = format!("floodway-{}", state["output"].as_str().unwrap());
    for _ in 0..2 {
        broker.forget(&group);
        place.run_well(&args);
        assert_eq!(broker.read(&to).len(), 1_000);
    }
    // A run that was ended while it published has not noted how much it did.
    broker.forget(&group);
    let note = place.path("state/published.json");
    let unsettled = fs::read_to_string(&note).unwrap().replace("true", "false");
    fs::write(&note, unsettled).unwrap();
    let said = fails(&place, 1, &args);
    assert!(said.contains(&group) && said.contains("at least 1000 lines"), "{said}");
    assert_eq!(broker.read(&to).len(), 1_000);
}

#[test]
fn what_cannot_be_published_to_is_said() {
    let place = Place::new();
    let refused = |args: &[&str], what: &str| {
        let said = fails(&place, 2, &[&["run", "--events", "1k", "--rate", "max"], args].concat());
        assert!(said.contains(what), "{said}");
    };
    refused(&["--sink", "kafka://localhost:9092/t"], "needs --state DIR");
    let to = ["--sink", "kafka://localhost:9092/t", "--state", "state"];
    refused(&[&to[..], &["--overwrite"]].concat(), "nothing can be removed");
    refused(&["--sink", "kafka://localhost:9092/t?format=text"], "format=text: expected config=");
    assert!(!place.path("state").exists());

    let Some(broker) = broker() else { return };
    let run = |topic: &str, more: &[&'static str]| {
        let sink = broker.url(topic);
        let args = ["run", "--events", "1k", "--rate", "max", "--sink", &sink, "--state", "state"];
        fails(&place, 1, &[&args[..], more].concat())
    };
    let said = run("no-such-topic", &[]);
    assert!(said.contains("there is no topic no-such-topic"), "{said}");
    assert!(!place.path("state").exists());
    // What would feed itself for ever, also by another of its brokers' names.
    let own = broker.topic(1);
    let port = broker.address().rsplit_once(':').unwrap().1.to_owned();
    for sink in [broker.url(&own), format!("kafka://localhost:{port}/{own}")] {
        let source = broker.url(&own);
        let args = ["run", "--source", &source, "--sink", &sink, "--state", "own-state"];
        let said = fails(&place, 2, &args);
        assert!(said.contains("is what the run reads"), "{said}");
        assert!(!place.path("own-state").exists());
    }
    // A line of more than a megabyte.
    let to = broker.topic(1);
    let long = format!("{}\n", "word ".repeat(250_000));
    fs::write(place.path("long"), long).unwrap();
    let said = {
        let sink = broker.url(&to);
        let args = ["run", "--source", "lines:long", "--max-record", "2Mi", "--sink", &sink];
        fails(&place, 1, &[&args[..], &["--state", "long-state"]].concat())
    };
    assert!(said.contains("record 0 has 1250001 bytes") && said.contains("max.message"), "{said}");

    // An outbox that is gone is no reason to publish everything again.
    let sink = broker.url(&to);
    let args = ["run", "--events", "1k", "--rate", "max", "--sink", &sink, "--state", "state"];
    place.run_well(&args);
    fs::remove_dir_all(place.path("state/outbox")).unwrap();
    let said = run(&to, &[]);
    assert!(said.contains("has taken 1000 lines") && said.contains("older copy"), "{said}");
    assert_eq!(broker.read(&to).len(), 1_000);
    // Another topic is another output.
    let other = broker.url(&broker.topic(1));
    let args = ["run", "--events", "1k", "--rate", "max", "--sink", &other, "--state", "state"];
    let said = fails(&place, 2, &args);
    assert!(said.contains("--sink was kafka:"), "{said}");
}
