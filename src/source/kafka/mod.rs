//! A topic of Kafka as a source.
//!
//! The number of a partition decides which process reads it. A process divides its partitions among its reader threads.
//! It has one reader per worker, or one per partition if there are fewer partitions. Then several workers take the
//! batches of a reader in turn. A reader decides by the run's clock in which epoch a message is. Each commit records how
//! far the partitions were read. A resumed run uses only that record, not the offsets that Kafka stores.
//! `docs/kafka.md` says what is read when.

mod partition;
mod partition_discovery;
mod position;
mod reader;
mod source;
mod start;

pub use position::{PartitionPosition, TopicPosition};
pub use start::{Kafka, KafkaInput, KafkaSettings};
