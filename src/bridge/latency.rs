//! Latency of the remote side.
//!
//! The latency is the time on the wire of requests to warm environments. It leaves out the time that a work
//! item waits in the bridge, which is not the remote side's, and the start of an environment, which happens
//! once. Cold starts are measured separately. A request that was given up took at least as long as its age.
//! It counts in the 99th percentile ([`Latency::p99`]), because otherwise a remote side that has become slow
//! would look like one that hangs for ever. It does not count in the other times.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::batch::Nanos;

/// Number of requests that are remembered. If it is small, one slow response is the 99th percentile for long;
/// if it is large, a change is noticed late.
const WINDOW: usize = 100;

/// Times of the last requests.
#[derive(Clone, Debug, Default)]
struct Window {
    /// In the order of their responses, from `next` on.
    micros: Vec<u32>,
    next: usize,
    /// The same times, the shortest first.
    sorted: Vec<u32>,
}

impl Window {
    fn push(&mut self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        if self.micros.len() < WINDOW {
            self.micros.push(micros);
        } else {
            let oldest = std::mem::replace(&mut self.micros[self.next], micros);
            let at = self.sorted.partition_point(|time| *time < oldest);
            self.sorted.remove(at);
        }
        self.next = (self.next + 1) % WINDOW;
        let at = self.sorted.partition_point(|time| *time < micros);
        self.sorted.insert(at, micros);
    }

    fn quantile(&self, quantile: f64) -> Option<Duration> {
        let last = self.sorted.len().checked_sub(1)?;
        let at = (last as f64 * quantile).round() as usize;
        Some(Duration::from_micros(u64::from(self.sorted[at.min(last)])))
    }
}

/// Measured latencies of the remote side.
#[derive(Clone, Debug)]
pub struct Latency {
    warm: Window,
    /// Times that include the requests that were given up.
    all: Window,
    cold: Window,
    /// Requests to warm environments in flight: when each was sent, by number, the oldest first.
    in_flight: BTreeMap<u64, Nanos>,
    initial: Duration,
}

impl Latency {
    /// `initial` is the estimate before the first measurement.
    pub fn new(initial: Duration) -> Self {
        let window = Window::default;
        Latency {
            warm: window(),
            all: window(),
            cold: window(),
            in_flight: BTreeMap::new(),
            initial,
        }
    }

    /// Records that a request took `time`; `cold` if its environment was started for it.
    pub fn record(&mut self, time: Duration, cold: bool) {
        if cold {
            self.cold.push(time);
        } else {
            self.warm.push(time);
            self.all.push(time);
        }
    }

    /// Records that a request was given up at this age; `may_be_cold` if it may have met a cold environment.
    pub fn record_abandoned(&mut self, age: Duration, may_be_cold: bool) {
        if may_be_cold { &mut self.cold } else { &mut self.all }.push(age);
    }

    /// Records that a request to a warm environment is sent.
    pub fn started(&mut self, number: u64, now: Nanos) {
        self.in_flight.insert(number, now);
    }

    /// Records that the request has ended.
    pub fn finished(&mut self, number: u64) {
        self.in_flight.remove(&number);
    }

    /// Returns the age of the oldest request in flight, leaving out one for each hundred known requests. If it
    /// is above the times of earlier requests, requests take at least that long now.
    pub fn age(&self, now: Nanos) -> Option<Duration> {
        let exempt = (self.all.micros.len() + self.in_flight.len()) / 100;
        let sent = self.in_flight.values().nth(exempt)?;
        Some(Duration::from_nanos(now.saturating_sub(*sent)))
    }

    /// Returns whether a warm request was measured.
    pub fn is_known(&self) -> bool {
        !self.warm.micros.is_empty()
    }

    /// Returns the median of the warm requests, or of the cold ones while there were no warm ones.
    pub fn median(&self) -> Duration {
        self.warm.quantile(0.5).or_else(|| self.cold.quantile(0.5)).unwrap_or(self.initial)
    }

    /// Returns the 99th percentile of the warm requests. Requests that were given up count with their age.
    pub fn p99(&self) -> Duration {
        // Before the first warm request, the longest cold start is an upper bound.
        let known = self.all.quantile(0.99).or_else(|| self.cold.quantile(1.0));
        known.unwrap_or(2 * self.initial)
    }

    /// Returns the median of the cold starts, including their requests; zero if none was measured.
    pub fn known_cold(&self) -> Duration {
        self.cold.quantile(0.5).unwrap_or_default()
    }

    /// Returns the longest recent cold start, including its request.
    pub fn cold(&self) -> Duration {
        self.cold.quantile(1.0).unwrap_or(8 * self.initial).max(self.p99())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_last_times(times in prop::collection::vec(0..50_u32, 1..300)) {
            let mut window = Window::default();
            for (index, time) in times.iter().enumerate() {
                window.push(Duration::from_micros(u64::from(*time)));
                let mut last = times[(index + 1).saturating_sub(WINDOW)..=index].to_vec();
                last.sort_unstable();
                prop_assert_eq!(&window.sorted, &last);
            }
        }
    }

    #[test]
    fn cold_starts_are_measured_separately_and_a_change_is_noticed() {
        let ms = Duration::from_millis;
        let mut latency = Latency::new(ms(250));
        assert_eq!((latency.median(), latency.p99()), (ms(250), ms(500)));
        latency.record(ms(900), true);
        assert!(!latency.is_known());
        assert_eq!(
            latency.median(),
            ms(900),
            "a cold start is a better estimate than the initial one"
        );
        (0..100).for_each(|n| latency.record(ms(20 + n % 10), false));
        assert!((ms(23)..=ms(26)).contains(&latency.median()), "{:?}", latency.median());
        assert_eq!((latency.p99(), latency.cold()), (ms(29), ms(900)));
        latency.record_abandoned(ms(5_000), false);
        assert_eq!(latency.p99(), ms(29));
        latency.record_abandoned(ms(5_000), false);
        assert_eq!(latency.p99(), ms(5_000));
        (0..60).for_each(|_| latency.record(ms(200), false));
        assert_eq!(latency.median(), ms(200));
    }

    #[test]
    fn requests_in_flight_count_at_their_age() {
        let ms = Duration::from_millis;
        let mut latency = Latency::new(ms(250));
        (0..100).for_each(|_| latency.record(ms(20), false));
        assert_eq!(latency.age(0), None);
        (0..3).for_each(|number| latency.started(number, number * 1_000_000));
        assert_eq!(latency.age(101_000_000), Some(ms(100)), "the oldest one is left out");
        latency.finished(1);
        assert_eq!(latency.age(102_000_000), Some(ms(100)));
    }
}
