//! The workers' side of the readers of a topic.

use std::sync::Arc;

use timely::dataflow::{Scope, Stream};

use super::Kafka;
use crate::batch::{Batch, TextRecord};
use crate::observe::WorkerStats;
use crate::operators::Clock;
use crate::sink::Note;
use crate::source::stream::{Reading, read};
use crate::source::{FlowControl, Pace};
use crate::task::Bad;

/// What a worker's source of messages needs.
pub struct KafkaSource {
    /// The readers of its process.
    pub kafka: Arc<Kafka>,
    /// When the input ends, if that is a matter of time.
    pub pace: Arc<Pace>,
    /// The worker's place among the process's workers.
    pub local_index: usize,
    /// The run's clock.
    pub clock: Clock,
    /// Where it waits.
    pub flow_control: FlowControl,
    /// Where it counts.
    pub stats: Arc<WorkerStats>,
}

/// The streams of messages, of those that are bad, and of what commits are to remember.
pub fn kafka<'scope>(
    scope: &Scope<'scope, u64>,
    source: KafkaSource,
) -> (
    Stream<'scope, u64, Batch>,
    Stream<'scope, u64, Vec<Bad<TextRecord>>>,
    Stream<'scope, u64, Vec<Note>>,
) {
    let KafkaSource { kafka, pace, local_index, clock, flow_control, stats } = source;
    let messages = kafka.worker(local_index, clock);
    read(scope, messages, Reading { name: "Kafka", pace, clock, flow_control, stats })
}
