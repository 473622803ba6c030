//! The readers of a process: which partitions they have, and where these begin.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::unbounded;

use super::partition::Partition;
use super::partition_discovery::PartitionDiscovery;
use super::reader::Reader;
use super::{PartitionPosition, TopicPosition};
use crate::clock::Clock;
use crate::kafka::{Consumer, KafkaError, Topic};
use crate::source::channel::{BatchReceiver, UnboundSender, channel};

/// What of which topic is the input.
#[derive(Clone, Debug)]
pub struct KafkaInput {
    /// The topic.
    pub topic: Topic,
    /// Only what comes after the start, not what was there before.
    pub from_latest: bool,
    /// Only what was there at the start: then the input ends. Without, it is followed.
    pub until_end: bool,
}

/// What is read, and for whom.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// The input.
    pub input: KafkaInput,
    /// Longer messages are bad, in bytes.
    pub max_record: usize,
    /// How long an epoch is.
    pub epoch: Duration,
    /// The first epoch.
    pub first_epoch: u64,
    /// Where to go on.
    pub from: Option<TopicPosition>,
    /// Workers a process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// This one.
    pub process: usize,
}

/// The workers' ends of a process's readers.
#[derive(Debug)]
pub struct Kafka {
    ends: Vec<Mutex<Option<BatchReceiver>>>,
    /// Nothing more is wanted.
    stops: Arc<AtomicBool>,
    clock: Arc<OnceLock<Clock>>,
    partitions: u64,
    /// How far the topic was read by the committed epochs.
    pub(super) position: Mutex<TopicPosition>,
}

impl Kafka {
    /// Looks at the topic, and starts the threads that read this process's partitions; they do once the
    /// workers are there. `failed` hears of an error while reading, and nothing comes after it.
    ///
    /// # Errors
    /// If the topic is not to be had, or is not what it was for the run that is gone on with.
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
            // Partitions may be added while the processes of a run look at what there is.
            partitions: if follows { 0 } else { all.len() as u64 },
            position: Mutex::new(from),
        };
        // A process without a partition may get one, if there can be new ones.
        let readers = own.len().min(settings.workers).max(usize::from(follows));
        let turn = own.len();
        let mut of_readers: Vec<(Vec<Partition>, Vec<UnboundSender>)> = Vec::new();
        of_readers.resize_with(readers, Default::default);
        for (index, partition) in own.into_iter().enumerate() {
            of_readers[index % readers].0.push(partition);
        }
        for worker in 0..if readers == 0 { 0 } else { settings.workers } {
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

    /// Worker `index`'s end: once, and none where nobody reads for it.
    pub(super) fn worker(&self, index: usize, clock: Clock) -> Option<BatchReceiver> {
        let _ = self.clock.set(clock);
        self.ends.get(index)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The readers stop where they are: what they have not read is the next run's.
    pub fn stop(&self) {
        self.stops.store(true, Relaxed);
    }

    /// What all processes must agree on: how many partitions there are, where these are all that will be read.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.partitions
    }
}

/// Nobody wants anything more.
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
    /// Whether this process reads a partition.
    pub(super) fn is_own(&self, partition: i32) -> bool {
        partition as usize % self.processes == self.process
    }

    /// A partition that was not there when the run first began.
    pub(super) fn new_partition(
        &self,
        consumer: &Consumer,
        number: i32,
    ) -> Result<Partition, KafkaError> {
        let (next, _) = self.input.topic.ends(consumer, number)?;
        tracing::info!("partition {number} is new, and read from its first message on");
        Ok(Partition::new(number, PartitionPosition { next, end: None }, None))
    }

    /// This process's partitions of all there are, and where they begin.
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
                // The input's end was before it.
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

    /// Whether a partition that lies between these offsets can be gone on with from `next`.
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
