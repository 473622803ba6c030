//! What a run looks like from outside: counters, latencies, progress, and the summary.
//!
//! Knows numbers only, and the names of the paths that a record can take. It reads what the workers
//! count; nothing waits for it.

mod ladder;
mod latency;
mod on_time;
#[cfg(feature = "cli")]
mod progress;
mod report;
mod series;
mod slots;
mod stats;
mod summary;
mod tally;
mod waits;

pub use ladder::{Ladder, Rungs, quantile_ms};
pub use latency::Latencies;
pub use on_time::{Cause, OnTime};
#[cfg(feature = "cli")]
pub use progress::{Goal, Progress};
pub use report::{Billed, Report};
pub use series::{Flow, Level, Line, Series, SlotLatency, SlotLine};
pub use slots::{SLOT, Slot, Slots};
pub use stats::{Counts, ProcessStats, Sent, WorkerStats};
pub use summary::{FunctionBill, LateBy, Offloading, Percentiles, Shadow, Summary, Totals};
pub use tally::Tallied;
pub use waits::{Wait, Waited, Waits};
