//! What the bridge is told.

use std::time::Duration;

use crate::wire::MAX_BODY;

/// Settings of a bridge. Each says what too small and too large do.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where requests go: a function's URL, or anything else that speaks the wire.
    pub url: String,
    /// Records of a request at most. Too few and each record pays for the request's overhead (at
    /// 10 a record it is a hundred times that of 1,000); too many and the first record of a batch
    /// waits for the last, and one failure brings many home.
    pub batch_records: usize,
    /// Bytes of a request, and of the answer as far as it can be foreseen. Above 6 MB the service
    /// refuses both.
    pub batch_bytes: usize,
    /// How long a part may wait for its request to fill. Too short and requests are small; too
    /// long and it is latency for nothing.
    pub linger: Duration,
    /// Requests in flight at most. Too few and the remote side's latency bounds the rate (Little:
    /// rate = in flight × batch / latency); too many and the account's concurrency is exceeded
    /// and requests are throttled.
    pub max_in_flight: usize,
    /// How long an attempt may take. Too short and what would have come is paid for and thrown
    /// away; too long and a hanging request holds its records.
    pub timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// Attempts a request has, the first included. One is no retry; many delay coming home.
    pub attempts: u32,
    /// The first delay before another attempt, doubled each time, after a failure and after a
    /// throttle. AWS's clients take 50 ms and 1 s.
    pub backoff: Duration,
    /// The same after a throttle.
    pub throttle_backoff: Duration,
    /// No delay is longer, whatever a server asks for.
    pub max_backoff: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            url: String::new(),
            batch_records: 1_000,
            batch_bytes: 4 << 20,
            linger: Duration::from_millis(5),
            max_in_flight: 100,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            attempts: 3,
            backoff: Duration::from_millis(50),
            throttle_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(20),
        }
    }
}

/// Settings that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The URL.
    #[error("{url} is not a URL that requests can be sent to: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A number that must be at least 1.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A body that no service takes.
    #[error("a batch of {0} bytes is above the service's limit of {MAX_BODY}")]
    TooLarge(usize),
    /// An attempt would end before its batch is filled.
    #[error("the time-out of {timeout:?} is not longer than the linger of {linger:?}")]
    TimeoutBelowLinger {
        /// The time-out.
        timeout: Duration,
        /// The linger.
        linger: Duration,
    },
}

impl Settings {
    /// Whether they can be.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let wrong = |why: String| SettingsError::Url { url: self.url.clone(), why };
        let url = reqwest::Url::parse(&self.url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it is neither http nor https".to_owned()));
        }
        let numbers = [
            ("batch_records", self.batch_records),
            ("batch_bytes", self.batch_bytes),
            ("max_in_flight", self.max_in_flight),
            ("attempts", self.attempts as usize),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError::Zero(name));
        }
        if self.batch_bytes > MAX_BODY {
            return Err(SettingsError::TooLarge(self.batch_bytes));
        }
        if self.timeout <= self.linger {
            let (timeout, linger) = (self.timeout, self.linger);
            return Err(SettingsError::TimeoutBelowLinger { timeout, linger });
        }
        Ok(())
    }
}
