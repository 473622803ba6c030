//! What a run looks like from outside: counters, latencies, progress, and the summary.
//!
//! Knows numbers only. It reads what the workers count; nothing waits for it.

mod latency;
mod progress;
mod report;
mod stats;
mod summary;

pub use latency::Latencies;
pub use progress::{Goal, Progress};
pub use report::Report;
pub use stats::{Counts, ProcessStats, WorkerStats};
pub use summary::{Percentiles, Summary, Totals};
