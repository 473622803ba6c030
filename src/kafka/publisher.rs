//! Publishes each line exactly once to a topic, in transactions that also store the number of published lines.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Client, Consumer};
use super::published::Note;
use super::{KafkaError, Topic, is_passing};
use crate::sink::{Publish, PublishError};

/// How long the cluster may take for a step of a transaction.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a transaction may go on without the delivery of a message.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes lines to a topic.
///
/// The number of published lines is stored as the offset that a group commits for partition 0 of the topic, in the
/// transaction of the lines. The name of the group and the id of the transactions are made of the output's id. So a run
/// that resumes the output aborts the transaction that the last run left open.
pub struct Publisher {
    topic: Topic,
    /// The name of the group, and the id of the transactions.
    id: String,
    /// The consumer that reads the offset of the group.
    group: Consumer,
    producer: Option<BaseProducer<Deliveries>>,
    note: Note,
    lines: u64,
}

/// What happened to the messages and the connections of a producer.
#[derive(Default)]
struct Deliveries {
    client: Client,
    /// The error of the first message that was not delivered.
    failed: Mutex<Option<Code>>,
    /// Whether a connection was lost or a request timed out, so that a request may still be on its way.
    has_lost: AtomicBool,
    /// The number of all messages of the client so far.
    told: AtomicUsize,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.told.fetch_add(1, Relaxed);
        if is_loss(fac, message) {
            self.has_lost.store(true, Relaxed);
        }
        self.client.log(level, fac, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.told.fetch_add(1, Relaxed);
        self.client.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        self.told.fetch_add(1, Relaxed);
        if let Err((error, _)) = result {
            self.fail(error.rdkafka_error_code().unwrap_or(Code::Fail));
        }
    }
}

impl Deliveries {
    fn fail(&self, code: Code) {
        if let Ok(mut failed) = self.failed.lock() {
            failed.get_or_insert(code);
        }
    }

    fn failed(&self) -> Option<Code> {
        self.failed.lock().ok().and_then(|failed| *failed)
    }
}

impl Publisher {
    /// Connects to the topic to which the output `id` is published. `folder` is the folder of its state.
    ///
    /// # Errors
    /// If the topic cannot be reached or does not exist.
    pub fn connect(topic: Topic, id: &str, folder: &Path) -> Result<Publisher, KafkaError> {
        let id = format!("floodway-{id}");
        let group = topic.member(&id)?;
        topic.partitions(&group)?;
        let note = Note::read(folder).map_err(KafkaError::Note)?;
        Ok(Publisher { topic, id, group, producer: None, note, lines: 0 })
    }

    /// Creates a new producer. This aborts the transaction that the last producer left open.
    fn begin(&mut self) -> Result<(), Trouble> {
        const DEFAULTS: [(&str, &str); 3] = [
            ("linger.ms", "5"),
            // The same partition for a key as Java's own client chooses.
            ("partitioner", "murmur2_random"),
            // This bounds the memory.
            ("queue.buffering.max.kbytes", "65536"),
        ];
        self.producer = None;
        // Only the client's log says that a connection was lost and the requests were sent again.
        let ours = [("transactional.id", &*self.id), ("debug", "broker")];
        let mut config = self.topic.config(&DEFAULTS, &ours);
        config.set_log_level(RDKafkaLogLevel::Debug);
        let producer: BaseProducer<_> = config.create_with_context(Deliveries::default())?;
        producer.init_transactions(STEP_TIMEOUT)?;
        // Requests of earlier producers are refused from here on.
        has_lost(&producer);
        producer.context().has_lost.store(false, Relaxed);
        self.producer = Some(producer);
        Ok(())
    }

