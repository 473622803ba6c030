//! A reader thread: it takes messages from the client and sends them to its workers, epoch by epoch.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError as ClientError;
use rdkafka::message::Message as _;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaSettings;
use super::partition::Partition;
use super::position::{Noted, note};
use crate::batch::Nanos;
use crate::clock::Clock;
use crate::kafka::{Consumer, KafkaError, Topic, is_passing};
use crate::source::SourceBatch;
use crate::source::channel::{BatchSender, Message, UnboundSender, WORTH_WAKING};

/// How long a message may wait for others that leave in the same batch. A batch of one message costs a worker as much as
/// a batch of some hundred.
const LINGER: Duration = Duration::from_millis(2);

/// The number of messages that are taken before the clock is read again.
const MAX_MESSAGES: usize = 64;

/// How often the reader checks whether the run stops.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How often the log says that the run waits for the cluster.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// A reader of some partitions.
pub(super) struct Reader {
    consumer: Consumer,
    topic: Topic,
    partitions: Partitions,
    epoch_length: Nanos,
    first_epoch: u64,
    /// Receives partitions that were added to the topic.
    added: Receiver<Partition>,
    has_added: bool,
    /// Whether the topic is followed, so that partitions may be added and the reader does not end by itself.
    follows: bool,
    stops: Arc<AtomicBool>,
    last_warning: Option<Instant>,
}

/// The partitions of a reader, and their indices by number.
struct Partitions {
    all: Vec<Partition>,
    by_number: Vec<Option<usize>>,
    max_record: usize,
    /// When the oldest record came that was not sent yet.
    since: Option<Instant>,
}

/// The senders to the workers of a reader.
struct Emitter {
    ends: Vec<BatchSender>,
    turn: usize,
    epoch: u64,
    /// Whether a worker has ended. Then the run ends, and nobody needs more records.
    is_abandoned: bool,
}

impl Reader {
    pub(super) fn new(
        settings: &KafkaSettings,
        consumer: Consumer,
        all: Vec<Partition>,
        added: Receiver<Partition>,
        stops: Arc<AtomicBool>,
    ) -> Self {
        let mut partitions = Partitions {
            all: Vec::new(),
            by_number: Vec::new(),
            max_record: settings.read.max_record,
            since: None,
        };
        all.into_iter().for_each(|partition| partitions.add(partition));
        Reader {
            consumer,
            topic: settings.input.topic.clone(),
            partitions,
            epoch_length: (settings.read.epoch.as_nanos() as Nanos).max(1),
            first_epoch: settings.read.first_epoch,
            added,
            has_added: false,
            follows: !settings.input.until_end,
            stops,
            last_warning: None,
        }
    }

    /// Waits for the workers, and reads until the input ends or the run does.
    pub(super) fn run(
        mut self,
        ends: Vec<UnboundSender>,
        clock: &OnceLock<Clock>,
    ) -> Result<(), KafkaError> {
        let ends: Vec<_> = ends.into_iter().filter_map(|end| end.bind(WORTH_WAKING)).collect();
        let Some(clock) = clock.get().filter(|_| !ends.is_empty()) else { return Ok(()) };
        let mut emitter = Emitter { ends, turn: 0, epoch: self.first_epoch, is_abandoned: false };
        emitter.advance_epoch();
        match self.read(clock, &mut emitter) {
            Ok(()) => {
                self.partitions.flush(&mut emitter);
                self.partitions.note(&mut emitter);
                emitter.ends.into_iter().for_each(BatchSender::close);
                Ok(())
            }
            Err(error) => {
                // A dropped sender would look like the end of the input, but there was more to read.
                std::mem::forget(emitter.ends);
                Err(error)
            }
        }
    }

    fn read(&mut self, clock: &Clock, emitter: &mut Emitter) -> Result<(), KafkaError> {
        self.assign()?;
        loop {
            let now = clock.now();
            let epoch = (now / self.epoch_length).max(emitter.epoch);
            if epoch > emitter.epoch {
                self.partitions.flush(emitter);
                self.partitions.note(emitter);
                emitter.epoch = epoch;
                emitter.advance_epoch();
            }
            let stops = self.stops.load(Relaxed);
            let is_done = !self.follows && self.partitions.are_done();
            if stops || emitter.is_abandoned || is_done {
                return Ok(());
            }
            if let Ok(partition) = self.added.try_recv() {
                self.partitions.add(partition);
                self.has_added = true;
                // The other partitions are read on from their positions.
                self.assign()?;
            }
            if self.take_some(emitter)? {
                let left = (epoch + 1).saturating_mul(self.epoch_length).saturating_sub(now);
                let left = Duration::from_nanos(left).min(POLL_INTERVAL);
                let wait = if self.partitions.since.is_some() { left.min(LINGER) } else { left };
                self.take_next(wait, emitter)?;
            }
            if self.partitions.since.is_some_and(|since| since.elapsed() >= LINGER) {
                self.partitions.flush(emitter);
                emitter.flush_ends();
            }
        }
    }

