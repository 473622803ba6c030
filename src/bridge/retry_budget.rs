//! Token buckets that bound what is sent a second time.
//!
//! A bound on the attempts of each request is not one on their sum: when everything fails, three
//! attempts each are three times the load on a service that is down. A bucket that answers fill and
//! second attempts empty lets single failures be retried and stops when most requests fail.

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    tokens: f64,
    capacity: f64,
}

impl RetryBudget {
    /// A bucket that is full with `most` tokens.
    pub fn full(capacity: f64) -> Self {
        RetryBudget { tokens: capacity, capacity }
    }

    /// Takes `tokens`, if there are as many.
    pub fn withdraw(&mut self, tokens: f64) -> bool {
        let there = self.tokens >= tokens;
        if there {
            self.tokens -= tokens;
        }
        there
    }

    /// Puts `tokens` in, as far as there is room.
    pub fn deposit(&mut self, tokens: f64) {
        self.tokens = (self.tokens + tokens).min(self.capacity);
    }
}

/// The budget of retries, as AWS's clients have it in their standard mode.
pub mod retry {
    /// Tokens there are.
    pub const CAPACITY: f64 = 500.0;
    /// What a retry costs after a throttle.
    pub const THROTTLE: f64 = 5.0;
    /// What a retry costs after any other failure.
    pub const FAILURE: f64 = 14.0;
    /// What an answer brings.
    pub const ANSWER: f64 = 1.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_everything_fails_retries_stop() {
        let mut retry_budget = RetryBudget::full(retry::CAPACITY);
        let retries = (0..1_000).filter(|_| retry_budget.withdraw(retry::FAILURE)).count();
        assert_eq!(retries, 35);
        (0..13).for_each(|_| retry_budget.deposit(retry::ANSWER));
        // 500 - 35 · 14 = 10 were left.
        assert!(retry_budget.withdraw(retry::FAILURE));
        assert!(!retry_budget.withdraw(retry::FAILURE));
        (0..10_000).for_each(|_| retry_budget.deposit(retry::ANSWER));
        assert_eq!((0..1_000).filter(|_| retry_budget.withdraw(retry::THROTTLE)).count(), 100);
    }
}
