//! The share of attempts that fail.

/// Number of attempts that are remembered. If it is small, one failure is a large share; if it is large,
/// requests are sent earlier than necessary for a long time after failures have ended.
const WINDOW: usize = 256;

/// Outcomes of the last attempts: whether they failed.
#[derive(Debug)]
pub(super) struct FailureRate {
    failed: [bool; WINDOW],
    next: usize,
    failures: usize,
}

impl Default for FailureRate {
    fn default() -> Self {
        FailureRate { failed: [false; WINDOW], next: 0, failures: 0 }
    }
}

impl FailureRate {
    /// Records an attempt that was answered well or has `failed`.
    pub(super) fn record(&mut self, failed: bool) {
        let oldest = std::mem::replace(&mut self.failed[self.next], failed);
        self.failures = self.failures + usize::from(failed) - usize::from(oldest);
        self.next = (self.next + 1) % WINDOW;
    }

    /// Returns the share that failed. Attempts before the first one count as successful.
    pub(super) fn share(&self) -> f64 {
        self.failures as f64 / WINDOW as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_computed_over_the_last_attempts() {
        let mut failure_rate = FailureRate::default();
        assert_eq!(failure_rate.share(), 0.0);
        (0..1_000).for_each(|n| failure_rate.record(n % 4 == 0));
        assert_eq!(failure_rate.share(), 0.25);
        (0..WINDOW).for_each(|_| failure_rate.record(false));
        assert_eq!(failure_rate.share(), 0.0);
    }
}