    /// Returns the number of published lines that the cluster has stored. None if it has none.
    fn known(&self) -> Result<Option<u64>, Trouble> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic.name, 0);
        let known = self.group.committed_offsets(list, STEP_TIMEOUT)?;
        let known = known.elements().first().map(|element| element.offset());
        Ok(match known {
            Some(Offset::Offset(lines)) => Some(lines as u64),
            _ => None,
        })
    }

    fn find_progress(&mut self) -> Result<u64, Trouble> {
        self.begin()?;
        let lines = match (self.known()?, self.note.now()) {
            (Some(lines), _) => lines,
            // Nothing was published yet.
            (None, None) => {
                self.transact(&[], 0)?;
                0
            }
            (None, Some(noted)) if noted.is_settled => {
                self.transact(&[], noted.lines)?;
                noted.lines
            }
            (None, Some(noted)) => return Err(self.forgotten(noted.lines)),
        };
        self.lines = lines;
        Ok(lines)
    }

    fn forgotten(&self, lines: u64) -> Trouble {
        let (topic, group) = (self.topic.name.clone(), self.id.clone());
        Trouble::Final(KafkaError::Forgotten { topic, group, lines })
    }

    /// Publishes `lines` in one transaction, after which `up_to` lines are published.
    ///
    /// When a connection is lost, the client sends the request again, and the first one may still reach the cluster at
    /// any later time. If it ends a transaction or commits an offset, it would then be applied to a later transaction of
    /// the same producer, because librdkafka has no epoch per transaction (KIP-890). So after a lost connection, the next
    /// transaction is made by a new producer, and the cluster refuses the requests of the old one.
    fn transact(&mut self, lines: &[u8], up_to: u64) -> Result<(), Trouble> {
        if self.producer.as_ref().is_some_and(has_lost) {
            tracing::debug!("a connection was lost: the producer is made anew");
            self.begin()?;
        }
        let Some(producer) = &self.producer else {
            return Err(Trouble::Passing("it is not connected".to_owned()));
        };
        producer.begin_transaction()?;
        for (index, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
            const SERVED_EVERY: usize = 1_000;
            self.send(producer, line)?;
            if index % SERVED_EVERY == 0 {
                producer.poll(Duration::ZERO);
            }
        }
        deliver(producer)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic.name, 0, Offset::Offset(up_to as i64))?;
        let group = self.group.group_metadata();
        let group = group.ok_or_else(|| Trouble::Passing("the group has no name".to_owned()))?;
        producer.send_offsets_to_transaction(&list, &group, STEP_TIMEOUT)?;
        producer.commit_transaction(STEP_TIMEOUT)?;
        Ok(())
    }

    /// Sends a line. What is before the tab, such as the record's number, is the key, and the rest is the value. A
    /// message has no key if there is nothing.
    fn send(&self, producer: &BaseProducer<Deliveries>, line: &[u8]) -> Result<(), Trouble> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let tab = memchr::memchr(b'\t', line).unwrap_or(line.len());
        let (key, value) = (&line[..tab], line.get(tab + 1..).unwrap_or_default());
        let mut record = BaseRecord::to(&self.topic.name).payload(value);
        record.key = Some(key).filter(|key| !key.is_empty());
        let began = Instant::now();
        while let Err((error, back)) = producer.send(record) {
            let code = error.rdkafka_error_code();
            if code == Some(Code::MessageSizeTooLarge) {
                return Err(self.too_large(key, line.len()));
            }
            if code != Some(Code::QueueFull) || began.elapsed() > DELIVERY_TIMEOUT {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(5));
            record = back;
        }
        Ok(())
    }

    fn too_large(&self, key: &[u8], bytes: usize) -> Trouble {
        let record = String::from_utf8_lossy(key).into_owned();
        Trouble::Final(KafkaError::TooLarge { topic: self.topic.name.clone(), record, bytes })
    }

    fn noted(&mut self, lines: u64, is_settled: bool) -> Result<(), PublishError> {
        let written = self.note.write(lines, is_settled);
        written.map_err(|error| PublishError::Permanent(Box::new(KafkaError::Note(error))))
    }

    /// Turns an error into the one that the sink handles.
    fn told(&self, trouble: Trouble) -> PublishError {
        let context = self.producer.as_ref().map(|producer| producer.context());
        let last_error = context
            .and_then(|context| context.client.last_error())
            .or(self.group.context().last_error());
        match trouble {
            Trouble::Final(error) => PublishError::Permanent(Box::new(error)),
            Trouble::Passing(why) => PublishError::Transient(why),
            Trouble::Client(error) => match error.rdkafka_error_code() {
                Some(code) if is_final(code) => {
                    let error = KafkaError::failed("publish to", &self.topic, last_error, &error);
                    PublishError::Permanent(Box::new(error))
                }
                Some(code) if is_passing(code) => {
                    PublishError::Transient(last_error.unwrap_or_else(|| code.to_string()))
                }
                code => PublishError::Transient(match code {
                    Some(code) => code.to_string(),
                    None => error.to_string(),
                }),
            },
        }
    }
}

