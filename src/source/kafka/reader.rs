//! A reader thread: what it is told by the client, it hands to its workers, epoch by epoch.

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
use crate::kafka::{Consumer, KafkaError, Topic, is_passing};
use crate::operators::Clock;
use crate::source::Parcel;
use crate::source::link::{Message, Outward, Unmet, WORTH_WAKING};

/// How long a message may wait for others to leave with: a batch of one costs a worker as much as one of
/// some hundred.
const LINGER: Duration = Duration::from_millis(2);

/// Messages that are taken before the clock is looked at.
const AT_ONCE: usize = 64;

/// How often it is looked whether the run stops.
const LOOK: Duration = Duration::from_millis(100);

/// How often it is said that the cluster is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// A reader of some partitions.
pub(super) struct Reader {
    consumer: Consumer,
    topic: Topic,
    partitions: Partitions,
    epoch_length: Nanos,
    first_epoch: u64,
    /// Partitions that are new.
    added: Receiver<Partition>,
    has_added: bool,
    /// There may be new ones: it does not end by itself.
    follows: bool,
    stops: Arc<AtomicBool>,
    said: Option<Instant>,
}

/// Its partitions, and which of them has which number.
struct Partitions {
    all: Vec<Partition>,
    by_number: Vec<Option<usize>>,
    max_record: usize,
    /// When the oldest record came that has not been handed out.
    since: Option<Instant>,
}

