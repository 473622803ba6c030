//! Finds partitions that are added to a topic during the run.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::KafkaSettings;
use super::partition::Partition;
use crate::kafka::{Consumer, KafkaError};

/// How often the cluster is asked for its partitions.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(5);

/// How often the thread checks whether the run stops.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Looks for new partitions, and gives them to the readers of the process in turn.
pub(super) struct PartitionDiscovery {
    pub settings: KafkaSettings,
    pub consumer: Consumer,
    /// The partitions that a reader of this or of another process has.
    pub known: BTreeSet<i32>,
    pub readers: Vec<Sender<Partition>>,
    /// Counts the partitions that were given to readers. It says which reader is next.
    pub turn: usize,
    pub stops: Arc<AtomicBool>,
}

impl PartitionDiscovery {
    pub(super) fn run(mut self) {
        let mut looked = Instant::now();
        while !self.stops.load(Relaxed) {
            thread::park_timeout(POLL_INTERVAL);
            // The consumer has nothing to read, but the client's messages wait in memory until it is polled.
            self.consumer.poll(Duration::ZERO);
            if looked.elapsed() < DISCOVERY_INTERVAL {
                continue;
            }
            // The readers wait for a cluster that does not answer, and say so.
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
                // A reader that has ended takes no partition.
                let _ = self.readers[reader].send(partition);
            }
            self.known.insert(number);
        }
        Ok(())
    }
}
