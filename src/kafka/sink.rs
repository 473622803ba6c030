//! The sink to a topic: lines wait in files of an outbox until they are published.

use std::path::PathBuf;

use super::{KafkaError, Publisher, Topic};
use crate::sink::{Files, Prepared, Publish, Sink, SinkError};

/// A topic, to which each line is published exactly once.
#[derive(Debug)]
pub struct KafkaSink {
    topic: Topic,
    /// The topic that the run reads, if it reads one. It must be another.
    input: Option<Topic>,
    /// The state folder. It holds the outbox, and a note of how many lines were published.
    state: PathBuf,
    outbox: Files,
}

/// The folder of unpublished results, within the state folder.
const OUTBOX: &str = "outbox";

impl KafkaSink {
    /// Returns the sink to `topic` of a run with this state folder. `input` is the topic that the run reads, if
    /// it reads one.
    pub fn new(topic: Topic, input: Option<Topic>, state: PathBuf) -> Self {
        let outbox = Files { keyed: true, ..Files::new(state.join(OUTBOX)) };
        KafkaSink { topic, input, state, outbox }
    }

    fn unusable(&self, error: KafkaError) -> SinkError {
        SinkError::publish(self.to(), Box::from(error))
    }

    /// Returns the name of the destination.
    fn to(&self) -> String {
        format!("{} at {}", self.topic.name, self.topic.brokers)
    }
}

impl Sink for KafkaSink {
    fn name(&self) -> Option<String> {
        Some(self.to())
    }

    fn files(&self) -> Option<&Files> {
        Some(&self.outbox)
    }

    /// Leaves out the brokers, which may change between runs.
    fn description(&self) -> String {
        format!("kafka:{}", self.topic.name)
    }

    fn output_depends_on(&self) -> Option<(&'static str, String)> {
        Some(("--sink", self.description()))
    }

    fn open(&self, id: &str) -> Result<Option<Box<dyn Publish>>, SinkError> {
        if let Some(input) = &self.input
            && self.topic.is(input).map_err(|error| self.unusable(error))?
        {
            let (topic, brokers) = (self.topic.name.clone(), self.topic.brokers.clone());
            return Err(SinkError::Unsuitable(Box::new(KafkaError::SameTopic { topic, brokers })));
        }
        let publisher = Publisher::connect(self.topic.clone(), id, &self.state);
        Ok(Some(Box::new(publisher.map_err(|error| self.unusable(error))?)))
    }

    fn prepare(&self, id: &str, _: bool) -> Result<Prepared, SinkError> {
        Prepared::outbox(&self.outbox, id)
    }
}
