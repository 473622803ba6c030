//! Law 1 as a [matrix](crate::law_1), for topics as the source and as the sink.

use floodway::policy::Sends;

use super::broker::{Broker, broker};
use super::sink::{assert_has, lines};
use super::source::mixed;
use crate::common::Place;
use crate::law_1::{self, Feature, Output, Sink, policy};

/// A topic of its own.
struct Topic {
    broker: &'static Broker,
    name: String,
}

impl Sink for Topic {
    fn value(&self) -> String {
        self.broker.url(&self.name)
    }

    fn commits(&self) -> &str {
        "state/outbox"
    }

    fn lines(&self, _: &Place) -> Vec<u8> {
        lines(self.broker, &self.name)
    }

    fn is_complete(&self, _: &Place, expected: &[u8]) {
        assert_has(self.broker, &self.name, expected, "the topic");
    }
}

/// All features that need a broker. A new one is a line here.
fn features(broker: &'static Broker) -> [Feature; 2] {
    let remote = policy(Sends::Always);
    let topic = move || Box::new(Topic { broker, name: broker.topic(3) }) as Box<dyn Sink>;
    let url: &'static str = format!("{}?until=end", broker.url(&mixed(broker, 3_000))).leak();
    // A topic is read as fast as it can be. The work gives troubles the time to come.
    let slow = ["--work", "200us", "--max-backlog", "500"];
    let read = ["--source", url, "--epoch", "10ms", "--dead-letter", "dead.jsonl"];
    [
        Feature::new("source kafka://HOST:PORT/TOPIC", remote, Output::new("topic", &read))
            .with(&slow),
        Feature::new("sink kafka://HOST:PORT/TOPIC", remote, Output::words()).to(topic),
    ]
}

#[test]
fn every_feature_makes_the_output_of_the_local_run_in_every_scenario() {
    if let Some(broker) = broker() {
        law_1::check(&features(broker));
    }
}
