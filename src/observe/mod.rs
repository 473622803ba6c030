//! What a run looks like from outside: counters, latencies, progress, and the summary.
//!
//! Knows numbers only, and the names of the paths that a record can take. It reads what the workers
//! count; nothing waits for it.

mod atomic_histogram;
mod latency;
mod live_counters;
mod on_time;
#[cfg(feature = "cli")]
mod progress;
mod report;
mod series;
mod stats;
mod summary;
mod time_slots;
mod waits;

pub use atomic_histogram::{AtomicHistogram, HistogramSnapshot, quantile_ms};
pub use latency::Latencies;
pub use live_counters::LiveSnapshot;
pub use on_time::{Cause, OnTime};
#[cfg(feature = "cli")]
pub use progress::{Goal, Progress};
pub use report::{FunctionCounters, Report};
pub use series::{Flow, Level, Line, Series, SlotLatency, SlotLine};
pub use stats::{Counts, ProcessStats, Sent, WorkerStats};
pub use summary::{FunctionBill, LateBy, Offloading, Percentiles, Shadow, Summary, Totals};
pub use time_slots::{SLOT, Slot, TimeSlots};
pub use waits::{WaitReason, WaitTimer, WaitTimes};
