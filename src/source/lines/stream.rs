//! The workers' side of the readers of lines.

use std::sync::Arc;

use timely::dataflow::{Scope, Stream};

use super::Lines;
use crate::batch::{Batch, TextRecord};
use crate::observe::WorkerStats;
use crate::operators::Clock;
use crate::source::stream::{Reading, read};
use crate::source::{FlowControl, Pace};
use crate::task::Bad;

/// What a worker's source of lines needs.
pub struct LineSource {
    /// The readers of its process.
    pub lines: Option<Arc<Lines>>,
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

/// The stream of lines, and the stream of lines that are bad.
pub fn lines<'scope>(
    scope: &Scope<'scope, u64>,
    source: LineSource,
) -> (Stream<'scope, u64, Batch>, Stream<'scope, u64, Vec<Bad<TextRecord>>>) {
    let LineSource { lines, pace, local_index, clock, flow_control, stats } = source;
    let messages = lines.and_then(|lines| lines.worker(local_index));
    let reading = Reading { name: "Lines", pace, clock, flow_control, stats };
    // How far they were read is known in the process that commits.
    let (lines, bad, _) = read(scope, messages, reading);
    (lines, bad)
}
