//! A topic as a source.

use std::sync::{Arc, PoisonError};

use serde_json::{Value, json};
use timely::dataflow::Scope;

use super::{Kafka, KafkaInput, KafkaSettings};
use crate::batch::Note;
use crate::kafka::Topic;
use crate::source::stream::read;
use crate::source::{OpenContext, OpenSource, Source, SourceError, Streams, WorkerContext};

/// The name of a commit's position in a topic.
const POSITION: &str = "kafka";

impl Source for KafkaInput {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn open(&self, context: OpenContext) -> Result<Arc<dyn OpenSource>, SourceError> {
        let from = context.position(POSITION)?;
        let OpenContext { read, failed, .. } = context;
        let settings = KafkaSettings { input: self.clone(), from, read };
        let kafka = Kafka::start(settings, move |error| failed(SourceError::input(error)));
        Ok(Arc::new(kafka.map_err(SourceError::input)?))
    }

    fn has_timed_epochs(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        !self.until_end
    }

    fn identity(&self) -> Option<String> {
        // The brokers, and how they are reached, may change.
        let from = if self.from_latest { " from=latest" } else { "" };
        let until = if self.until_end { " until=end" } else { "" };
        Some(format!("kafka:{}{from}{until}", self.topic.name))
    }

    fn how_to_end(&self) -> Option<String> {
        self.waits().then(|| {
            format!(
                "reading {} until Ctrl-C; with ?until=end after the topic the run ends with what it holds now",
                self.topic.name
            )
        })
    }

    fn why_not_repeatable(&self, is_bounded: bool) -> Option<&'static str> {
        let is_endless = self.waits() && !is_bounded;
        is_endless.then_some(
            "each policy reads all of it, so it has to end: add ?until=end, or --duration",
        )
    }

    fn topic(&self) -> Option<&Topic> {
        Some(&self.topic)
    }
}

impl OpenSource for Kafka {
    fn build<'scope>(&self, scope: &Scope<'scope, u64>, worker: WorkerContext) -> Streams<'scope> {
        let messages = self.worker(worker.local_index, worker.clock);
        read(scope, "Kafka", messages, worker)
    }

    fn position(&self, _: u64, notes: Vec<Note>) -> Result<Value, SourceError> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        position.advance(&notes);
        Ok(json!({ POSITION: *position }))
    }

    fn stop_after(&self, _: u64) {
        self.stop();
    }

    fn fingerprint(&self) -> u64 {
        Kafka::fingerprint(self)
    }
}
