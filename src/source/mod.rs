//! Sources: where the records come from.
//!
//! Events leave when they are due (open loop): a source that is late emits at once, and how late
//! it was counts as latency, so that a slow system cannot hide its queue. A source waits only at
//! its [`FlowControl`], and what it waits there is counted.

mod channel;
mod events;
mod flow_control;
#[cfg(feature = "kafka")]
mod kafka;
mod lines;
mod pace;
mod source_batch;
mod stream;

/// The number of bytes of an overlong record that its dead letter keeps.
const OVERLONG_PREFIX_BYTES: usize = 1_024;

pub use events::{EventSource, events};
pub use flow_control::{Downstream, FlowControl};
#[cfg(feature = "kafka")]
pub use kafka::{
    Kafka, KafkaInput, KafkaSettings, KafkaSource, PartitionPosition, TopicPosition, kafka,
};
pub use lines::{
    FileId, FilePosition, Input, LineSource, Lines, LinesError, LinesSettings, Position, Sharing,
    lines,
};
pub(crate) use lines::{matches, name_matches, path_of, text_of};
pub use pace::{Pace, Rate, nominal};
pub(crate) use source_batch::SourceBatch;
