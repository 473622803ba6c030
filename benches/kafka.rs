//! How many records per second are read from Kafka and written to it, next to a consumer of the same client that
//! does nothing else.
//!
//!     cargo bench --features kafka --bench kafka
//!
//! It starts a broker, which `.ci/parts` installs.
#![allow(clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../tests/external/kafka"]
mod kafka {
    pub mod broker;
    pub mod proxy;
    pub mod topics;
}

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::Place;
use kafka::broker::{Broker, broker};

/// The environment variables that tell the process of the bare consumer the broker's address and the topic.
const BARE: [&str; 2] = ["FLOODWAY_BARE_BROKER", "FLOODWAY_BARE_TOPIC"];

const EVENTS: u32 = 3_000_000;
const PARTITIONS: i32 = 4;
const ROUNDS: usize = 3;

/// Returns a topic that holds Nexmark events, one line a message.
fn filled(broker: &Broker) -> String {
    let place = Place::new();
    let events = EVENTS.to_string();
    let args = ["generate", "--rate", "max", "--events", &events, "--seed", "1"];
    let mut generate = place.floodway(&args).stdout(Stdio::piped()).spawn().unwrap();
    let topic = broker.topic(PARTITIONS);
    let lines = std::io::BufReader::with_capacity(1 << 20, generate.stdout.take().unwrap());
    broker.send_lines(&topic, PARTITIONS, lines);
    generate.wait().unwrap();
    topic
}

fn median(mut all: Vec<f64>) -> (f64, f64, f64) {
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[0], all[all.len() - 1])
}

fn main() {
    if let [Ok(address), Ok(topic)] = BARE.map(std::env::var) {
        return bare_consumer(&address, &topic);
    }
    let broker = broker().expect("a broker, which .ci/parts installs");
    let topic = filled(broker);
    let source = format!("{}?until=end", broker.url(&topic));
    let mut measured: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for cores in ["0", "0,1"] {
            let mut bare = Command::new("taskset");
            bare.args(["-c", cores]).arg(std::env::current_exe().unwrap());
            bare.env(BARE[0], broker.address()).env(BARE[1], &topic);
            let output = bare.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let rate = text.lines().find_map(|line| line.strip_prefix("rate ")).expect("a rate");
            let named = format!("bare consumer, cores {cores}");
            measured.entry(named).or_default().push(rate.parse().unwrap());
            let workers = if cores == "0" { "1" } else { "2" };
            for sink in ["null", "files:out?sync=none"] {
                let args = ["run", "--source", &source, "--sink", sink, "--", "-w", workers];
                let rate = run(&args, cores)["throughput_eps"].as_f64().unwrap();
                let named = format!("to words, {sink}, cores {cores}, -w {workers}");
                measured.entry(named).or_default().push(rate);
            }
        }
        let to = broker.url(&broker.topic(PARTITIONS));
        let args = ["run", "--rate", "max", "--events", "2M", "--sink", &to, "--state", "state"];
        let rate = run(&args, "0,1")["throughput_eps"].as_f64().unwrap();
        measured.entry("nexmark to words to a topic".to_owned()).or_default().push(rate);
    }
    for (what, rates) in measured {
        let (median, least, most) = median(rates);
        println!("{what:50} {:>9.0} /s ({least:.0} to {most:.0})", median);
    }
}

fn run(args: &[&str], cores: &str) -> serde_json::Value {
    let place = Place::new();
    let command = place.floodway(&[&["run", "--summary", "summary.json"], &args[1..]].concat());
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).arg(command.get_program()).args(command.get_args());
    pinned.current_dir(place.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(pinned.status().unwrap().success(), "{args:?}");
    place.summary()
}

/// Reads the topic and does nothing with its messages.
fn bare_consumer(address: &str, topic: &str) {
    let began = Instant::now();
    let (mut messages, mut bytes) = (0_u64, 0);
    kafka::topics::consume(address, topic, |message| {
        messages += 1;
        bytes += message.payload_len() as u64;
    });
    assert!(bytes > messages);
    println!("rate {}", messages as f64 / began.elapsed().as_secs_f64());
}
