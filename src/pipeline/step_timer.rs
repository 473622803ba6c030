//! Measures the longest step of a worker, if the log asks for it.

use std::time::Duration;

use crate::process_stats;

/// The target of the log that enables the measurement, at the level debug.
const TARGET: &str = "floodway::steps";

/// The longest step of a worker.
pub(super) struct StepTimer {
    /// None if the measurement is disabled: reading the clock twice a step costs time.
    longest: Option<Duration>,
}

impl StepTimer {
    pub(super) fn new() -> Self {
        let is_enabled = tracing::enabled!(target: TARGET, tracing::Level::DEBUG);
        StepTimer { longest: is_enabled.then_some(Duration::ZERO) }
    }

    /// Takes a step, and measures the thread's CPU time: time spent waiting for a processor or parking does
    /// not count.
    #[inline]
    pub(super) fn measure<R>(&mut self, step: impl FnOnce() -> R) -> R {
        let Some(longest) = &mut self.longest else { return step() };
        let before = process_stats::thread_cpu();
        let result = step();
        *longest = process_stats::thread_cpu().saturating_sub(before).max(*longest);
        result
    }

    /// Logs the longest step.
    pub(super) fn log(&self, worker: usize) {
        if let Some(longest) = self.longest {
            let longest_step_us = longest.as_micros() as u64;
            tracing::debug!(target: TARGET, worker, longest_step_us, "the longest step");
        }
    }
}
