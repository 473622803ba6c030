//! Partitions that are added to a topic while it is followed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::KafkaSettings;
use super::partition::Partition;
use crate::kafka::{Consumer, KafkaError};

/// How often the cluster is asked for them.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(5);

/// How often it is looked whether the run stops.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Looks for partitions, and hands them to a process's readers in turn.
pub(super) struct PartitionDiscovery {
    pub settings: KafkaSettings,
    pub consumer: Consumer,
    /// The partitions that are read, or are another process's.
    pub known: BTreeSet<i32>,
    pub readers: Vec<Sender<Partition>>,
    /// The reader whose turn it is.
    pub turn: usize,
    pub stops: Arc<AtomicBool>,
}

impl PartitionDiscovery {
    pub(super) fn run(mut self) {
        let mut looked = Instant::now();
        while !self.stops.load(Relaxed) {
            thread::park_timeout(POLL_INTERVAL);
            // There is nothing to read; what the client logs waits in memory until it is taken.
            self.consumer.poll(Duration::ZERO);
            if looked.elapsed() < DISCOVERY_INTERVAL {
                continue;
            }
            // A cluster that does not answer is the readers' to wait for.
            if let Err(error) = self.discover() {
                tracing::debug!("cannot look for new partitions: {error}");
            }
            looked = Instant::now();
        }
    }

    fn discover(&mut self) -> Result<(), KafkaError> {
        for number in self.settings.input.topic.partitions(&self.consumer)? {
            if self.known.contains(&number) {
                continue;
            }
            if self.settings.is_own(number) {
                let partition = self.settings.new_partition(&self.consumer, number)?;
                let reader = self.turn % self.readers.len();
                self.turn += 1;
                // One that has ended wants nothing more.
                let _ = self.readers[reader].send(partition);
            }
            self.known.insert(number);
        }
        Ok(())
    }
}
