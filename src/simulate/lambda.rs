//! The model of the remote side: its environments, its quota, its ramp and its failures.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Spread;
use crate::aws::Throttle;
use crate::batch::Nanos;
use crate::bridge::Failure;
use crate::bridge::core::{Billed, Ended};
use crate::quota::{REQUESTS_PER_ENVIRONMENT, RequestRate, TokenBucket};

/// Behaviour of the service, its network and its functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// Round trip to the service: half of it before the work, half after it.
    pub network: Duration,
    /// Time to start an environment. It is billed.
    pub cold_start: Duration,
    /// How long an environment is kept while it is idle.
    pub idle: Duration,
    /// Largest number of requests at a time. Others are throttled (status 429).
    pub concurrency: usize,
    /// Requests per second for each request that may run at a time. Others are throttled.
    pub requests: f64,
    /// How many environments may be started at a time, and how many more per second. Lambda starts a thousand
    /// every ten seconds.
    pub ramp: Ramp,
    /// Distribution of a request's time, without the network.
    pub spread: Spread,
    /// Share of invocations that fail, in one of four ways.
    pub failure_rate: f64,
    /// Share of requests that are throttled even if there are few.
    pub throttle_rate: f64,
    /// Changes of the service. Each one lasts until the time of the next one.
    pub conditions: Vec<(Nanos, Conditions)>,
}

/// Shortest time of an invocation, also without records, so that requests that are sent together to start
/// environments do not all meet the same one.
const INVOCATION: Duration = Duration::from_millis(1);

/// How fast environments are started. The rate of `requests` grows in the same proportion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// At a time.
    pub most: f64,
    /// Additional ones per second.
    pub per_second: f64,
}

/// The conditions of the service during some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Factor on all times.
    pub slower: f64,
    /// Factor on the quota.
    pub quota: f64,
    /// Whether the service answers.
    pub availability: Availability,
}

/// Whether the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It answers.
    Answers,
    /// Connections fail after a round trip.
    Unreachable,
    /// Requests are never answered.
    Hangs,
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions { slower: 1.0, quota: 1.0, availability: Availability::Answers }
    }
}

impl Default for Ramp {
    fn default() -> Self {
        Ramp { most: 1_000.0, per_second: 100.0 }
    }
}

impl Default for Lambda {
    /// The defaults are those of the local Lambda.
    fn default() -> Self {
        Lambda {
            network: Duration::from_millis(20),
            cold_start: Duration::from_millis(150),
            idle: Duration::from_secs(300),
            concurrency: 100,
            requests: REQUESTS_PER_ENVIRONMENT,
            ramp: Ramp::default(),
            spread: Spread::Constant,
            failure_rate: 0.0,
            throttle_rate: 0.0,
            conditions: Vec::new(),
        }
    }
}

/// Returns the time that a function takes for `records`.
fn work(records: usize, record: Duration) -> Duration {
    (record * records as u32).max(INVOCATION)
}

impl Lambda {
    /// Returns the shortest time of a request of `records` to a warm environment, where each takes `record`.
    pub fn least(&self, records: usize, record: Duration) -> Duration {
        self.network + work(records, record)
    }

    fn conditions(&self, now: Nanos) -> Conditions {
        let begun = self.conditions.partition_point(|(from, _)| *from <= now);
        begun.checked_sub(1).map_or(Conditions::default(), |last| self.conditions[last].1)
    }
}

/// A request to the remote side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// When it is sent. Times do not decrease from one call to the next.
    pub now: Nanos,
    pub records: usize,
    /// Time that a record takes in the function.
    pub record: Duration,
    /// How long the function may run.
    pub timeout: Duration,
}

/// The remote side, as the bridge sees it.
pub(super) trait Remote {
    /// Sends a request.
    fn invoke(&mut self, call: Call, random: &mut StdRng) -> Invocation;

    /// Lets all invocations end at once.
    fn settle(&mut self);
}

/// Outcome of a request, which is computed when it is sent.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    /// When it is on the wire.
    pub on_wire: Nanos,
    /// When the client learns of its end; [`Nanos::MAX`] if it never does.
    pub at: Nanos,
    /// Which of the events at the same time comes first.
    pub rank: u32,
    /// Billed milliseconds, if the function ran.
    pub billed_ms: Option<f64>,
    /// The delay that the service asks for.
    pub retry_after: Option<Duration>,
    /// Whether its environment was started for it, or the failure.
    pub result: Result<bool, Failure>,
}

