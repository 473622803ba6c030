//! Sources of records.
//!
//! Events leave when they are due (open loop). A source that is late emits at once, and its lateness counts as latency,
//! so that a slow system cannot hide its queue. A source waits only for its [`FlowControl`], and the time is counted.

mod channel;
mod events;
mod flow_control;
#[cfg(test)]
#[cfg(feature = "_interleavings")]
mod interleavings;
#[cfg(feature = "kafka")]
mod kafka;
mod lines;
mod nexmark;
mod pace;
mod source_batch;
mod spec;
mod stream;

pub use events::{EventSource, events};
pub use flow_control::{Downstream, FlowControl};
#[cfg(feature = "kafka")]
pub use kafka::{Kafka, KafkaInput, KafkaSettings, PartitionPosition, TopicPosition};
pub use lines::{FileId, FilePosition, Input, Lines, LinesError, LinesSettings, Position, Sharing};
pub(crate) use lines::{matches, name_matches, path_of, text_of};
pub use nexmark::Nexmark;
pub use pace::{Pace, Rate, Speed, nominal};
use source_batch::OVERLONG_PREFIX_BYTES;
pub(crate) use source_batch::SourceBatch;
pub use spec::{
    OpenContext, OpenSource, ReadSettings, Source, SourceError, Streams, WorkerContext,
};