/// The way to its workers.
struct Outlet {
    ends: Vec<Outward>,
    turn: usize,
    epoch: u64,
    /// A worker that is gone wants nothing more, and then nobody does.
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
            max_record: settings.max_record,
            since: None,
        };
        all.into_iter().for_each(|partition| partitions.add(partition));
        Reader {
            consumer,
            topic: settings.input.topic.clone(),
            partitions,
            epoch_length: (settings.epoch.as_nanos() as Nanos).max(1),
            first_epoch: settings.first_epoch,
            added,
            has_added: false,
            follows: !settings.input.until_end,
            stops,
            said: None,
        }
    }

    /// Reads once its workers are there, until the input ends or nobody wants more of it.
    pub(super) fn run(
        mut self,
        ends: Vec<Unmet>,
        clock: &OnceLock<Clock>,
    ) -> Result<(), KafkaError> {
        let ends: Vec<_> = ends.into_iter().filter_map(|end| end.meet(WORTH_WAKING)).collect();
        let Some(clock) = clock.get().filter(|_| !ends.is_empty()) else { return Ok(()) };
        let mut outlet = Outlet { ends, turn: 0, epoch: self.first_epoch, is_abandoned: false };
        outlet.tell();
        match self.read(clock, &mut outlet) {
            Ok(()) => {
                self.partitions.flush(&mut outlet);
                self.partitions.note(&mut outlet);
                outlet.ends.into_iter().for_each(Outward::close);
                Ok(())
            }
            Err(error) => {
                // What it had is not all there was, so it must not look as if it had ended.
                std::mem::forget(outlet.ends);
                Err(error)
            }
        }
    }

    fn read(&mut self, clock: &Clock, outlet: &mut Outlet) -> Result<(), KafkaError> {
        self.assign()?;
        loop {
            let now = clock.now();
            let epoch = (now / self.epoch_length).max(outlet.epoch);
            if epoch > outlet.epoch {
                self.partitions.flush(outlet);
                self.partitions.note(outlet);
                outlet.epoch = epoch;
                outlet.tell();
            }
            let stops = self.stops.load(Relaxed);
            let is_done = !self.follows && self.partitions.are_done();
            if stops || outlet.is_abandoned || is_done {
                return Ok(());
            }
            if let Ok(partition) = self.added.try_recv() {
                self.partitions.add(partition);
                self.has_added = true;
                // All that were read go on where they stand.
                self.assign()?;
            }
            if self.take_some(outlet)? {
                let left = (epoch + 1).saturating_mul(self.epoch_length).saturating_sub(now);
                let left = Duration::from_nanos(left).min(LOOK);
                let wait = if self.partitions.since.is_some() { left.min(LINGER) } else { left };
                self.take_next(wait, outlet)?;
            }
            if self.partitions.since.is_some_and(|since| since.elapsed() >= LINGER) {
                self.partitions.flush(outlet);
                outlet.nudge();
            }
        }
    }

    /// Takes messages that are there; answers whether there are no more.
    fn take_some(&mut self, outlet: &mut Outlet) -> Result<bool, KafkaError> {
        for _ in 0..AT_ONCE {
            if !self.take_next(Duration::ZERO, outlet)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits for the next thing that the client has to tell; answers whether there was one.
    fn take_next(&mut self, wait: Duration, outlet: &mut Outlet) -> Result<bool, KafkaError> {
        let done = match self.consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => {
                if self.said.take().is_some() {
                    self.consumer.context().forget();
                }
                self.partitions.take(message.partition(), outlet, |partition, max_record| {
                    partition.take(message.offset(), message.payload(), max_record);
                })
            }
            Some(Err(ClientError::PartitionEOF(number))) => {
                self.partitions.take(number, outlet, |partition, _| {
                    // Everything before the end has come.
                    partition.at.next = partition.at.end.unwrap_or(partition.at.next);
                })
            }
            Some(Err(error)) => {
                self.trouble(error)?;
                None
            }
        };
        if let Some(number) = done {
            // Nothing more of it is wanted.
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
        KafkaError::failed(what, &self.topic, self.consumer.context().said(), &error)
    }

    /// A cluster that is away is waited for, and it is said; everything else ends the run.
    fn trouble(&mut self, error: ClientError) -> Result<(), KafkaError> {
        match error {
            ClientError::MessageConsumption(code) if is_passing(code) => {
                if self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
                    self.said = Some(Instant::now());
                    let why = self.consumer.context().said().unwrap_or_else(|| code.to_string());
                    tracing::warn!("Kafka at {} is waited for: {why}", self.topic.brokers);
                }
                Ok(())
            }
            // A broker that does not know of a new partition yet will.
            ClientError::MessageConsumption(Code::UnknownPartition) if self.has_added => Ok(()),
            // It is of the group, and nothing is kept there.
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

    /// Changes a partition; answers its number if it is done with that.
    fn take(
        &mut self,
        number: i32,
        outlet: &mut Outlet,
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
            && let Some(parcel) = partition.flush()
        {
            outlet.send(parcel);
        }
        (!was_done && partition.is_done()).then_some(number)
    }

    fn are_done(&self) -> bool {
        self.all.iter().all(Partition::is_done)
    }

    /// Hands out all that has come.
    fn flush(&mut self, outlet: &mut Outlet) {
        self.since = None;
        self.all.iter_mut().filter_map(Partition::flush).for_each(|parcel| outlet.send(parcel));
    }

    /// Has the commit of the epoch remember how far its partitions have got.
    fn note(&mut self, outlet: &mut Outlet) {
        let mut noted = Noted::new();
        for partition in &mut self.all {
            if partition.noted != Some(partition.at) {
                partition.noted = Some(partition.at);
                noted.insert(partition.number, partition.at);
            }
        }
        if !noted.is_empty() {
            // It is the same worker that says so of all epochs: which one does not matter.
            let parcel = Parcel { notes: vec![note(&noted)], ..Parcel::default() };
            outlet.send_to(0, parcel);
        }
    }
}

impl Outlet {
    fn send(&mut self, parcel: Parcel) {
        let turn = self.turn % self.ends.len();
        self.turn += 1;
        self.send_to(turn, parcel);
    }

    fn send_to(&mut self, end: usize, parcel: Parcel) {
        self.is_abandoned |= !self.ends[end].send(Message::Records(self.epoch, parcel));
    }

    /// Says to all that everything before the epoch has been handed out.
    fn tell(&mut self) {
        for end in &self.ends {
            self.is_abandoned |= !end.send(Message::Before(self.epoch));
        }
        self.nudge();
    }

    /// Wakes all that have something to do.
    fn nudge(&self) {
        self.ends.iter().for_each(Outward::nudge);
    }
}
