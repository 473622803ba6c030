//! A program of one's own reads a topic and publishes to another one.

use std::process::Command;
use std::time::Duration;

use floodway::task::Code;

use super::broker::broker;
use crate::common::{Place, poll};

/// The variable with which the program publishes CSV with keys.
const KEYED: &str = "FLOODWAY_TEST_KEYED";

/// The program, which the test starts in a process of its own.
#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn child() {
    let own = std::env::args_os().skip_while(|arg| arg != "--").skip(1);
    let args = std::iter::once("program".into()).chain(own).collect();
    let program = floodway::app("program").dataflow(|job, lines| {
        let numbers = job.json::<u64>(lines);
        let pairs = job.burst("pair", numbers, |number| match number % 10 {
            7 => Err(Code("unlucky".into())),
            _ => Ok((*number, format!("a\ttab and {number}"))),
        });
        Ok(match std::env::var_os(KEYED) {
            None => job.json_lines(pairs),
            Some(_) => job.csv_lines_by_key(pairs, |(number, _), key| {
                key.push_str(&(number % 3).to_string())
            }),
        })
    });
    std::process::exit(floodway::internal::main_of(&program, args).code().into());
}

/// A tab within a value is escaped in JSON, so what the publisher takes for the key is empty.
#[test]
fn json_lines_are_published_once_as_values_without_a_key() {
    let line = |n: u32| (None, format!("[{n},\"a\\ttab and {n}\"]"));
    published(&[], line);
}

#[test]
fn csv_is_published_without_a_header_and_each_line_once_with_the_key_of_the_closure() {
    let line = |n: u32| (Some((n % 3).to_string().into_bytes()), format!("{n},a\ttab and {n}"));
    published(&[(KEYED, "1")], line);
}

/// Runs the program with these variables from a topic with numbers to another one, and checks the messages there: a key
/// and a value for each number.
fn published(variables: &'static [(&str, &str)], line: impl Fn(u32) -> (Option<Vec<u8>>, String)) {
    let Some(broker) = broker() else { return };
    let (from, to) = (broker.topic(2), broker.topic(3));
    let number = |n: u32| (n as i32 % 2, Some(n.to_string().into_bytes()));
    broker.send(&from, &(0..1_000).map(number).collect::<Vec<_>>());
    let place = Place::new().running(|| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "kafka::program::child", "--"]);
        command.envs(variables.iter().copied());
        command
    });
    let source = format!("{}?until=end", broker.url(&from));
    let sink = broker.url(&to);
    let args = ["run", "--source", &source, "--sink", &sink, "--state", "state"];
    let remote = ["--policy", "remote", "--local-lambda", "network=2ms,failure_rate=0.2,seed=3"];
    place.run_well(&[&args[..], &remote, &["--epoch", "20ms"]].concat());
    let mut expected: Vec<_> = (0..1_000_u32).filter(|n| n % 10 != 7).map(line).collect();
    expected.sort_unstable();
    let published = || {
        let mut messages: Vec<_> = broker
            .read(&to)
            .into_iter()
            .map(|got| (got.key, String::from_utf8(got.value.unwrap()).unwrap()))
            .collect();
        messages.sort_unstable();
        messages
    };
    // A transaction that is committed is seen a moment later.
    poll("all messages", || (published().len() >= expected.len()).then_some(()));
    std::thread::park_timeout(Duration::from_millis(200));
    assert!(published() == expected, "{:?}", published().first());
}
