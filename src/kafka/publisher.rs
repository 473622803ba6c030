//! Lines to a topic, each once: in transactions that also note how many lines there have been.

use std::path::Path;
use std::sync::Mutex;
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

/// What became of messages: the first thing that went wrong.
#[derive(Default)]
struct Deliveries {
    client: Client,
    failed: Mutex<Option<Code>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.client.log(level, fac, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.client.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
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
        let ours = [("transactional.id", &*self.id)];
        let config = self.topic.config(&DEFAULTS, &ours);
        let producer: BaseProducer<_> = config.create_with_context(Deliveries::default())?;
        producer.init_transactions(PATIENCE)?;
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

    fn look(&mut self) -> Result<u64, Trouble> {
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
    fn transact(&mut self, lines: &[u8], up_to: u64) -> Result<(), Trouble> {
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
        written.map_err(|error| PublishError::Final(Box::new(KafkaError::Note(error))))
    }

    /// As the sink hears it.
    fn told(&self, trouble: Trouble) -> PublishError {
        let context = self.producer.as_ref().map(|producer| producer.context());
        let said =
            context.and_then(|context| context.client.said()).or(self.group.context().said());
        match trouble {
            Trouble::Final(error) => PublishError::Final(Box::new(error)),
            Trouble::Passing(why) => PublishError::Passing(why),
            Trouble::Client(error) => match error.rdkafka_error_code() {
                Some(code) if is_final(code) => {
                    let error = KafkaError::failed("publish to", &self.topic, said, &error);
                    PublishError::Final(Box::new(error))
                }
                Some(code) if is_passing(code) => {
                    PublishError::Passing(said.unwrap_or_else(|| code.to_string()))
                }
                code => PublishError::Passing(match code {
                    Some(code) => code.to_string(),
                    None => error.to_string(),
                }),
            },
        }
    }
}

/// Waits until all messages are delivered, as long as any are.
fn deliver(producer: &BaseProducer<Deliveries>) -> Result<(), Trouble> {
    const STEP: Duration = Duration::from_millis(500);
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
        self.look().map_err(|trouble| self.told(trouble))
    }

    fn publish(&mut self, lines: &[u8], up_to: u64) -> Result<(), PublishError> {
        self.noted(self.lines, false)?;
        self.transact(lines, up_to).map_err(|trouble| self.told(trouble))?;
        self.lines = up_to;
        Ok(())
    }

    fn rest(&mut self) -> Result<(), PublishError> {
        self.noted(self.lines, true)
    }
}
