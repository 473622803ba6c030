//! Counters, latencies, progress and the summary of a run.
//!
//! This module knows only numbers, and the names of the routes that a record can take. It reads what the workers count,
//! and nothing waits for it.

mod atomic_histogram;
mod call_figures;
mod counts;
mod explanation;
mod function_bill;
#[cfg(test)]
#[cfg(feature = "_interleavings")]
mod interleavings;
mod latency;
mod live_histograms;
mod on_time;
mod process_stats;
#[cfg(feature = "cli")]
mod progress;
mod report;
mod series;
mod stage_figures;
mod state_figures;
mod summary;
mod summary_words;
mod time_slots;
mod waits;
mod worker_stats;

pub use crate::stage_totals::StageTotals;
pub use crate::state_totals::StateTotals;
pub use atomic_histogram::{AtomicHistogram, HistogramSnapshot, quantile_ms};
pub use call_figures::CallFigures;
pub use counts::Counts;
pub use explanation::{Explained, ExplainedStage, Explanation, Sending};
pub use function_bill::FunctionBill;
pub use latency::Latencies;
pub use live_histograms::LiveSnapshot;
pub use on_time::{Cause, OnTime};
pub use process_stats::ProcessStats;
#[cfg(feature = "cli")]
pub use progress::{Goal, Progress};
pub use report::{CallCounters, FunctionCounters, FunctionFailure, Report, StageCounts};
pub use series::{Flow, Level, Line, Series, SlotLatency, SlotLine};
pub use stage_figures::StageFigures;
pub use state_figures::StateFigures;
pub use summary::{LateBy, Offloading, Percentiles, Shadow, Summary, Totals};
pub use time_slots::{SLOT, Slot, TimeSlots};
pub use waits::{WaitReason, WaitTimer, WaitTimes};
pub use worker_stats::{Sent, WorkerStats};
