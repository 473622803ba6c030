//! Token buckets that limit retries and hedges.
//!
//! A limit on the attempts per request does not limit their sum: when everything fails, three attempts per
//! request are three times the load on a service that is down. Answers fill the bucket, and retries empty it.
//! So single failures are retried, and retries stop when most requests fail.

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    tokens: f64,
    capacity: f64,
}

impl RetryBudget {
    /// Creates a bucket with `capacity` tokens, which is also its limit.
    pub fn full(capacity: f64) -> Self {
        RetryBudget { tokens: capacity, capacity }
    }

    /// Takes `tokens` if there are enough. Returns whether there were.
    pub fn withdraw(&mut self, tokens: f64) -> bool {
        let there = self.tokens >= tokens;
        if there {
            self.tokens -= tokens;
        }
        there
    }

    /// Adds `tokens`, up to the capacity.
    pub fn deposit(&mut self, tokens: f64) {
        self.tokens = (self.tokens + tokens).min(self.capacity);
    }
}

/// The budget of retries: the same as in the standard mode of AWS's clients.
pub mod retry {
    /// Capacity in tokens.
    pub const CAPACITY: f64 = 500.0;
    /// Tokens for a retry after a throttle.
    pub const THROTTLE: f64 = 5.0;
    /// Tokens for a retry after any other failure.
    pub const FAILURE: f64 = 14.0;
    /// Tokens that an answer adds.
    pub const ANSWER: f64 = 1.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stop_when_everything_fails() {
        let mut retry_budget = RetryBudget::full(retry::CAPACITY);
        let retries = (0..1_000).filter(|_| retry_budget.withdraw(retry::FAILURE)).count();
        assert_eq!(retries, 35);
        (0..13).for_each(|_| retry_budget.deposit(retry::ANSWER));
        // 500 - 35 · 14 = 10 tokens are left.
        assert!(retry_budget.withdraw(retry::FAILURE));
        assert!(!retry_budget.withdraw(retry::FAILURE));
        (0..10_000).for_each(|_| retry_budget.deposit(retry::ANSWER));
        assert_eq!((0..1_000).filter(|_| retry_budget.withdraw(retry::THROTTLE)).count(), 100);
    }
}
