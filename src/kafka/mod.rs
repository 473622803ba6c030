//! Apache Kafka: what its source and its sink share.
//!
//! The client is librdkafka (`docs/adr/0012-kafka-by-librdkafka.md`), built with the cargo feature `kafka`.
//! `docs/kafka.md` says what is read, what is written, and what holds when.

mod client;
mod error;
mod properties;
mod published;
mod publisher;
mod topic;

pub(crate) use client::Consumer;
pub use error::KafkaError;
pub(crate) use error::is_passing;
pub use properties::Properties;
pub use publisher::Publisher;
pub use topic::Topic;
