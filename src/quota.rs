//! Lambda's limits on how a function scales: starts of environments, and requests. The local Lambda and the
//! simulator use the same arithmetic. Times are durations since any fixed instant.

use std::time::Duration;

/// The requests a second that AWS allows for each environment, however short they are: a function's
/// synchronous requests are limited to its environments times this.
pub(crate) const REQUESTS_PER_ENVIRONMENT: f64 = 10.0;

/// The longest time for which Lambda lets a function run.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(900);

/// Refuses a timeout of a function that Lambda does not allow, and says what would be right.
pub(crate) fn check_timeout(timeout: Duration) -> Result<Duration, String> {
    match timeout.is_zero() || timeout > MAX_TIMEOUT {
        true => {
            let most = MAX_TIMEOUT.as_secs();
            Err(format!("expected more than 0 and at most {most}s, such as 30s"))
        }
        false => Ok(timeout),
    }
}

/// A token bucket that is full at first.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    updated: Duration,
}

impl TokenBucket {
    pub(crate) fn new(capacity: f64, per_second: f64) -> Self {
        TokenBucket { capacity, per_second, tokens: capacity, updated: Duration::ZERO }
    }

    /// Whether a token is available. It stays.
    pub(crate) fn is_available(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.updated).as_secs_f64();
        self.updated = self.updated.max(now);
        self.tokens = (self.tokens + self.per_second * passed).min(self.capacity);
        self.tokens >= 1.0
    }

    /// Takes a token, if one is available.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let is_available = self.is_available(now);
        self.tokens -= f64::from(u8::from(is_available));
        is_available
    }
}

/// The limit on a function's rate of requests. It grows as the environments do: a thousand units of ten
/// requests a second at once, a thousand more in ten seconds, and at most one unit for each environment that
/// there may be. Units that were reached stay.
#[derive(Clone, Debug)]
pub(crate) struct RequestRate {
    ramp: TokenBucket,
    /// The requests a second of a unit.
    of_unit: f64,
    /// The requests that may come now. Those of a second can come at once.
    requests: TokenBucket,
}

impl RequestRate {
    /// Creates a limit in units of `of_unit` requests a second, of which `ramp` says how many there may be.
    pub(crate) fn new(of_unit: f64, ramp: TokenBucket) -> Self {
        RequestRate { ramp, of_unit, requests: TokenBucket::new(0.0, 0.0) }
    }

    /// Takes a request of a function that may have `environments`, if one is available.
    pub(crate) fn take(&mut self, now: Duration, environments: f64) -> bool {
        let capacity = environments * self.of_unit;
        if !self.requests.is_available(now)
            && self.requests.per_second < capacity
            && self.ramp.take(now)
        {
            self.requests.per_second += self.of_unit;
            self.requests.tokens += self.of_unit;
        }
        // The quota may have fallen since.
        self.requests.per_second = self.requests.per_second.min(capacity);
        self.requests.capacity = self.requests.per_second;
        self.requests.tokens = self.requests.tokens.min(self.requests.capacity);
        self.requests.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many requests are accepted in each of `seconds` seconds.
    fn accepted(rate: &mut RequestRate, environments: f64, seconds: u64) -> Vec<usize> {
        let of_second =
            |second| (0..1_000).map(move |ms| Duration::from_millis(second * 1_000 + ms));
        let mut count = |now| (0..1_000_000).take_while(|_| rate.take(now, environments)).count();
        (0..seconds).map(|second| of_second(second).map(&mut count).sum()).collect()
    }

    #[test]
    fn each_environment_allows_ten_requests_a_second() {
        let all = accepted(
            &mut RequestRate::new(REQUESTS_PER_ENVIRONMENT, TokenBucket::new(1_000.0, 100.0)),
            7.0,
            5,
        );
        // A second of them at once, then as many each second.
        assert!((139..=140).contains(&all[0]), "{all:?}");
        assert!(all[1..].iter().all(|accepted| (69..=71).contains(accepted)), "{all:?}");
    }

    #[test]
    fn the_rate_starts_at_ten_thousand_and_grows_by_as_many_in_ten_seconds() {
        let all = accepted(
            &mut RequestRate::new(REQUESTS_PER_ENVIRONMENT, TokenBucket::new(1_000.0, 100.0)),
            3_000.0,
            25,
        );
        let near = |second: usize, expected: f64| {
            let accepted = all[second] as f64;
            assert!(
                (accepted / expected - 1.0).abs() < 0.1,
                "in second {second}: {accepted} of {expected}"
            );
        };
        near(5, 15_500.0);
        near(10, 20_500.0);
        near(15, 25_500.0);
        near(22, 30_000.0);
        near(24, 30_000.0);
    }

    #[test]
    fn fewer_environments_lower_the_rate_of_requests() {
        let mut rate = RequestRate::new(REQUESTS_PER_ENVIRONMENT, TokenBucket::new(1_000.0, 100.0));
        assert_eq!((0..200).filter(|_| rate.take(Duration::ZERO, 100.0)).count(), 200);
        let later = Duration::from_secs(5);
        assert_eq!((0..200).filter(|_| rate.take(later, 1.0)).count(), 10);
        assert_eq!((0..200).filter(|_| rate.take(later, 0.0)).count(), 0);
    }
}
