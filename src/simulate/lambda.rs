//! The remote side: environments, a quota, a ramp, and what goes wrong.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Spread;
use crate::aws::Throttle;
use crate::batch::Nanos;
use crate::bridge::Failure;
use crate::quota::{REQUESTS_PER_ENVIRONMENT, RequestRate, TokenBucket};

/// How the service, its network and its functions behave.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// A round trip to the service: half of it before the work, half after.
    pub network: Duration,
    /// How long a new environment takes until it can work. It is billed.
    pub cold_start: Duration,
    /// How long an environment may be idle before it is taken away.
    pub idle: Duration,
    /// Requests that may run at once; what is beyond them is throttled (429).
    pub concurrency: usize,
    /// Requests a second for each that may run at once; more are throttled.
    pub requests: f64,
    /// Environments that may be started at once, and how many more a second: Lambda's own are a
    /// thousand every ten seconds.
    pub ramp: Ramp,
    /// A record's time in a function.
    pub record: Duration,
    /// How the time of a request, without the network's, is spread.
    pub spread: Spread,
    /// The share of invocations that fail, in four ways.
    pub failure_rate: f64,
    /// The share of requests that are throttled however few there are.
    pub throttle_rate: f64,
    /// How it changes: each holds from its time until the next one's.
    pub weather: Vec<(Nanos, Weather)>,
}

/// An invocation takes at least so long, also without records: requests that are sent together to start
/// environments do not all meet the same one.
const INVOCATION: Duration = Duration::from_millis(1);

/// How fast environments are started, and by how many times `requests` their rate grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ramp {
    /// At once.
    pub most: f64,
    /// More a second.
    pub per_second: f64,
}

/// How the remote side is for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// All times are multiplied by this.
    pub slower: f64,
    /// The quota is multiplied by this.
    pub quota: f64,
    /// Whether it answers.
    pub state: State,
}

/// Whether the remote side is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Well,
    /// Connections fail, after a round trip.
    Away,
    /// Nothing is ever answered.
    Hangs,
}

impl Default for Weather {
    fn default() -> Self {
        Weather { slower: 1.0, quota: 1.0, state: State::Well }
    }
}

impl Default for Ramp {
    fn default() -> Self {
        Ramp { most: 1_000.0, per_second: 100.0 }
    }
}

impl Default for Lambda {
    /// As the local Lambda's.
    fn default() -> Self {
        Lambda {
            network: Duration::from_millis(20),
            cold_start: Duration::from_millis(150),
            idle: Duration::from_secs(300),
            concurrency: 100,
            requests: REQUESTS_PER_ENVIRONMENT,
            ramp: Ramp::default(),
            record: Duration::ZERO,
            spread: Spread::Constant,
            failure_rate: 0.0,
            throttle_rate: 0.0,
            weather: Vec::new(),
        }
    }
}

impl Lambda {
    /// What a request of `records` takes at least, once its environment is warm.
    pub fn least(&self, records: usize) -> Duration {
        self.network + self.work(records)
    }

    /// What a function takes for so many records.
    fn work(&self, records: usize) -> Duration {
        (self.record * records as u32).max(INVOCATION)
    }

    fn weather(&self, now: Nanos) -> Weather {
        let begun = self.weather.partition_point(|(from, _)| *from <= now);
        begun.checked_sub(1).map_or(Weather::default(), |last| self.weather[last].1)
    }
}

/// What becomes of a request, known when it is sent.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    /// When the client hears of it.
    pub at: Nanos,
    /// Billed milliseconds, if it ran.
    pub billed_ms: Option<f64>,
    /// Whether its environment was started for it; or what went wrong.
    pub result: Result<bool, Failure>,
}

