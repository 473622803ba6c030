//! Lines to a topic, each once: in transactions that also note how many lines there have been.

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
const PATIENCE: Duration = Duration::from_secs(30);

/// How long nothing at all may be delivered.
const STANDSTILL: Duration = Duration::from_secs(10);

/// Lines to a topic.
///
/// The number of lines that were published is the offset that a group commits for the topic's partition 0, in
/// the transaction that has the lines. The group's name and the transactions' id are made of the output's id:
/// whoever goes on with the same output aborts what its forerunner left open.
pub struct Publisher {
    topic: Topic,
    /// The group's, and the transactions'.
    id: String,
    /// Knows the group.
    group: Consumer,
    producer: Option<BaseProducer<Deliveries>>,
    note: Note,
    lines: u64,
}

/// What became of a producer's messages, and of its connections.
#[derive(Default)]
struct Deliveries {
    client: Client,
    /// The first message that was not delivered.
    failed: Mutex<Option<Code>>,
    /// Whether a connection was lost, or a request timed out, on which something was under way.
    has_lost: AtomicBool,
    /// What the client has told so far, of whatever kind.
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
    /// Looks at the topic that the output `id` is to be published to. `folder` is that of its state.
    ///
    /// # Errors
    /// If the topic is not to be had.
    pub fn connect(topic: Topic, id: &str, folder: &Path) -> Result<Publisher, KafkaError> {
        let id = format!("floodway-{id}");
        let group = topic.member(&id)?;
        topic.partitions(&group)?;
        let note = Note::read(folder).map_err(KafkaError::Note)?;
        Ok(Publisher { topic, id, group, producer: None, note, lines: 0 })
    }

    /// A new producer: what its forerunner has begun and not ended is aborted.
    fn begin(&mut self) -> Result<(), Trouble> {
        const DEFAULTS: [(&str, &str); 3] = [
            ("linger.ms", "5"),
            // The same partition for a key as Java's own client chooses.
            ("partitioner", "murmur2_random"),
            // Memory.
            ("queue.buffering.max.kbytes", "65536"),
        ];
        self.producer = None;
        // The client says by its log alone that a connection was lost and all was sent again.
        let ours = [("transactional.id", &*self.id), ("debug", "broker")];
        let mut config = self.topic.config(&DEFAULTS, &ours);
        config.set_log_level(RDKafkaLogLevel::Debug);
        let producer: BaseProducer<_> = config.create_with_context(Deliveries::default())?;
        producer.init_transactions(PATIENCE)?;
        // What was lost until then can no longer do any harm.
        has_lost(&producer);
        producer.context().has_lost.store(false, Relaxed);
        self.producer = Some(producer);
        Ok(())
    }

    /// How many lines the cluster knows of, if it knows of any.
    fn known(&self) -> Result<Option<u64>, Trouble> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic.name, 0);
        let known = self.group.committed_offsets(list, PATIENCE)?;
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
            // Nothing was ever published.
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

    /// One transaction.
    ///
    /// A request whose connection was lost is sent again by the client, and the first may reach the cluster all the
    /// same, at any later time. The end of a transaction, or a note, would then count for a later transaction of the
    /// same producer: librdkafka does not have the epoch for each transaction (KIP-890) that would tell them apart.
    /// So a producer that has lost something makes no other transaction. The cluster refuses all that is still
    /// under way of it as soon as there is a new one.
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
        producer.send_offsets_to_transaction(&list, &group, PATIENCE)?;
        producer.commit_transaction(PATIENCE)?;
        Ok(())
    }

    /// A line is the record's number, a tab and its tokens: the key, and the value.
    fn send(&self, producer: &BaseProducer<Deliveries>, line: &[u8]) -> Result<(), Trouble> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let tab = memchr::memchr(b'\t', line).unwrap_or(line.len());
        let (key, value) = (&line[..tab], line.get(tab + 1..).unwrap_or_default());
        let mut record = BaseRecord::to(&self.topic.name).key(key).payload(value);
        let began = Instant::now();
        while let Err((error, back)) = producer.send(record) {
            let code = error.rdkafka_error_code();
            if code == Some(Code::MessageSizeTooLarge) {
                return Err(self.too_large(key, line.len()));
            }
            if code != Some(Code::QueueFull) || began.elapsed() > STANDSTILL {
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

    /// As the sink hears it.
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

/// Whether a connection was lost, by all that the client has to tell: what it logs waits until it is asked for.
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

/// Whether the client's log says that a request may be under way that it has given up. A connection that was
/// never made had none.
fn is_loss(fac: &str, message: &str) -> bool {
    let was_up = || ["in state UP", "in state REAUTH"].iter().any(|up| message.contains(up));
    fac == "REQTMOUT" || fac == "FAIL" && was_up()
}

/// Waits until all messages are delivered, as long as any are.
fn deliver(producer: &BaseProducer<Deliveries>) -> Result<(), Trouble> {
    // The client looks whether all is delivered once in a step, and not before.
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
        } else if since.elapsed() > STANDSTILL {
            return Err(ClientError::MessageProduction(Code::MessageTimedOut).into());
        }
    }
}

/// What is wrong with a transaction.
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

/// What no later transaction will change.
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

    /// What the clients log waits in memory until it is taken.
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
