//! A topic of Kafka's as a source.
//!
//! Partitions are shared out to all workers of all processes by their numbers, and each process's partitions
//! to its reader threads: one for each worker where there are as many partitions, so that a worker has
//! partitions of its own; fewer, and the workers of a reader take its batches in turn. A reader decides by
//! the run's clock which epoch a message is in, and has each commit remember how far its partitions were
//! read: a run goes on from that, and from nothing that Kafka keeps. `docs/kafka.md` says what is read when.

mod partition;
mod partition_discovery;
mod position;
mod reader;
mod source;
mod start;

pub use position::{PartitionPosition, TopicPosition};
pub use start::{Kafka, KafkaInput, KafkaSettings};
