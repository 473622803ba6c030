//! Limits the number of requests in flight.
//!
//! Lambda gives every request its own environment, up to a quota that it does not tell. So latency says
//! nothing about how full the service is: it rises with concurrency only through cold starts, and a limit
//! that follows a latency gradient would mistake those for congestion exactly when a burst begins. Only a
//! refusal says that the service is full. Therefore the limit changes in these ways:
//!
//! - **It rises to what the stream needs**, at once. By Little's law, that is `rate × latency / batch`
//!   requests in flight.
//! - **It rises further additively**, while most of it is used and requests are answered.
//! - **It falls multiplicatively** when a request is throttled, when a connection fails, and when this machine
//!   has no room for a connection or no memory for an answer; on nothing else. It falls once per round of
//!   requests: requests that were sent before it fell say nothing new.
//!
//! After a throttle the quota is close. Little's law then raises the limit only to its value after the fall,
//! and beyond that it rises additively. When nothing was throttled for [`Settings::forget`], the quota is
//! taken to be unknown again: in that time the service starts a thousand more environments.

use crate::batch::Nanos;

/// Settings of the limiter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Initial limit. If it is too small, the first requests of a burst wait a round trip for each other; if
    /// it is too large, a new account, whose quota is 10, throttles them.
    pub initial: usize,
    /// Lowest limit. With a limit below 1 nothing would be sent any more, and nothing learned.
    pub min: usize,
    /// Highest limit. If it is too small, the remote side's latency bounds the rate; if it is too large, one
    /// stream can use up the account's quota (1,000 per region unless raised).
    pub max: usize,
    /// Factor on a throttle. If it is near 0, the limit recovers slowly; if it is near 1, many requests are
    /// throttled until the limit fits.
    pub shrink: f64,
    /// By how much the limit rises per as many answers as the limit is. If it is small, a raised quota is
    /// found slowly; if it is large, a known quota is exceeded often.
    pub step: f64,
    /// How long a throttle is remembered.
    pub forget: Nanos,
}

impl Default for Settings {
    /// The factor one half is usual for AIMD; the step is two instead of the usual one, because requests last
    /// tens of milliseconds and a burst lasts seconds.
    fn default() -> Self {
        Settings { initial: 10, min: 1, max: 1_000, shrink: 0.5, step: 2.0, forget: 10_000_000_000 }
    }
}

/// The quota, as of the last throttle.
#[derive(Clone, Copy, Debug)]
struct LastRefusal {
    /// Highest limit that Little's law alone sets.
    cap: f64,
    at: Nanos,
}

/// The limit: a pure function of the outcomes.
#[derive(Clone, Debug)]
pub struct Limiter {
    settings: Settings,
    limit: f64,
    last_refusal: Option<LastRefusal>,
}

impl Limiter {
    /// Creates a limiter with the initial limit.
    pub fn new(settings: Settings) -> Self {
        let mut limiter = Limiter { settings, limit: 0.0, last_refusal: None };
        limiter.set(settings.initial as f64);
        limiter
    }

    /// Returns how many requests may be in flight.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// Returns whether the limit is at its minimum. If a request is throttled then, nothing is accepted.
    pub fn is_lowest(&self) -> bool {
        self.limit() <= self.settings.min
    }

    /// Records that the stream needs `requests` in flight.
    pub fn demand(&mut self, now: Nanos, requests: f64) {
        let settings = &self.settings;
        self.last_refusal = self
            .last_refusal
            .filter(|last_refusal| now.saturating_sub(last_refusal.at) < settings.forget);
        let wanted =
            self.last_refusal.map_or(requests, |last_refusal| requests.min(last_refusal.cap));
        if wanted > self.limit {
            self.set(wanted);
        }
    }

    /// Records an answer while `in_flight` requests were in flight, its own included.
    pub fn answered(&mut self, in_flight: usize) {
        if 4 * in_flight >= 3 * self.limit() {
            self.set(self.limit + self.settings.step / self.limit);
            if let Some(last_refusal) = &mut self.last_refusal {
                last_refusal.cap = last_refusal.cap.max(self.limit);
            }
        }
    }

    /// Records that a request which was sent at `sent` was throttled, that its connection failed, or that this
    /// machine had no room for it.
    pub fn refused(&mut self, now: Nanos, sent: Nanos) {
        if self.last_refusal.is_some_and(|last_refusal| sent < last_refusal.at) {
            return;
        }
        self.set(self.limit * self.settings.shrink);
        self.last_refusal = Some(LastRefusal { cap: self.limit, at: now });
    }