impl Invocation {
    /// An invocation that is on the wire at once and ends at `at`.
    pub(super) fn new(
        sent: Nanos,
        at: Nanos,
        billed_ms: Option<f64>,
        result: Result<bool, Failure>,
    ) -> Self {
        Invocation { on_wire: sent, at, rank: 0, billed_ms, retry_after: None, result }
    }

    /// Returns what the client sees of its end.
    pub(super) fn ended(self, timeout: Duration) -> Ended {
        let Invocation { on_wire, at, billed_ms, retry_after, result, .. } = self;
        let took = Duration::from_nanos(at.saturating_sub(on_wire)).min(timeout);
        // A service reports what it bills with an answer, and not with an error of its own.
        let is_reported = matches!(result, Ok(_) | Err(Failure::Function(_)));
        let billed = match billed_ms {
            Some(ms) if is_reported => Billed::Reported(Duration::from_secs_f64(ms / 1e3)),
            Some(_) => Billed::TimeOnWire,
            None => Billed::Nothing,
        };
        Ended { result, took, retry_after, billed }
    }
}

/// The running service.
pub(super) struct Service {
    lambda: Lambda,
    /// When each busy environment becomes idle.
    busy: BinaryHeap<Reverse<Nanos>>,
    /// Since when each idle environment is idle. The one used last is at the end, and is used first.
    idle: VecDeque<Nanos>,
    starts: TokenBucket,
    rate: RequestRate,
    /// The largest number of environments at a time.
    pub most: usize,
    /// How many invocations are billed, and their time in milliseconds.
    pub billed: (u64, f64),
    pub cold_starts: u64,
}

impl Service {
    pub(super) fn new(lambda: Lambda) -> Self {
        let starts = TokenBucket::new(lambda.ramp.most, lambda.ramp.per_second);
        Service {
            rate: RequestRate::new(lambda.requests, starts.clone()),
            starts,
            lambda,
            busy: BinaryHeap::new(),
            idle: VecDeque::new(),
            most: 0,
            billed: (0, 0.0),
            cold_starts: 0,
        }
    }

    fn outcome(&mut self, call: Call, random: &mut StdRng) -> Invocation {
        let Call { now, records, record, timeout } = call;
        let conditions = self.lambda.conditions(now);
        let half = self.lambda.network.mul_f64(conditions.slower / 2.0).as_nanos() as Nanos;
        let begin = now + half;
        let fails = |failure| Invocation::new(now, begin + half, None, Err(failure));
        match conditions.availability {
            Availability::Answers => {}
            Availability::Unreachable => {
                return fails(Failure::Connection("the service is unreachable".to_owned()));
            }
            Availability::Hangs => {
                let billed_ms = Some(timeout.as_secs_f64() * 1e3);
                return Invocation::new(now, Nanos::MAX, billed_ms, Err(Failure::TimedOut));
            }
        }
        // Failures are those of the local Lambda: before the function runs, after it, in the response, or in
        // its code.
        let fault = (random.random::<f64>() < self.lambda.failure_rate)
            .then(|| random.random_range(0..4_u8));
        if fault == Some(0) {
            return fails(Failure::Service(500));
        }
        let is_throttled =
            self.lambda.throttle_rate > 0.0 && random.random::<f64>() < self.lambda.throttle_rate;
        let taken = if is_throttled { None } else { self.take(begin, conditions) };
        let Some(cold) = taken else { return fails(Failure::Throttled(Throttle::Unknown)) };
        let start = if cold { self.lambda.cold_start } else { Duration::ZERO };
        let took = (start + work(records, record))
            .mul_f64(conditions.slower * self.lambda.spread.draw(random));
        let end = begin + took.as_nanos() as Nanos;
        self.busy.push(Reverse(end));
        self.most = self.most.max(self.busy.len() + self.idle.len());
        let billed_ms = Some((took.as_secs_f64() * 1e3).ceil().max(1.0));
        let result = match fault {
            None => Ok(cold),
            Some(1) => Err(Failure::Service(502)),
            Some(2) => Err(Failure::Connection("the answer broke off".to_owned())),
            Some(_) => Err(Failure::Function("it was made to fail".to_owned())),
        };
        Invocation::new(now, end + half, billed_ms, result)
    }

