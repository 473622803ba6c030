//! Clients of librdkafka, with the properties that a run's guarantees depend on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError as ClientError;

use super::{KafkaError, Topic};

/// How long a run waits for an answer of the cluster before it fails.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The context of a client. It logs the client's messages as details, and keeps the last error message, because the
/// client's errors do not say why.
#[derive(Debug, Default)]
pub(crate) struct Client {
    last_error: Mutex<Option<String>>,
}

/// A consumer that is polled.
pub(crate) type Consumer = BaseConsumer<Client>;

impl ClientContext for Client {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        tracing::debug!(target: "floodway::kafka", "{fac} {message}");
        if (level as i32) <= RDKafkaLogLevel::Error as i32 {
            // The message begins with the names of the thread and of the broker.
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
    /// Returns the last error message.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Forgets the last error message, because the cluster answers again.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the last error message of a consumer. The consumer may have to be polled for it.
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
    /// Returns the properties of a client of the topic's cluster. The topic's own properties replace `defaults`, and
    /// `ours` replace both.
    pub(crate) fn config(&self, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "floodway");
        // A cluster that can be reached again is found soon.
        config.set("reconnect.backoff.max.ms", "1000");
        config.set_log_level(RDKafkaLogLevel::Info);
        let given: Vec<_> = self.properties.iter().collect();
        for (key, value) in defaults.iter().chain(&given).chain(ours) {
            config.set(*key, *value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Creates a consumer that sees only committed messages, is told of the ends of partitions, and does not skip messages
    /// that are missing. Its group has no members and no offsets.
    pub(crate) fn consumer(&self) -> Result<Consumer, KafkaError> {
        const DEFAULTS: [(&str, &str); 6] = [
            ("group.id", "floodway"),
            // These bound the memory for messages that each reader fetches ahead.
            ("queued.max.messages.kbytes", "32768"),
            ("fetch.max.bytes", "16777216"),
            // How long the client fetches nothing after it has reached the bound. The default is a second, in which
            // the reader takes all messages and then waits.
            ("fetch.queue.backoff.ms", "5"),
            // The broker answers soon even if few messages are there.
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

    /// Whether it is the same topic as `other`, which may name other brokers of the cluster.
    ///
    /// # Errors
    /// If a cluster does not answer.
    pub fn is(&self, other: &Topic) -> Result<bool, KafkaError> {
        if self.name != other.name || self.brokers == other.brokers {
            return Ok(self.name == other.name);
        }
        let cluster = |topic: &Topic| {
            let consumer = topic.consumer()?;
            topic.partitions(&consumer)?;
            Ok(consumer.client().fetch_cluster_id(ANSWER_TIMEOUT))
        };
        let (one, two) = (cluster(self)?, cluster(other)?);
        Ok(one.is_some() && one == two)
    }

    /// Creates a consumer that only reads the offsets of its group.
    pub(crate) fn member(&self, group: &str) -> Result<Consumer, KafkaError> {
        let ours = [
            ("group.id", group),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
        ];
        let created = self.config(&[], &ours).create_with_context(Client::default());
        created.map_err(|error| KafkaError::failed("set up a group for", self, None, &error))
    }

    /// Returns the numbers of the topic's partitions, in order.
    pub(crate) fn partitions(&self, consumer: &Consumer) -> Result<Vec<i32>, KafkaError> {
        let failed = |error| KafkaError::failed("look at", self, last_error(consumer), &error);
        let metadata = consumer.fetch_metadata(Some(&self.name), ANSWER_TIMEOUT).map_err(failed)?;
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

    /// Returns the first offset of a partition, and the end of its committed messages.
    pub(crate) fn ends(
        &self,
        consumer: &Consumer,
        partition: i32,
    ) -> Result<(i64, i64), KafkaError> {
        let ends = consumer.fetch_watermarks(&self.name, partition, ANSWER_TIMEOUT);
        let failed = |error| KafkaError::failed("look at", self, last_error(consumer), &error);
        ends.map_err(failed)
    }
}
