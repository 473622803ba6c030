//! What Lambda allows a function as it scales: starts of environments, and requests. The local Lambda and the simulator
//! keep to the same limits by the same arithmetic. Time is what has passed since any instant before.

use std::time::Duration;

/// Requests a second that AWS lets an environment answer, however short they are: a function's synchronous requests are
/// limited to the environments that it may have times this.
pub(crate) const REQUESTS: f64 = 10.0;

/// A bucket that is full at first and is filled again continuously.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    most: f64,
    per_second: f64,
    left: f64,
    at: Duration,
}

impl Bucket {
    pub(crate) fn new(most: f64, per_second: f64) -> Self {
        Bucket { most, per_second, left: most, at: Duration::ZERO }
    }

    /// Whether there is one, which stays.
    pub(crate) fn has(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + self.per_second * passed).min(self.most);
        self.left >= 1.0
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let has = self.has(now);
        self.left -= f64::from(u8::from(has));
        has
    }
}

/// The rate of a function's requests. It grows as the environments do, by the same ramp: a thousand units of ten
/// requests a second at once, a thousand more in ten seconds, and as many units in all as there may be environments.
/// What was reached once stays, as environments do.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    ramp: Bucket,
    /// Requests a second of a unit: ten.
    of_unit: f64,
    /// Requests. A second of them can come at once.
    requests: Bucket,
}

impl Rate {
    /// Of units of so many requests a second, with a ramp of so many units at once and so many more a second.
    pub(crate) fn new(of_unit: f64, ramp: Bucket) -> Self {
        Rate { ramp, of_unit, requests: Bucket::new(0.0, 0.0) }
    }

    /// Takes a request of a function that may have `environments`, if it may have one more.
    pub(crate) fn take(&mut self, now: Duration, environments: f64) -> bool {
        let most = environments * self.of_unit;
        if !self.requests.has(now) && self.requests.per_second < most && self.ramp.take(now) {
            self.requests.per_second += self.of_unit;
            self.requests.left += self.of_unit;
        }
        // The quota may have fallen since.
        self.requests.per_second = self.requests.per_second.min(most);
        self.requests.most = self.requests.per_second;
        self.requests.left = self.requests.left.min(self.requests.most);
        self.requests.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests are taken in each of so many seconds, of all that can be.
    fn taken(rate: &mut Rate, environments: f64, seconds: u64) -> Vec<usize> {
        let of_second =
            |second| (0..1_000).map(move |ms| Duration::from_millis(second * 1_000 + ms));
        let mut count = |now| (0..1_000_000).take_while(|_| rate.take(now, environments)).count();
        (0..seconds).map(|second| of_second(second).map(&mut count).sum()).collect()
    }

    #[test]
    fn ten_requests_a_second_for_each_environment() {
        let all = taken(&mut Rate::new(REQUESTS, Bucket::new(1_000.0, 100.0)), 7.0, 5);
        // A second of them at once, then as many each second.
        assert!((139..=140).contains(&all[0]), "{all:?}");
        assert!(all[1..].iter().all(|taken| (69..=71).contains(taken)), "{all:?}");
    }

    #[test]
    fn ten_thousand_a_second_at_once_and_ten_thousand_more_in_ten_seconds() {
        let all = taken(&mut Rate::new(REQUESTS, Bucket::new(1_000.0, 100.0)), 3_000.0, 25);
        let near = |at: usize, expected: f64| {
            let taken = all[at] as f64;
            assert!((taken / expected - 1.0).abs() < 0.1, "in second {at}: {taken} of {expected}");
        };
        near(5, 15_500.0);
        near(10, 20_500.0);
        near(15, 25_500.0);
        near(22, 30_000.0);
        near(24, 30_000.0);
    }

    #[test]
    fn a_quota_that_falls_takes_its_requests_along() {
        let mut rate = Rate::new(REQUESTS, Bucket::new(1_000.0, 100.0));
        assert_eq!((0..200).filter(|_| rate.take(Duration::ZERO, 100.0)).count(), 200);
        let later = Duration::from_secs(5);
        assert_eq!((0..200).filter(|_| rate.take(later, 1.0)).count(), 10);
        assert_eq!((0..200).filter(|_| rate.take(later, 0.0)).count(), 0);
    }
}