/// Whether a connection was lost. The client's messages wait until it is polled, so it is polled until there are none.
fn has_lost(producer: &BaseProducer<Deliveries>) -> bool {
    let context = producer.context();
    loop {
        let before = context.told.load(Relaxed);
        producer.poll(Duration::ZERO);
        if context.told.load(Relaxed) == before {
            return context.has_lost.load(Relaxed);
        }
    }
}

/// Whether a message of the client's log says that it has given up a request that may still be on its way. There is no
/// such request on a connection that was never made.
fn is_loss(fac: &str, message: &str) -> bool {
    let was_up = || ["in state UP", "in state REAUTH"].iter().any(|up| message.contains(up));
    fac == "REQTMOUT" || fac == "FAIL" && was_up()
}

/// Waits until all messages are delivered, as long as at least one is delivered in [`DELIVERY_TIMEOUT`].
fn deliver(producer: &BaseProducer<Deliveries>) -> Result<(), Trouble> {
    // The client checks once in this time whether all messages are delivered.
    const STEP: Duration = Duration::from_millis(5);
    let (mut left, mut since) = (i32::MAX, Instant::now());
    loop {
        let flushed = producer.flush(STEP);
        if let Some(code) = producer.context().failed() {
            return Err(ClientError::MessageProduction(code).into());
        }
        if flushed.is_ok() {
            return Ok(());
        }
        let now = producer.in_flight_count();
        if now < left {
            (left, since) = (now, Instant::now());
        } else if since.elapsed() > DELIVERY_TIMEOUT {
            return Err(ClientError::MessageProduction(Code::MessageTimedOut).into());
        }
    }
}

/// The reason why a transaction failed.
enum Trouble {
    Client(ClientError),
    Passing(String),
    Final(KafkaError),
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Trouble::Client(error)
    }
}

/// Whether every later transaction would fail with the same error.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::InvalidConfig
            | Code::InvalidMessageSize
            | Code::MessageSizeTooLarge
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnsupportedVersion
    )
}

impl Publish for Publisher {
    fn name(&self) -> String {
        format!("{} at {}", self.topic.name, self.topic.brokers)
    }

    fn taken(&mut self) -> Result<u64, PublishError> {
        self.find_progress().map_err(|trouble| self.told(trouble))
    }

    fn publish(&mut self, lines: &[u8], up_to: u64) -> Result<(), PublishError> {
        self.noted(self.lines, false)?;
        self.transact(lines, up_to).map_err(|trouble| self.told(trouble))?;
        self.lines = up_to;
        Ok(())
    }

    /// Polls the clients, whose messages wait in memory until then.
    fn idle(&mut self) {
        self.producer.as_ref().map(has_lost);
        self.group.poll(Duration::ZERO);
    }

    fn pause(&mut self) -> Result<(), PublishError> {
        self.noted(self.lines, true)
    }
}

#[cfg(test)]
mod tests {
    use super::is_loss;

    #[test]
    fn a_connection_that_was_never_made_is_no_loss() {
        let disconnected =
            "[thrd:a:9092/1]: a:9092/1: Disconnected (after 7ms in state UP) (_TRANSPORT)";
        assert!(is_loss("FAIL", disconnected));
        let refused = "[thrd:a:9092/1]: a:9092/1: Connect to ipv6#[::1]:9092 failed (after 0ms in state CONNECT)";
        assert!(!is_loss("FAIL", refused));
        assert!(is_loss("REQTMOUT", "Timed out EndTxnRequest in flight"));
        assert!(!is_loss("STATE", "a:9092/1: Broker changed state DOWN -> INIT, in state UP"));
    }
}
