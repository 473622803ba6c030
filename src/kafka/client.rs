//! The client: librdkafka, quiet, with what a run's guarantees rest on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;

use super::{KafkaError, Topic};

/// How long a cluster may take to answer before a run begins without having begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the client says goes to the log as details: what a run has to say of it, it says itself. The last
/// complaint is kept, because the client's errors do not say why.
#[derive(Debug, Default)]
pub(crate) struct Client {
    complaint: Mutex<Option<String>>,
}

/// A consumer that is polled.
pub(crate) type Consumer = BaseConsumer<Client>;

impl ClientContext for Client {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        tracing::debug!(target: "floodway::kafka", "{fac} {message}");
        if (level as i32) <= RDKafkaLogLevel::Error as i32 {
            // The thread's name and the broker's come first.
            let last_error = message.splitn(3, ": ").last().unwrap_or(message).to_owned();
            *self.lock() = Some(last_error);
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::debug!(target: "floodway::kafka", "{error}: {reason}");
    }
}

impl ConsumerContext for Client {}

impl Client {
    /// What it complained about last.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.lock().clone()
    }

    /// All is well again.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a consumer complained about last, which it may not have been asked for.
pub(crate) fn last_error(consumer: &Consumer) -> Option<String> {
    const MAX_LINES: usize = 20;
    for _ in 0..MAX_LINES {
        if consumer.poll(Duration::from_millis(10)).is_none() {
            break;
        }
    }
    consumer.context().last_error()
}

impl Topic {
    /// What any client of its cluster is told. What is given wins, where a run does not rest on it.
    pub(crate) fn config(&self, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "floodway");
        // A cluster that comes back is found again soon.
        config.set("reconnect.backoff.max.ms", "1000");
        config.set_log_level(RDKafkaLogLevel::Info);
        let given: Vec<_> = self.properties.iter().collect();
        for (key, value) in defaults.iter().chain(&given).chain(ours) {
            config.set(*key, *value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// A consumer that sees committed messages only, is told of the ends of partitions, and never moves
    /// past what is not there. Its group has no members and no offsets.
    pub(crate) fn consumer(&self) -> Result<Consumer, KafkaError> {
        const DEFAULTS: [(&str, &str); 6] = [
            ("group.id", "floodway"),
            // Memory: what is fetched ahead, by each reader.
            ("queued.max.messages.kbytes", "32768"),
            ("fetch.max.bytes", "16777216"),
            // When that is reached it fetches nothing for so long; by itself for a second, in which all of it is
            // read and nothing is left to do.
            ("fetch.queue.backoff.ms", "5"),
            // What has come is handed on at once.
            ("fetch.wait.max.ms", "100"),
            ("queued.min.messages", "100000"),
        ];
        const OURS: [(&str, &str); 5] = [
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "error"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
        ];
        let created = self.config(&DEFAULTS, &OURS).create_with_context(Client::default());
        created.map_err(|error| KafkaError::failed("set up a reader of", self, None, &error))
    }

    /// Whether it is that other one, by whichever of its cluster's brokers.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn is(&self, other: &Topic) -> Result<bool, KafkaError> {
        if self.name != other.name || self.brokers == other.brokers {
            return Ok(self.name == other.name);
        }
        let cluster = |topic: &Topic| {
            let consumer = topic.consumer()?;
            topic.partitions(&consumer)?;
            Ok(consumer.client().fetch_cluster_id(PATIENCE))
        };
        let (one, two) = (cluster(self)?, cluster(other)?);
        Ok(one.is_some() && one == two)
    }

    /// One that is there for the offsets of its group alone.
    pub(crate) fn member(&self, group: &str) -> Result<Consumer, KafkaError> {
        let ours = [
            ("group.id", group),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
        ];
        let created = self.config(&[], &ours).create_with_context(Client::default());
        created.map_err(|error| KafkaError::failed("set up a group for", self, None, &error))
    }

    /// The numbers of its partitions, in order.
    pub(crate) fn partitions(&self, consumer: &Consumer) -> Result<Vec<i32>, KafkaError> {
        let failed = |error| KafkaError::failed("look at", self, last_error(consumer), &error);
        let metadata = consumer.fetch_metadata(Some(&self.name), PATIENCE).map_err(failed)?;
        let found = metadata.topics().iter().find(|topic| topic.name() == self.name);
        if let Some(error) = found.and_then(|topic| topic.error()) {
            return Err(failed(ClientError::MetadataFetch(error.into())));
        }
        let partitions = found.map(|topic| topic.partitions()).unwrap_or_default();
        let mut partitions: Vec<i32> = partitions.iter().map(|found| found.id()).collect();
        partitions.sort_unstable();
        if partitions.is_empty() {
            let (topic, brokers) = (self.name.clone(), self.brokers.clone());
            return Err(KafkaError::NoTopic { topic, brokers });
        }
        Ok(partitions)
    }

    /// Where a partition begins and where what is committed of it ends.
    pub(crate) fn ends(
        &self,
        consumer: &Consumer,
        partition: i32,
    ) -> Result<(i64, i64), KafkaError> {
        let ends = consumer.fetch_watermarks(&self.name, partition, PATIENCE);
        let failed = |error| KafkaError::failed("look at", self, last_error(consumer), &error);
        ends.map_err(failed)
    }
}