    /// Takes an environment at `now`. Returns whether it has to be started first, or `None` if the request is
    /// throttled.
    fn take(&mut self, now: Nanos, conditions: Conditions) -> Option<bool> {
        while let Some(Reverse(end)) = self.busy.peek().copied().filter(|end| end.0 <= now) {
            self.busy.pop();
            self.idle.push_back(end);
        }
        let idle = self.lambda.idle.as_nanos() as Nanos;
        while self.idle.front().is_some_and(|since| now.saturating_sub(*since) > idle) {
            self.idle.pop_front();
        }
        let quota = (self.lambda.concurrency as f64 * conditions.quota) as usize;
        let passed = Duration::from_nanos(now);
        let is_warm = !self.idle.is_empty();
        if self.busy.len() >= quota || !(is_warm || self.starts.is_available(passed)) {
            return None;
        }
        if !self.rate.take(passed, quota as f64) {
            return None;
        }
        if is_warm {
            self.idle.pop_back();
            return Some(false);
        }
        self.starts.take(passed);
        self.cold_starts += 1;
        Some(true)
    }
}

impl Remote for Service {
    fn invoke(&mut self, call: Call, random: &mut StdRng) -> Invocation {
        let invocation = self.outcome(call, random);
        if let Some(ms) = invocation.billed_ms {
            self.billed = (self.billed.0 + 1, self.billed.1 + ms);
        }
        invocation
    }

    fn settle(&mut self) {
        self.idle.extend(self.busy.drain().map(|_| 0));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const MS: Nanos = 1_000_000;
    const LONG: Duration = Duration::from_secs(10);

    fn service(lambda: Lambda) -> impl FnMut(Nanos) -> (u64, Result<bool, Failure>) {
        service_of(lambda, Duration::ZERO)
    }

    fn service_of(
        lambda: Lambda,
        record: Duration,
    ) -> impl FnMut(Nanos) -> (u64, Result<bool, Failure>) {
        let (mut service, mut random) = (Service::new(lambda), StdRng::seed_from_u64(1));
        move |at| {
            let call = Call { now: at * MS, records: 1_000, record, timeout: LONG };
            let invocation = service.invoke(call, &mut random);
            (invocation.at / MS, invocation.result)
        }
    }

    #[test]
    fn idle_environments_are_used_again_and_the_quota_throttles() {
        let record = Duration::from_micros(10);
        let mut invoke = service_of(Lambda { concurrency: 2, ..Lambda::default() }, record);
        assert_eq!(invoke(0), (180, Ok(true)));
        assert_eq!(invoke(0), (180, Ok(true)));
        assert_eq!(invoke(0), (20, Err(Failure::Throttled(Throttle::Unknown))));
        assert_eq!(invoke(170), (200, Ok(false)));
        assert_eq!(invoke(400_000), (400_180, Ok(true)), "they have been idle for too long");
    }

    #[test]
    fn a_thousand_environments_start_at_a_time_and_a_hundred_more_per_second() {
        let mut invoke = service(Lambda { concurrency: 5_000, ..Lambda::default() });
        let mut started = |at, tries| (0..tries).filter(|_| invoke(at).1 == Ok(true)).count();
        assert_eq!(started(0, 1_500), 1_000);
        // The earlier ones are idle again by now.
        assert_eq!(started(5_000, 2_000), 500);
    }

    #[test]
    fn requests_are_limited_to_ten_per_second_for_each_environment() {
        let mut invoke = service(Lambda { concurrency: 2, ..Lambda::default() });
        // Two are started, and then one is free for each request.
        let all: Vec<_> = (0..1_000).map(|n| invoke(1_000 + 5 * n).1).collect();
        let done = all.iter().filter(|result| result.is_ok()).count();
        assert!((110..=125).contains(&done), "{done}: twenty at a time, and twenty per second");
    }

    #[test]
    fn changed_conditions_slow_the_service_lower_its_quota_or_stop_it() {
        let at = |from: u64, conditions| (from * MS, conditions);
        let fine = Conditions::default();
        let mut invoke = service(Lambda {
            conditions: vec![
                at(1_000, Conditions { slower: 10.0, ..fine }),
                at(2_000, Conditions { availability: Availability::Unreachable, ..fine }),
                at(3_000, Conditions { availability: Availability::Hangs, ..fine }),
                at(4_000, Conditions { quota: 0.0, ..fine }),
                at(5_000, fine),
            ],
            ..Lambda::default()
        });
        assert_eq!(invoke(0), (171, Ok(true)));
        assert_eq!(invoke(1_000), (1_210, Ok(false)));
        assert!(matches!(invoke(2_000), (2_020, Err(Failure::Connection(_)))));
        assert_eq!(invoke(3_000), (Nanos::MAX / MS, Err(Failure::TimedOut)));
        assert_eq!(invoke(4_000), (4_020, Err(Failure::Throttled(Throttle::Unknown))));
        assert_eq!(invoke(5_000), (5_021, Ok(false)));
    }
}
