//! The environments of a function, and which of them are free.

use std::time::{Duration, Instant};

use super::Model;
use super::process::Process;
use crate::quota::{RequestRate, TokenBucket};

/// An environment: modelled, or a process.
pub(super) enum Environment {
    Modelled,
    Process(Box<Process>),
}

/// The environment that a request gets.
pub(super) enum Acquired {
    Warm(Environment),
    /// A new environment, which must be started.
    Cold,
}

/// The reason why a request is throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Throttle {
    /// All environments that may exist are busy, or no more may be started at the moment.
    Concurrency,
    /// The rate of requests exceeds what the environments or the ramp allow.
    RequestRate,
}

/// The environments of a function. The time is passed in.
pub(super) struct Environments {
    most: usize,
    idle: Duration,
    began: Option<Instant>,
    starts: TokenBucket,
    rate: RequestRate,
    /// The number of environments that are busy until a time that is not known yet.
    busy: usize,
    /// The other environments, with the time from which they are free, the earliest first.
    free: Vec<(Instant, Environment)>,
}

impl Environments {
    pub(super) fn new(model: &Model) -> Self {
        let Model { idle, ramp, requests, .. } = *model;
        let ramp = TokenBucket::new(ramp as f64, ramp as f64 / REFILL.as_secs_f64());
        Environments {
            most: model.environments(),
            idle,
            began: None,
            starts: ramp.clone(),
            rate: RequestRate::new(requests as f64, ramp),
            busy: 0,
            free: Vec::new(),
        }
    }

    /// Takes a free environment, or starts one if that is allowed.
    pub(super) fn take(&mut self, now: Instant) -> Result<Acquired, Throttle> {
        self.reap(now);
        // The environment used last is reused, so that the others may become idle and end.
        let warm = self.free.partition_point(|(free, _)| *free <= now);
        let passed = now.saturating_duration_since(*self.began.get_or_insert(now));
        if warm == 0 && (self.count() >= self.most || !self.starts.is_available(passed)) {
            return Err(Throttle::Concurrency);
        }
        if !self.rate.take(passed, self.most as f64) {
            return Err(Throttle::RequestRate);
        }
        self.busy += 1;
        if warm > 0 {
            let (_, environment) = self.free.remove(warm - 1);
            return Ok(Acquired::Warm(environment));
        }
        self.starts.take(passed);
        Ok(Acquired::Cold)
    }

    /// Returns an environment that is free from `at` on.
    pub(super) fn release(&mut self, environment: Environment, at: Instant) {
        self.busy -= 1;
        self.add(environment, at);
    }

    /// Removes a busy environment that has ended.
    pub(super) fn lost(&mut self) {
        self.busy -= 1;
    }

    /// Adds an environment that was started without a request.
    pub(super) fn add(&mut self, environment: Environment, at: Instant) {
        let position = self.free.partition_point(|(free, _)| *free <= at);
        self.free.insert(position, (at, environment));
    }

    /// Ends environments that were idle for too long.
    pub(super) fn reap(&mut self, now: Instant) {
        let idle = self.idle;
        self.free.retain(|(free, _)| now.saturating_duration_since(*free) <= idle);
    }

    /// Returns the number of environments.
    pub(super) fn count(&self) -> usize {
        self.busy + self.free.len()
    }
}

/// The time after which as many more environments may be started as at once.
const REFILL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn environments(options: &[(&str, &str)]) -> Environments {
        let mut model = Model::default();
        for (key, value) in options {
            model.set(key, value).unwrap();
        }
        Environments::new(&model)
    }

    /// Returns whether the environment is cold, or None for a throttle.
    fn cold(taken: Result<Acquired, Throttle>) -> Option<bool> {
        taken.ok().map(|taken| matches!(taken, Acquired::Cold))
    }

    #[test]
    fn warm_environments_are_reused_until_they_are_idle_for_too_long() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut environments = environments(&[("concurrency", "2"), ("idle", "10s")]);
        assert_eq!(cold(environments.take(at(0))), Some(true));
        assert_eq!(cold(environments.take(at(0))), Some(true));
        assert_eq!(cold(environments.take(at(0))), None, "only two may exist");
        environments.release(Environment::Modelled, at(5));
        assert_eq!(cold(environments.take(at(4))), None, "the first one is busy until 5");
        assert_eq!(cold(environments.take(at(5))), Some(false));
        environments.release(Environment::Modelled, at(6));
        environments.release(Environment::Modelled, at(7));
        assert_eq!(cold(environments.take(at(17))), Some(false), "the one that was free from 7 on");
        assert_eq!(environments.count(), 1, "the one that was free from 6 on has ended");
        assert_eq!(cold(environments.take(at(17))), Some(true));
        environments.lost();
        assert_eq!(environments.count(), 1);
    }

    #[test]
    fn a_ramp_allows_its_number_of_starts_at_once_and_again_within_ten_seconds() {
        let start = Instant::now();
        let mut environments = environments(&[("concurrency", "1000"), ("ramp", "20")]);
        let mut started = |milliseconds| {
            let now = start + Duration::from_millis(milliseconds);
            (0..1_000).take_while(|_| environments.take(now).is_ok()).count()
        };
        assert_eq!(started(0), 20);
        assert_eq!(started(400), 0, "one more is allowed every half second");
        assert_eq!(started(600), 1);
        assert_eq!(started(5_100), 9, "nine and a fraction were added since");
        assert_eq!(started(60_000), 20, "the bucket holds no more");
    }

    #[test]
    fn requests_are_limited_to_ten_per_second_for_each_allowed_environment() {
        let start = Instant::now();
        let mut environments = environments(&[("concurrency", "2")]);
        let mut refused = Vec::new();
        for request in 0..100 {
            let at = start + Duration::from_millis(10 * request);
            match environments.take(at) {
                Ok(_) => environments.release(Environment::Modelled, at),
                Err(why) => refused.push(why),
            }
        }
        // Twenty requests are allowed at once, and twenty within the second.
        assert!((55..=65).contains(&refused.len()), "{}", refused.len());
        assert!(refused.iter().all(|why| *why == Throttle::RequestRate));
        assert!((0..2).all(|_| environments.take(start + Duration::from_secs(3)).is_ok()));
        let full = environments.take(start + Duration::from_secs(3));
        assert_eq!(full.err(), Some(Throttle::Concurrency), "concurrency is checked first");
    }
}
