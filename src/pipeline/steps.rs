//! Law 2, measured: what a worker's longest step took, if the log asks for it.

use std::time::Duration;

use crate::cpu;

/// The log's target that asks for it, at the level debug.
const TARGET: &str = "floodway::steps";

/// The steps of a worker.
pub(super) struct Steps {
    /// Nothing if nobody asks: reading the clock twice a step is not free.
    longest: Option<Duration>,
}

impl Steps {
    pub(super) fn new() -> Self {
        let asked = tracing::enabled!(target: TARGET, tracing::Level::DEBUG);
        Steps { longest: asked.then_some(Duration::ZERO) }
    }

    /// Takes a step. It counts by the thread's CPU time: waiting for a processor is not the
    /// worker's doing, and parking is what it should do.
    #[inline]
    pub(super) fn measure<R>(&mut self, step: impl FnOnce() -> R) -> R {
        let Some(longest) = &mut self.longest else { return step() };
        let before = cpu::of_thread();
        let result = step();
        *longest = cpu::of_thread().saturating_sub(before).max(*longest);
        result
    }

    /// Logs the longest.
    pub(super) fn log(&self, worker: usize) {
        if let Some(longest) = self.longest {
            let longest_step_us = longest.as_micros() as u64;
            tracing::debug!(target: TARGET, worker, longest_step_us, "the longest step");
        }
    }
}
