//! The model of the local Lambda: its limits, times and failures.

use std::fmt;
use std::time::Duration;

use crate::quota::REQUESTS_PER_ENVIRONMENT;
use crate::units::{UnitError, parse_count, parse_duration, parse_share};

/// Behaviour of the service, its network and its functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Round trip to the service: half of it before the work, half after it.
    pub network: Duration,
    /// Time to start an environment. It is billed.
    pub cold_start: Duration,
    /// How long an environment is kept while it is idle.
    pub idle: Duration,
    /// Number of environments that may exist. Requests beyond them are throttled (status 429).
    pub concurrency: usize,
    /// Number of environments that are reserved for the function, which can then have no others.
    pub reserved: Option<usize>,
    /// Requests per second for each environment that may exist. Others are throttled.
    pub requests: usize,
    /// Number of environments that may be started at once, and again in every ten seconds, continuously.
    /// Starts beyond them are throttled. The rate of requests grows in proportion (by `requests` per
    /// environment).
    pub ramp: usize,
    /// The function's memory in MB. One virtual CPU is 1,769 MB; modelled work scales with the memory.
    pub memory_mb: u32,
    /// Share of invocations that fail, in one of four ways.
    pub failure_rate: f64,
    /// Share of requests that are throttled even if there are few.
    pub throttle_rate: f64,
    /// Factor on the times of the network and the work.
    pub slow: f64,
    /// When failures, throttles and slowness occur, counted from the service's start; always if `None`.
    pub trouble: Option<(Duration, Duration)>,
    /// When the service is unreachable, counted from its start. Connections break.
    pub outage: Option<(Duration, Duration)>,
    /// Seed that decides which invocations fail and how.
    pub seed: u64,
}

/// Memory of one virtual CPU.
const ONE_CPU_MB: f64 = 1_769.0;

/// Initial limit that AWS gives every function.
const LIST_RAMP: usize = 1_000;
const LIST_REQUESTS: usize = REQUESTS_PER_ENVIRONMENT as usize;

impl Default for Model {
    /// The defaults are those of a region on the same continent, a function in Rust, and an account whose
    /// quota was never raised.
    fn default() -> Self {
        Model {
            network: Duration::from_millis(20),
            cold_start: Duration::from_millis(150),
            idle: Duration::from_secs(300),
            concurrency: 100,
            reserved: None,
            requests: LIST_REQUESTS,
            ramp: LIST_RAMP,
            memory_mb: 1_769,
            failure_rate: 0.0,
            throttle_rate: 0.0,
            slow: 1.0,
            trouble: None,
            outage: None,
            seed: 1,
        }
    }
}

/// A wrong option of the model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There is no such option.
    #[error(
        "expected network, cold_start, idle, concurrency, reserved, requests, ramp, memory, failure_rate, \
         throttle_rate, slow, trouble, outage or seed"
    )]
    Unknown,
    /// The value has no valid unit.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// The value is out of range.
    #[error("expected {0}")]
    Range(&'static str),
}

impl Model {
    /// Sets an option by its name.
    ///
    /// # Errors
    /// If there is no such option, or it cannot have this value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ModelError> {
        match key {
            "network" => self.network = parse_duration(value)?,
            "cold_start" => self.cold_start = parse_duration(value)?,
            "idle" => self.idle = parse_duration(value)?,
            "concurrency" => self.concurrency = environments(value)?,
            "reserved" => self.reserved = Some(environments(value)?),
            "requests" => {
                let requests = parse_count(value)?;
                let range = ModelError::Range("1 to 1M requests a second");
                if !(1..=1_000_000).contains(&requests) {
                    return Err(range);
                }
                self.requests = requests as usize;
            }
            "ramp" => self.ramp = environments(value)?,
            "memory" => {
                let range = ModelError::Range("128 to 10240 MB");
                let memory = value.parse().map_err(|_| ModelError::Range("128 to 10240 MB"))?;
                if !(128..=10_240).contains(&memory) {
                    return Err(range);
                }
                self.memory_mb = memory;
            }
            "failure_rate" => self.failure_rate = parse_share(value)?,
            "throttle_rate" => self.throttle_rate = parse_share(value)?,
            "slow" => {
                let slow = value.parse().ok().filter(|slow: &f64| (1.0..=1e6).contains(slow));
                self.slow = slow.ok_or(ModelError::Range("how many times slower: 1 or more"))?;
            }
            "trouble" => self.trouble = Some(window(value)?),
            "outage" => self.outage = Some(window(value)?),
            "seed" => {
                self.seed = value.parse().map_err(|_| ModelError::Range("a whole number"))?;
            }
            _ => return Err(ModelError::Unknown),
        }
        Ok(())
    }

    /// Returns the number of environments that the function may have.
    pub(crate) fn environments(&self) -> usize {
        self.reserved.unwrap_or(self.concurrency).min(self.concurrency)
    }

    /// Returns the failure rate, the throttle rate, and the factor on all times, `age` after the service's
    /// start.
    pub(crate) fn trouble_at(&self, age: Duration) -> (f64, f64, f64) {
        if self.trouble.is_none_or(|(from, to)| (from..to).contains(&age)) {
            (self.failure_rate, self.throttle_rate, self.slow)
        } else {
            (0.0, 0.0, 1.0)
        }
    }

    /// Returns how long `work` of one CPU takes with this memory: half the time with twice the memory.
    pub(crate) fn scaled(&self, work: Duration) -> Duration {
        work.mul_f64(ONE_CPU_MB / f64::from(self.memory_mb))
    }
}