    /// Takes messages that have arrived. Returns whether there are no more.
    fn take_some(&mut self, emitter: &mut Emitter) -> Result<bool, KafkaError> {
        for _ in 0..MAX_MESSAGES {
            if !self.take_next(Duration::ZERO, emitter)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits for the client's next message or error. Returns whether there was one.
    fn take_next(&mut self, wait: Duration, emitter: &mut Emitter) -> Result<bool, KafkaError> {
        let done = match self.consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => {
                if self.last_warning.take().is_some() {
                    self.consumer.context().forget();
                }
                self.partitions.take(message.partition(), emitter, |partition, max_record| {
                    partition.take(message.offset(), message.payload(), max_record);
                })
            }
            Some(Err(ClientError::PartitionEOF(number))) => {
                self.partitions.take(number, emitter, |partition, _| {
                    // All messages before the end have come.
                    partition.at.next = partition.at.end.unwrap_or(partition.at.next);
                })
            }
            Some(Err(error)) => {
                self.handle_error(error)?;
                None
            }
        };
        if let Some(number) = done {
            // The partition is done.
            let mut list = TopicPartitionList::new();
            list.add_partition(&self.topic.name, number);
            self.consumer.pause(&list).map_err(|error| self.failed("end reading", error))?;
        }
        Ok(true)
    }

    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        let open = self.partitions.all.iter().filter(|partition| !partition.is_done());
        for partition in open {
            let at = Offset::Offset(partition.at.next);
            list.add_partition_offset(&self.topic.name, partition.number, at)
                .map_err(|error| self.failed("begin reading", error))?;
        }
        self.consumer.assign(&list).map_err(|error| self.failed("begin reading", error))
    }

    fn failed(&self, what: &'static str, error: ClientError) -> KafkaError {
        KafkaError::failed(what, &self.topic, self.consumer.context().last_error(), &error)
    }

    /// Handles an error: the run waits for a cluster that cannot be reached, and says so. Other errors end the run.
    fn handle_error(&mut self, error: ClientError) -> Result<(), KafkaError> {
        match error {
            ClientError::MessageConsumption(code) if is_passing(code) => {
                if self
                    .last_warning
                    .is_none_or(|last_warning| last_warning.elapsed() >= WARN_INTERVAL)
                {
                    self.last_warning = Some(Instant::now());
                    let why =
                        self.consumer.context().last_error().unwrap_or_else(|| code.to_string());
                    tracing::warn!("Kafka at {} is waited for: {why}", self.topic.brokers);
                }
                Ok(())
            }
            // A broker may not know of a new partition yet.
            ClientError::MessageConsumption(Code::UnknownPartition) if self.has_added => Ok(()),
            // The run stores nothing in the group.
            ClientError::MessageConsumption(Code::GroupAuthorizationFailed) => Ok(()),
            ClientError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                Err(KafkaError::Outrun { topic: self.topic.name.clone() })
            }
            error => Err(self.failed("read", error)),
        }
    }
}

impl Partitions {
    fn add(&mut self, partition: Partition) {
        let number = partition.number as usize;
        if self.by_number.len() <= number {
            self.by_number.resize(number + 1, None);
        }
        self.by_number[number] = Some(self.all.len());
        self.all.push(partition);
    }

    /// Changes a partition. Returns its number if this ends the partition.
    fn take(
        &mut self,
        number: i32,
        emitter: &mut Emitter,
        take: impl FnOnce(&mut Partition, usize),
    ) -> Option<i32> {
        let index = self.by_number.get(number as usize).copied().flatten()?;
        let partition = &mut self.all[index];
        let was_done = partition.is_done();
        take(partition, self.max_record);
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
        if partition.is_full()
            && let Some(batch) = partition.flush()
        {
            emitter.send(batch);
        }
        (!was_done && partition.is_done()).then_some(number)
    }

    fn are_done(&self) -> bool {
        self.all.iter().all(Partition::is_done)
    }

    /// Sends all pending records.
    fn flush(&mut self, emitter: &mut Emitter) {
        self.since = None;
        self.all.iter_mut().filter_map(Partition::flush).for_each(|batch| emitter.send(batch));
    }

    /// Notes the positions that have changed, for the commit of the epoch.
    fn note(&mut self, emitter: &mut Emitter) {
        let mut noted = Noted::new();
        for partition in &mut self.all {
            if partition.noted != Some(partition.at) {
                partition.noted = Some(partition.at);
                noted.insert(partition.number, partition.at);
            }
        }
        if !noted.is_empty() {
            // The first worker passes on the notes of all epochs. Any other worker would do.
            let batch = SourceBatch { notes: vec![note(&noted)], ..SourceBatch::default() };
            emitter.send_to(0, batch);
        }
    }
}

impl Emitter {
    fn send(&mut self, batch: SourceBatch) {
        let turn = self.turn % self.ends.len();
        self.turn += 1;
        self.send_to(turn, batch);
    }

    fn send_to(&mut self, end: usize, batch: SourceBatch) {
        self.is_abandoned |= !self.ends[end].send(Message::Records(self.epoch, batch));
    }

    /// Tells all workers that all records before the epoch were sent.
    fn advance_epoch(&mut self) {
        for end in &self.ends {
            self.is_abandoned |= !end.send(Message::Before(self.epoch));
        }
        self.flush_ends();
    }

    /// Wakes the workers that have something to do.
    fn flush_ends(&self) {
        self.ends.iter().for_each(BatchSender::flush);
    }
}