/// The service as it runs.
pub(super) struct Service {
    lambda: Lambda,
    /// When the environments that work will be idle.
    busy: BinaryHeap<Reverse<Nanos>>,
    /// Since when the others are: the one used last is at the end, and is used first.
    idle: VecDeque<Nanos>,
    starts: TokenBucket,
    rate: RequestRate,
    /// Environments there were at most.
    pub most: usize,
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
            cold_starts: 0,
        }
    }

    /// A request of `records` is sent at `now`; times do not fall from one request to the next. It is
    /// given up after `timeout`.
    pub(super) fn invoke(
        &mut self,
        now: Nanos,
        records: usize,
        timeout: Duration,
        random: &mut StdRng,
    ) -> Invocation {
        let weather = self.lambda.weather(now);
        let half = self.lambda.network.mul_f64(weather.slower / 2.0).as_nanos() as Nanos;
        let limit = timeout.as_nanos() as Nanos;
        let begin = now + half;
        let fails =
            |failure| Invocation { at: begin + half, billed_ms: None, result: Err(failure) };
        match weather.state {
            State::Well => {}
            State::Away => return fails(Failure::Connection("the service is away".to_owned())),
            State::Hangs => {
                let billed_ms = Some(limit as f64 / 1e6);
                return Invocation { at: now + limit, billed_ms, result: Err(Failure::TimedOut) };
            }
        }
        // As the local Lambda's: before the function runs, after it, in the answer, or in its code.
        let fault = (random.random::<f64>() < self.lambda.failure_rate)
            .then(|| random.random_range(0..4_u8));
        if fault == Some(0) {
            return fails(Failure::Service(500));
        }
        let is_throttled =
            self.lambda.throttle_rate > 0.0 && random.random::<f64>() < self.lambda.throttle_rate;
        let taken = if is_throttled { None } else { self.take(begin, weather) };
        let Some(cold) = taken else { return fails(Failure::Throttled(Throttle::Unknown)) };
        let start = if cold { self.lambda.cold_start } else { Duration::ZERO };
        let took = (start + self.lambda.work(records))
            .mul_f64(weather.slower * self.lambda.spread.draw(random));
        let end = begin + took.as_nanos() as Nanos;
        self.busy.push(Reverse(end));
        self.most = self.most.max(self.busy.len() + self.idle.len());
        let billed_ms = Some((took.as_secs_f64() * 1e3).ceil().max(1.0));
        let at = end + half;
        if at > now + limit {
            return Invocation { at: now + limit, billed_ms, result: Err(Failure::TimedOut) };
        }
        let result = match fault {
            None => Ok(cold),
            Some(1) => Err(Failure::Service(502)),
            Some(2) => Err(Failure::Connection("the answer broke off".to_owned())),
            Some(_) => Err(Failure::Function("it was made to fail".to_owned())),
        };
        Invocation { at, billed_ms, result }
    }

    /// All environments are idle now, whatever they were busy with.
    pub(super) fn settle(&mut self) {
        self.idle.extend(self.busy.drain().map(|_| 0));
    }

    /// Takes an environment at `now`: answers whether it has to be started first, or `None` where the
    /// request is throttled.
    fn take(&mut self, now: Nanos, weather: Weather) -> Option<bool> {
        while let Some(Reverse(end)) = self.busy.peek().copied().filter(|end| end.0 <= now) {
            self.busy.pop();
            self.idle.push_back(end);
        }
        let idle = self.lambda.idle.as_nanos() as Nanos;
        while self.idle.front().is_some_and(|since| now.saturating_sub(*since) > idle) {
            self.idle.pop_front();
        }
        let quota = (self.lambda.concurrency as f64 * weather.quota) as usize;
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    const MS: Nanos = 1_000_000;
    const LONG: Duration = Duration::from_secs(10);

    fn service(lambda: Lambda) -> impl FnMut(Nanos) -> (u64, Result<bool, Failure>) {
        let (mut service, mut random) = (Service::new(lambda), StdRng::seed_from_u64(1));
        move |at| {
            let invocation = service.invoke(at * MS, 1_000, LONG, &mut random);
            (invocation.at / MS, invocation.result)
        }
    }

    #[test]
    fn environments_are_used_again_up_to_the_quota() {
        let record = Duration::from_micros(10);
        let mut invoke = service(Lambda { record, concurrency: 2, ..Lambda::default() });
        assert_eq!(invoke(0), (180, Ok(true)));
        assert_eq!(invoke(0), (180, Ok(true)));
        assert_eq!(invoke(0), (20, Err(Failure::Throttled(Throttle::Unknown))));
        assert_eq!(invoke(170), (200, Ok(false)));
        assert_eq!(invoke(400_000), (400_180, Ok(true)), "they were idle for too long");
    }

    #[test]
    fn a_thousand_start_at_once_and_a_hundred_a_second() {
        let mut invoke = service(Lambda { concurrency: 5_000, ..Lambda::default() });
        let mut started = |at, tries| (0..tries).filter(|_| invoke(at).1 == Ok(true)).count();
        assert_eq!(started(0, 1_500), 1_000);
        // Those of before are idle again by now.
        assert_eq!(started(5_000, 2_000), 500);
    }

    #[test]
    fn ten_requests_a_second_for_each_environment() {
        let mut invoke = service(Lambda { concurrency: 2, ..Lambda::default() });
        // Two are started, and then one is free for each request.
        let all: Vec<_> = (0..1_000).map(|n| invoke(1_000 + 5 * n).1).collect();
        let done = all.iter().filter(|result| result.is_ok()).count();
        assert!((110..=125).contains(&done), "{done}: twenty at once, and twenty a second");
    }

    #[test]
    fn weather() {
        let at = |from: u64, weather| (from * MS, weather);
        let fine = Weather::default();
        let mut invoke = service(Lambda {
            weather: vec![
                at(1_000, Weather { slower: 10.0, ..fine }),
                at(2_000, Weather { state: State::Away, ..fine }),
                at(3_000, Weather { state: State::Hangs, ..fine }),
                at(4_000, Weather { quota: 0.0, ..fine }),
                at(5_000, fine),
            ],
            ..Lambda::default()
        });
        assert_eq!(invoke(0), (171, Ok(true)));
        assert_eq!(invoke(1_000), (1_210, Ok(false)));
        assert!(matches!(invoke(2_000), (2_020, Err(Failure::Connection(_)))));
        assert_eq!(invoke(3_000), (13_000, Err(Failure::TimedOut)));
        assert_eq!(invoke(4_000), (4_020, Err(Failure::Throttled(Throttle::Unknown))));
        assert_eq!(invoke(5_000), (5_021, Ok(false)));
    }
}
