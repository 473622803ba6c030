//! How many of the attempts fail.

/// Attempts that are remembered: few, and one failure is a large share of them; many, and for long
/// after trouble has ended requests go sooner than they have to.
const WINDOW: usize = 256;

/// The last attempts, whether they failed.
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
    /// An attempt was answered well, or `failed`.
    pub(super) fn record(&mut self, failed: bool) {
        let oldest = std::mem::replace(&mut self.failed[self.next], failed);
        self.failures = self.failures + usize::from(failed) - usize::from(oldest);
        self.next = (self.next + 1) % WINDOW;
    }

    /// The share that failed; those before the first one did not.
    pub(super) fn share(&self) -> f64 {
        self.failures as f64 / WINDOW as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_the_last_attempts() {
        let mut failure_rate = FailureRate::default();
        assert_eq!(failure_rate.share(), 0.0);
        (0..1_000).for_each(|n| failure_rate.record(n % 4 == 0));
        assert_eq!(failure_rate.share(), 0.25);
        (0..WINDOW).for_each(|_| failure_rate.record(false));
        assert_eq!(failure_rate.share(), 0.0);
    }
}
