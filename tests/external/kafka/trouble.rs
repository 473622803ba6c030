//! What is not there, or not any more, and what comes back.

use super::broker::{Broker, broker};
use super::source::{committed, stop};
use super::topics::texts;
use crate::common::{Place, end_of, error_of, poll};

/// Runs it, and it must fail; answers what it says, which is one line.
pub fn fails(place: &Place, code: i32, args: &[&str]) -> String {
    let output = place.run(args);
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("floodway: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    errors[0].to_owned()
}

#[test]
fn what_is_wrong_with_the_command_is_said() {
    let place = Place::new();
    std::fs::write(place.path("wrong"), "no.such.property=1\n").unwrap();
    let source = |rest: &str| format!("kafka:{rest}");
    for (rest, what) in [
        ("//localhost/t", "HOST:PORT"),
        ("//localhost:9092", "kafka://HOST:PORT/TOPIC"),
        ("localhost:9092/t", "kafka://HOST:PORT/TOPIC"),
        ("//localhost:9092/a b", "no topic's name"),
        ("//localhost:9092/t?from=5", "from=5: expected from=earliest|latest"),
        ("//localhost:9092/t?from=latest&until=end", "reads nothing"),
        ("//localhost:9092/t?until=end&until=end", "said twice"),
        ("//localhost:9092/t?config=no/such", "config=no/such: No such file"),
        ("//localhost:9092/t?config=wrong", "no.such.property"),
    ] {
        let said = fails(&place, 2, &["run", "--source", &source(rest), "--out", "out"]);
        assert!(said.contains("--source kafka:") && said.contains(what), "{rest}: {said}");
    }
    let input = ["run", "--source", "kafka://localhost:9092/t", "--out", "out"];
    for (option, value) in [("--events", "5"), ("--rate", "5"), ("--seed", "5"), ("--skew", "0.5")]
    {
        let said = fails(&place, 2, &[&input[..], &[option, value]].concat());
        assert!(said.contains(&format!("{option} {value}")), "{said}");
    }
    let said = fails(&place, 2, &[&input[..], &["--follow"]].concat());
    assert!(said.contains("until Ctrl-C without --follow"), "{said}");
    let said = fails(&place, 2, &["compare", "--source", "kafka://localhost:9092/t"]);
    assert!(said.contains("until=end"), "{said}");
    assert!(!place.path("out").exists());
}

/// A file such as `<(command)` has its text once.
#[test]
fn the_file_of_properties_is_read_once() {
    let place = Place::new();
    let file = place.path("properties");
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, 0o600.into()).unwrap();
    let writer = std::thread::spawn(move || std::fs::write(file, "client.id=once\n").unwrap());
    let source = "kafka://localhost:9092/in?config=properties";
    let sink = ["--sink", "kafka://localhost:9092/out", "--state", "state"];
    // What two options write to is compared after the source and the sink.
    let args =
        [&["run", "--source", source, "--summary", "file", "--series", "file"][..], &sink].concat();
    let output = end_of(place.start(&args), "the command");
    assert_eq!(output.status.code(), Some(2), "{}", error_of(&output));
    assert!(error_of(&output).contains("--series file"), "{}", error_of(&output));
    writer.join().unwrap();
}

#[test]
fn a_topic_or_a_cluster_that_is_not_there_leaves_nothing_behind() {
    let Some(broker) = broker() else { return };
    let place = Place::new();
    let run = |source: &str| {
        fails(&place, 1, &["run", "--source", source, "--out", "out", "--state", "state"])
    };
    let said = run(&broker.url("no-such-topic"));
    assert!(said.contains("there is no topic no-such-topic"), "{said}");
    // Nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = run(&format!("kafka://{free}/t"));
    assert!(said.contains(&format!("cannot reach Kafka at {free}")), "{said}");
    assert!(said.contains("Connection refused") && said.contains("is it up"), "{said}");
    let sink = format!("kafka://{free}/t");
    let said = fails(&place, 1, &["run", "--events", "1", "--sink", &sink, "--state", "state"]);
    let expected = format!("cannot publish to t at {free}: cannot reach Kafka at {free}: ");
    assert!(said.contains(&expected) && said.contains("is it up"), "{said}");
    assert!(!place.path("out").exists() && !place.path("state").exists());
}

#[test]
fn messages_that_were_deleted_before_they_were_read_are_no_silent_gap() {
    let Some(broker) = broker() else { return };
    let topic = broker.topic(2);
    broker.send(&topic, &texts(0, 200, &[0, 1]));
    let (place, source) = (Place::new(), broker.url(&topic));
    let args = ["run", "--source", &source, "--out", "out", "--state", "state"];
    let args = [&args[..], &["--epoch", "20ms", "--commit-every", "40ms"]].concat();
    let child = place.start(&args);
    poll("all", || (committed(&place, "out") == 200).then_some(()));
    stop(child);
    broker.send(&topic, &texts(200, 400, &[0, 1]));
    // What was read may go.
    broker.delete_before(&topic, 0, 100);
    broker.delete_before(&topic, 1, 150);
    let said = fails(&place, 1, &args);
    for part in ["partition 1", "from offset 100 on", "begins at 150", "retention"] {
        assert!(said.contains(part), "{said}");
    }
    // Another topic of that name.
    let other = broker.topic(2);
    let said = fails(&place, 2, &[&["run", "--source", &broker.url(&other)], &args[3..]].concat());
    assert!(said.contains("--source was kafka:"), "{said}");
}

#[test]
fn a_broker_that_dies_is_waited_for() {
    let Some(broker) = Broker::start() else { return };
    let topic = broker.topic(2);
    broker.send(&topic, &texts(0, 300, &[0, 1]));
    let (place, source) = (Place::new(), broker.url(&topic));
    let args = ["run", "--source", &source, "--out", "out", "--epoch", "20ms"];
    let child = place.start(&[&args[..], &["--commit-every", "40ms"]].concat());
    poll("all", || (committed(&place, "out") == 300).then_some(()));
    broker.kill();
    broker.begin();
    broker.send(&topic, &texts(300, 500, &[0, 1]));
    poll("the rest", || (committed(&place, "out") == 500).then_some(()));
    stop(child);
    assert!(place.output("out") == broker.expected(&topic));
}