    fn set(&mut self, limit: f64) {
        let Settings { min, max, .. } = self.settings;
        let min = min.max(1) as f64;
        self.limit = limit.clamp(min, (max as f64).max(min));
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    const MS: Nanos = 1_000_000;
    const SECOND: Nanos = 1_000 * MS;

    #[test]
    fn demand_sets_the_limit_at_once_and_throttles_halve_it_once_per_round() {
        let mut limiter = Limiter::new(Settings::default());
        assert_eq!(limiter.limit(), 10);
        limiter.demand(0, 80.4);
        assert_eq!(limiter.limit(), 80);
        // Twenty throttles of one round count once.
        (0..20).for_each(|_| limiter.refused(10 * MS, 5 * MS));
        assert_eq!(limiter.limit(), 40);
        limiter.demand(11 * MS, 80.0);
        assert_eq!(limiter.limit(), 40, "the quota is close");
        limiter.refused(30 * MS, 20 * MS);
        assert_eq!(limiter.limit(), 20);
        limiter.demand(11 * SECOND, 80.0);
        assert_eq!(limiter.limit(), 80, "the throttle is forgotten");
    }

    /// A service with a quota that changes, and a stream that always has requests to send, in simulated time.
    /// A request takes 30 ms. Returns the limit and the number of answers for each 100 ms.
    fn scenario(quota: impl Fn(Nanos) -> usize, need: f64, until: Nanos) -> Vec<(usize, usize)> {
        let mut limiter = Limiter::new(Settings::default());
        let mut in_flight: BinaryHeap<Reverse<(Nanos, Nanos, bool)>> = BinaryHeap::new();
        let mut running = 0;
        let mut seen = Vec::new();
        let mut answers = 0;
        for tick in 0..until / MS {
            let now = tick * MS;
            while let Some(Reverse((end, sent, runs))) = in_flight.peek().copied() {
                if end > now {
                    break;
                }
                let before = in_flight.len();
                in_flight.pop();
                if runs {
                    running -= 1;
                    answers += 1;
                    limiter.answered(before);
                } else {
                    limiter.refused(now, sent);
                }
            }
            limiter.demand(now, need);
            while in_flight.len() < limiter.limit().min(need as usize) {
                let runs = running < quota(now);
                running += usize::from(runs);
                let takes = if runs { 30 * MS } else { 5 * MS };
                in_flight.push(Reverse((now + takes, now, runs)));
            }
            if tick % 100 == 99 {
                seen.push((limiter.limit(), answers));
                answers = 0;
            }
        }
        seen
    }

    /// Scenario: a quota of 50 falls to 5 from second 2 to 4. While it is low, the limit is close to it; 2
    /// seconds after it has risen again, the stream has what it needs.
    #[test]
    fn the_limit_recovers_after_throttling_ends() {
        let low = 2 * SECOND..4 * SECOND;
        let seen = scenario(|now| if low.contains(&now) { 5 } else { 50 }, 40.0, 8 * SECOND);
        let all = 40 * 100 / 30;
        assert!(seen[5..20].iter().all(|(limit, _)| *limit >= 40), "{seen:?}");
        assert!(seen[25..40].iter().all(|(limit, _)| *limit <= 15), "{seen:?}");
        let throttled: usize = seen[25..40].iter().map(|(_, answers)| answers).sum();
        assert!(throttled >= 15 * 5 * 100 / 30 / 2, "at least half of the quota is used: {seen:?}");
        assert!(seen[60..].iter().all(|(_, answers)| *answers >= all * 9 / 10), "{seen:?}");
    }

    /// Scenario: the stream needs more than the quota. The quota is used, and few requests are throttled.
    #[test]
    fn the_limit_settles_near_the_quota() {
        let seen = scenario(|_| 20, 100.0, 10 * SECOND);
        let answers: usize = seen[20..].iter().map(|(_, answers)| answers).sum();
        let most = 20 * 8_000 / 30;
        assert!(answers * 10 >= most * 7, "{answers} of {most}: {seen:?}");
    }

    proptest! {
        #[test]
        fn the_limit_stays_within_its_bounds_and_falls_only_on_a_refusal(
            min in 1..20_usize,
            more in 0..100_usize,
            events in prop::collection::vec((0..3_u8, 0.0..1e6_f64, 0..150_usize), 0..200),
        ) {
            let settings = Settings { min, max: min + more, ..Settings::default() };
            let mut limiter = Limiter::new(settings);
            for (index, (kind, value, count)) in events.into_iter().enumerate() {
                let now = index as u64 * 50 * MS;
                let before = limiter.limit;
                match kind {
                    0 => limiter.demand(now, value),
                    1 => limiter.answered(count),
                    _ => limiter.refused(now, if count > 70 { now } else { 0 }),
                }
                prop_assert!((min..=min + more).contains(&limiter.limit()));
                prop_assert!(kind == 2 || limiter.limit >= before, "only a refusal lowers the limit");
                prop_assert!(kind < 2 || limiter.limit <= before);
            }
        }
    }
}
