//! How long the remote side takes.
//!
//! What is learned is the time on the wire of warm requests: the time that a part waits here and an
//! environment's start are left out, for the one is our own queue and the other is paid once. Cold
//! starts are learned apart. A request that was given up took at least as long as it was old: it
//! counts in what a request may take ([`Latency::p99`]), or a remote side that has become slow
//! would be taken for one that hangs for ever, but not in what others took.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::batch::Nanos;

/// Requests that are remembered: few, and one slow answer is the 99th percentile for long; many,
/// and a change is seen late.
const WINDOW: usize = 100;

/// The last requests' times, in the order they came.
#[derive(Clone, Debug, Default)]
struct Window {
    micros: Vec<u32>,
    next: usize,
}

impl Window {
    fn push(&mut self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        if self.micros.len() < WINDOW {
            self.micros.push(micros);
        } else {
            self.micros[self.next] = micros;
        }
        self.next = (self.next + 1) % WINDOW;
    }

    fn quantile(&self, quantile: f64) -> Option<Duration> {
        let mut micros = self.micros.clone();
        let last = micros.len().checked_sub(1)?;
        let at = (last as f64 * quantile).round() as usize;
        let (_, value, _) = micros.select_nth_unstable(at.min(last));
        Some(Duration::from_micros(u64::from(*value)))
    }
}

/// What is known of the remote side's latency.
#[derive(Clone, Debug)]
pub struct Latency {
    warm: Window,
    /// With those that were given up.
    all: Window,
    cold: Window,
    /// When those to warm environments went that are in flight, by number: the oldest first.
    in_flight: BTreeMap<u64, Nanos>,
    initial: Duration,
}

impl Latency {
    /// `initial` is what is believed before anything was measured.
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

    /// A request took `time`; `cold` if its environment was started for it.
    pub fn record(&mut self, time: Duration, cold: bool) {
        if cold {
            self.cold.push(time);
        } else {
            self.warm.push(time);
            self.all.push(time);
        }
    }

    /// A request was given up at this age; `may_be_cold` if it may have met a cold environment.
    pub fn record_abandoned(&mut self, age: Duration, may_be_cold: bool) {
        if may_be_cold { &mut self.cold } else { &mut self.all }.push(age);
    }

    /// A request to a warm environment goes.
    pub fn started(&mut self, number: u64, now: Nanos) {
        self.in_flight.insert(number, now);
    }

    /// It is over.
    pub fn finished(&mut self, number: u64) {
        self.in_flight.remove(&number);
    }

    /// The age that not more than one of a hundred of the known requests has among those in flight:
    /// if they are older than others got, requests take at least as long now.
    pub fn age(&self, now: Nanos) -> Option<Duration> {
        let exempt = (self.all.micros.len() + self.in_flight.len()) / 100;
        let sent = self.in_flight.values().nth(exempt)?;
        Some(Duration::from_nanos(now.saturating_sub(*sent)))
    }

    /// Whether a warm request was measured.
    pub fn is_known(&self) -> bool {
        !self.warm.micros.is_empty()
    }

    /// Half of the warm requests take longer; of the cold ones, while there were none.
    pub fn median(&self) -> Duration {
        self.warm.quantile(0.5).or_else(|| self.cold.quantile(0.5)).unwrap_or(self.initial)
    }

    /// One of a hundred warm requests takes longer, if those that were given up would have been
    /// answered just then.
    pub fn p99(&self) -> Duration {
        // One that was started for it took longer than one that was there.
        let known = self.all.quantile(0.99).or_else(|| self.cold.quantile(1.0));
        known.unwrap_or(2 * self.initial)
    }

    /// What half of the cold starts took, their requests included; zero if none was measured.
    pub fn known_cold(&self) -> Duration {
        self.cold.quantile(0.5).unwrap_or_default()
    }

    /// The longest that a cold start has taken of late, its request included.
    pub fn cold(&self) -> Duration {
        self.cold.quantile(1.0).unwrap_or(8 * self.initial).max(self.p99())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_starts_are_apart_and_a_change_is_seen() {
        let ms = Duration::from_millis;
        let mut latency = Latency::new(ms(250));
        assert_eq!((latency.median(), latency.p99()), (ms(250), ms(500)));
        latency.record(ms(900), true);
        assert!(!latency.is_known());
        assert_eq!(latency.median(), ms(900), "better than a guess");
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
    fn a_remote_side_that_hangs_is_slow() {
        let ms = Duration::from_millis;
        let mut latency = Latency::new(ms(250));
        (0..100).for_each(|_| latency.record(ms(20), false));
        assert_eq!(latency.age(0), None);
        (0..3).for_each(|number| latency.started(number, number * 1_000_000));
        assert_eq!(latency.age(101_000_000), Some(ms(100)), "one of them may be an accident");
        latency.finished(1);
        assert_eq!(latency.age(102_000_000), Some(ms(100)));
    }
}
