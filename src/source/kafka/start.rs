//! Starts the readers of a process with their partitions.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crossbeam_channel::unbounded;

use super::partition::Partition;
use super::partition_discovery::PartitionDiscovery;
use super::reader::Reader;
use super::{PartitionPosition, TopicPosition};
use crate::clock::Clock;
use crate::kafka::{Consumer, KafkaError, Topic};
use crate::source::ReadSettings;
use crate::source::channel::{BatchReceiver, UnboundSender, channel};

/// A topic, and which of its messages are read.
#[derive(Clone, Debug)]
pub struct KafkaInput {
    /// The topic.
    pub topic: Topic,
    /// Whether only messages are read that come after the start.
    pub from_latest: bool,
    /// Whether the input ends with the messages that were there at the start. Otherwise the topic is followed.
    pub until_end: bool,
}

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// The input.
    pub input: KafkaInput,
    /// The position from which a resumed run reads on.
    pub from: Option<TopicPosition>,
    /// How it is read.
    pub read: ReadSettings,
}

/// The readers of a process, as its workers see them.
#[derive(Debug)]
pub struct Kafka {
    ends: Vec<Mutex<Option<BatchReceiver>>>,
    /// Whether the readers stop.
    stops: Arc<AtomicBool>,
    clock: Arc<OnceLock<Clock>>,
    /// The number of partitions if no more can be added, and otherwise 0.
    partitions: u64,
    /// How far the topic was read when the committed epochs ended.
    pub(super) position: Mutex<TopicPosition>,
}

impl Kafka {
    /// Looks up the topic, and starts the threads that read the partitions of this process. They begin when the workers
    /// are there. An error while reading is passed to `failed`, and no record comes after it.
    ///
    /// # Errors
    /// If the topic cannot be reached or does not exist, or is not the one that the resumed run has read.
    pub fn start(
        settings: KafkaSettings,
        failed: impl Fn(KafkaError) + Send + Sync + 'static,
    ) -> Result<Kafka, KafkaError> {
        let topic = &settings.input.topic;
        let consumer = topic.consumer()?;
        let all = topic.partitions(&consumer)?;
        let own = settings.begin(&consumer, &all)?;
        let from = settings.from.clone().unwrap_or_else(|| TopicPosition::new(&topic.name));
        let follows = !settings.input.until_end;
        let mut kafka = Kafka {
            ends: Vec::new(),
            stops: Arc::default(),
            clock: Arc::default(),
            // If partitions may be added, the processes of a run may find different numbers of them.
            partitions: if follows { 0 } else { all.len() as u64 },
            position: Mutex::new(from),
        };
        // A process without a partition may get one if partitions may be added.
        let readers = own.len().min(settings.read.workers).max(usize::from(follows));
        let turn = own.len();
        let mut of_readers: Vec<(Vec<Partition>, Vec<UnboundSender>)> = Vec::new();
        of_readers.resize_with(readers, Default::default);
        for (index, partition) in own.into_iter().enumerate() {
            of_readers[index % readers].0.push(partition);
        }
        for worker in 0..if readers == 0 { 0 } else { settings.read.workers } {
            let (end, workers_end) = channel();
            of_readers[worker % readers].1.push(end);
            kafka.ends.push(Mutex::new(Some(workers_end)));
        }
        let failed = Arc::new(failed);
        let mut to_readers = Vec::new();
        for (partitions, ends) in of_readers {
            let (to_reader, added) = unbounded();
            to_readers.push(to_reader);
            let stops = Arc::clone(&kafka.stops);
            let reader = Reader::new(&settings, topic.consumer()?, partitions, added, stops);
            let (clock, failed) = (Arc::clone(&kafka.clock), Arc::clone(&failed));
            let run = move || {
                if let Err(error) = reader.run(ends, &clock) {
                    failed(error);
                }
            };
            spawn("floodway-reader", run)?;
        }
        if follows {
            let known = all.into_iter().collect();
            let (readers, stops) = (to_readers, Arc::clone(&kafka.stops));
            let added = PartitionDiscovery { settings, consumer, known, readers, turn, stops };
            spawn("floodway-added", move || added.run())?;
        }
        Ok(kafka)
    }

    /// Returns the receiver of worker `index`. None after the first call, or if no reader sends to the worker.
    pub(super) fn worker(&self, index: usize, clock: Clock) -> Option<BatchReceiver> {
        let _ = self.clock.set(clock);
        self.ends.get(index)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Stops the readers. The next run reads on from there.
    pub fn stop(&self) {
        self.stops.store(true, Relaxed);
    }

    /// Returns the number of partitions, which must be the same in all processes unless partitions may be added.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.partitions
    }
}

/// Stops the readers.
impl Drop for Kafka {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), KafkaError> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map(drop).map_err(KafkaError::Thread)
}

impl KafkaSettings {
    /// Whether this process reads the partition.
    pub(super) fn is_own(&self, partition: i32) -> bool {
        partition as usize % self.read.processes == self.read.process
    }

    /// Returns a partition that was added after the run first began.
    pub(super) fn new_partition(
        &self,
        consumer: &Consumer,
        number: i32,
    ) -> Result<Partition, KafkaError> {
        let (next, _) = self.input.topic.ends(consumer, number)?;
        tracing::info!("partition {number} is new, and read from its first message on");
        Ok(Partition::new(number, PartitionPosition { next, end: None }, None))
    }

    /// Returns the partitions of this process, out of `all`, with the positions at which reading begins.
    fn begin(&self, consumer: &Consumer, all: &[i32]) -> Result<Vec<Partition>, KafkaError> {
        if let Some(from) = &self.from {
            self.check(from, all)?;
        }
        let mut own = Vec::new();
        for number in all.iter().copied().filter(|number| self.is_own(*number)) {
            let known = self.from.as_ref().map(|from| from.partitions.get(&number).copied());
            let ends = || self.input.topic.ends(consumer, number);
            let partition = match known {
                Some(Some(at)) => {
                    let partition = Partition::new(number, at, Some(at));
                    if !partition.is_done() {
                        self.check_ends(number, at.next, ends()?)?;
                    }
                    partition
                }
                // The input ended before the partition was added.
                Some(None) if self.input.until_end => continue,
                Some(None) => self.new_partition(consumer, number)?,
                None => {
                    let (first, end) = ends()?;
                    let next = if self.input.from_latest { end } else { first };
                    let end = self.input.until_end.then_some(end);
                    Partition::new(number, PartitionPosition { next, end }, None)
                }
            };
            own.push(partition);
        }
        Ok(own)
    }

    fn check(&self, from: &TopicPosition, all: &[i32]) -> Result<(), KafkaError> {
        let changed = |why| KafkaError::Changed { topic: self.input.topic.name.clone(), why };
        from.can_be().map_err(changed)?;
        match from.partitions.keys().find(|known| !all.contains(known)) {
            Some(gone) => Err(changed(format!("has no partition {gone} any more"))),
            None => Ok(()),
        }
    }

    /// Checks that a partition with these first and last offsets can be read on from `next`.
    fn check_ends(&self, partition: i32, next: i64, ends: (i64, i64)) -> Result<(), KafkaError> {
        let topic = self.input.topic.name.clone();
        let (first, end) = ends;
        if next < first {
            return Err(KafkaError::Deleted { topic, partition, next, first });
        }
        if next > end {
            let why = format!(
                "was read to offset {next} of partition {partition}, which ends at {end} now"
            );
            return Err(KafkaError::Changed { topic, why });
        }
        Ok(())
    }
}
