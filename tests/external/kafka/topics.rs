//! Topics: made, filled and read.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::broker::Broker;
use crate::common::poll;

const PATIENCE: Duration = Duration::from_secs(30);

/// A message as it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Got {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

impl Broker {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }

    /// A new topic; answers its name.
    pub fn topic(&self, partitions: i32) -> String {
        let name = format!("t-{:08x}", rand::random::<u32>());
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        // A broker that has just begun may not be ready for it.
        poll("a topic", || {
            let made = wait(self.admin().create_topics([&topic], &AdminOptions::new()));
            made.ok()?.into_iter().next()?.ok()
        });
        let consumer: BaseConsumer = self.config().create().unwrap();
        poll("its partitions", || {
            (0..partitions)
                .all(|at| consumer.fetch_watermarks(&name, at, Duration::from_secs(1)).is_ok())
                .then_some(())
        });
        name
    }

    /// Deletes what a partition has before an offset.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        wait(self.admin().delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// Has a group and its offsets forgotten.
    pub fn forget(&self, group: &str) {
        let forgotten = wait(self.admin().delete_groups(&[group], &AdminOptions::new()));
        forgotten.unwrap().into_iter().for_each(|group| drop(group.unwrap()));
    }

    /// Adds partitions, up to so many.
    pub fn grow(&self, topic: &str, partitions: usize) {
        let more = rdkafka::admin::NewPartitions::new(topic, partitions);
        wait(self.admin().create_partitions([&more], &AdminOptions::new())).unwrap();
    }

    /// Appends messages to partitions.
    pub fn send(&self, topic: &str, messages: &[(i32, Option<Vec<u8>>)]) {
        let producer: BaseProducer = self.config().set("linger.ms", "5").create().unwrap();
        append(&producer, topic, messages);
        producer.flush(PATIENCE).unwrap();
    }

    /// Appends lines to partitions in turn.
    #[allow(dead_code, reason = "benches/kafka.rs fills a topic with it")]
    pub fn send_lines(&self, topic: &str, partitions: i32, lines: impl BufRead) {
        let mut config = self.config();
        let producer: BaseProducer = config.set("linger.ms", "20").create().unwrap();
        for (line, partition) in lines.lines().zip((0..partitions).cycle()) {
            append(&producer, topic, &[(partition, Some(line.unwrap().into_bytes()))]);
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// A producer of transactions, in the middle of one.
    pub fn transaction(&self, topic: &str, messages: &[(i32, Option<Vec<u8>>)]) -> BaseProducer {
        let id = format!("id-{:08x}", rand::random::<u32>());
        let producer: BaseProducer = self.config().set("transactional.id", id).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        append(&producer, topic, messages);
        producer.flush(PATIENCE).unwrap();
        producer
    }

    /// All that is committed, in order of partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Got> {
        let mut all = Vec::new();
        consume(&self.address(), topic, |got| {
            all.push(Got {
                partition: got.partition(),
                offset: got.offset(),
                key: got.key().map(<[u8]>::to_vec),
                value: got.payload().map(<[u8]>::to_vec),
            });
        });
        all.sort_unstable();
        all
    }

    /// What Floodway's output of a topic must be, by the definition of a word for ASCII.
    pub fn expected(&self, topic: &str) -> Vec<u8> {
        let lines = self.read(topic).into_iter().filter_map(|got| {
            let text = String::from_utf8(got.value?).ok()?;
            let separator = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let words: Vec<_> = text.split(separator).filter(|word| !word.is_empty()).collect();
            Some(format!("{}:{}\t{}\n", got.partition, got.offset, words.join(" ")))
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort_unstable();
        lines.concat().into_bytes()
    }
}

fn append(producer: &BaseProducer, topic: &str, messages: &[(i32, Option<Vec<u8>>)]) {
    for (partition, value) in messages {
        let mut record = BaseRecord::<str, [u8]>::to(topic).partition(*partition).key("key");
        if let Some(value) = value {
            record = record.payload(value);
        }
        while let Err((error, back)) = producer.send(record) {
            assert!(error.to_string().contains("full"), "{error}");
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
}

/// Text messages, in turn to the partitions of `partitions`.
pub fn texts(from: u32, to: u32, partitions: &[i32]) -> Vec<(i32, Option<Vec<u8>>)> {
    let text =
        |n: u32| format!("{n} of some, words_{:x}", n.wrapping_mul(0x9e37_79b1)).into_bytes();
    (from..to).map(|n| (partitions[n as usize % partitions.len()], Some(text(n)))).collect()
}

/// Lines of an output, by the partition that they are of.
pub fn by_partition(output: &[u8]) -> BTreeMap<String, usize> {
    let mut by = BTreeMap::new();
    for line in String::from_utf8_lossy(output).lines() {
        *by.entry(line.split(':').next().unwrap().to_owned()).or_default() += 1;
    }
    by
}

/// Hands over all committed messages of a topic, up to its end.
pub fn consume(address: &str, topic: &str, mut take: impl FnMut(&BorrowedMessage<'_>)) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config.set("group.id", "tests").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut list = TopicPartitionList::new();
    let mut open = metadata.topics()[0].partitions().len();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    while open > 0 {
        match consumer.poll(PATIENCE).expect("a message or an end") {
            Ok(message) => take(&message),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
}