/// Parses a number of environments.
fn environments(text: &str) -> Result<usize, ModelError> {
    let environments = parse_count(text)?;
    if !(1..=1_000_000).contains(&environments) {
        return Err(ModelError::Range("1 to 1M environments"));
    }
    Ok(environments as usize)
}

fn window(text: &str) -> Result<(Duration, Duration), ModelError> {
    let range = ModelError::Range("two durations since the start, such as 3s-6s");
    let (from, to) = text.split_once('-').ok_or(range)?;
    let (from, to) = (parse_duration(from)?, parse_duration(to)?);
    if from >= to {
        return Err(ModelError::Range("a time that ends after it begins, such as 3s-6s"));
    }
    Ok((from, to))
}

impl fmt::Display for Model {
    /// Formats the model as its options are typed.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Model { network, cold_start, idle, concurrency, memory_mb, failure_rate, seed, .. } =
            self;
        write!(
            f,
            "network={network:?},cold_start={cold_start:?},idle={idle:?},\
             concurrency={concurrency},memory={memory_mb},failure_rate={failure_rate:?},seed={seed}"
        )?;
        if let Some(reserved) = self.reserved {
            write!(f, ",reserved={reserved}")?;
        }
        if self.requests != LIST_REQUESTS {
            write!(f, ",requests={}", self.requests)?;
        }
        if self.ramp != LIST_RAMP {
            write!(f, ",ramp={}", self.ramp)?;
        }
        if self.throttle_rate > 0.0 {
            write!(f, ",throttle_rate={:?}", self.throttle_rate)?;
        }
        if self.slow > 1.0 {
            write!(f, ",slow={:?}", self.slow)?;
        }
        for (name, window) in [("trouble", self.trouble), ("outage", self.outage)] {
            if let Some((from, to)) = window {
                write!(f, ",{name}={from:?}-{to:?}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_options_parse_to_the_same_model() {
        let mut model = Model::default();
        for (key, value) in [
            ("network", "1.5ms"),
            ("failure_rate", "0.3"),
            ("memory", "885"),
            ("reserved", "7"),
            ("requests", "1000"),
            ("ramp", "10"),
            ("throttle_rate", "50%"),
            ("slow", "10"),
            ("trouble", "1s-2s"),
            ("outage", "3s-6.5s"),
        ] {
            model.set(key, value).unwrap();
        }
        let mut again = Model::default();
        for option in model.to_string().split(',') {
            let (key, value) = option.split_once('=').unwrap();
            again.set(key, value).unwrap();
        }
        assert_eq!(again, model);
    }

    #[test]
    fn an_invalid_option_is_refused() {
        let mut model = Model::default();
        for (key, value) in [
            ("concurrency", "0"),
            ("ramp", "0"),
            ("reserved", "0"),
            ("requests", "0"),
            ("memory", "64"),
            ("failure_rate", "1.1"),
            ("failure_rate", "nan"),
            ("network", "20"),
            ("outage", "3s"),
            ("outage", "3s-3s"),
            ("trouble", "6s-3s"),
            ("slow", "0.5"),
            ("jitter", "1ms"),
        ] {
            assert!(model.set(key, value).is_err(), "{key}={value}");
        }
        assert_eq!(model, Model::default());
    }
}
