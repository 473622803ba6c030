//! Apache Kafka: topics, clients, and the publisher. The source and the sink use them.
//!
//! The client is librdkafka (`docs/adr/0012-kafka-by-librdkafka.md`), built with the cargo feature `kafka`.
//! `docs/kafka.md` says what is read and written, and what is guaranteed.

mod client;
mod error;
mod properties;
mod published;
mod publisher;
mod sink;
mod topic;

pub(crate) use client::Consumer;
pub use error::KafkaError;
pub(crate) use error::is_passing;
pub use properties::Properties;
pub use publisher::Publisher;
pub use sink::KafkaSink;
pub use topic::Topic;
