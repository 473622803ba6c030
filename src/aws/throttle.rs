//! Which limit a throttled request has exceeded.

use std::fmt;

/// The limit that a request with status 429 has exceeded, from the `Reason` of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Throttle {
    /// The response does not name a limit.
    #[default]
    Unknown,
    /// The environments of the account in the region, or how fast they may be started.
    Concurrency,
    /// The function's requests per second.
    RequestRate,
    /// The environments that are reserved for the function.
    ReservedConcurrency,
    /// The requests per second of the environments that are reserved for the function.
    ReservedRequestRate,
    /// The caller's requests per second.
    CallerRate,
    /// The SnapStart snapshots that are made at a time.
    Snapshots,
}

/// AWS's names of the limits.
const REASONS: [(&str, Throttle); 6] = [
    ("ConcurrentInvocationLimitExceeded", Throttle::Concurrency),
    ("FunctionInvocationRateLimitExceeded", Throttle::RequestRate),
    ("ReservedFunctionConcurrentInvocationLimitExceeded", Throttle::ReservedConcurrency),
    ("ReservedFunctionInvocationRateLimitExceeded", Throttle::ReservedRequestRate),
    ("CallerRateLimitExceeded", Throttle::CallerRate),
    ("ConcurrentSnapshotCreateLimitExceeded", Throttle::Snapshots),
];

impl Throttle {
    /// Reads the body of a response.
    pub fn read(body: &[u8]) -> Throttle {
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let reason = json.as_ref().and_then(|json| json.get("Reason")?.as_str());
        let known = REASONS.iter().find(|(name, _)| reason == Some(name));
        known.map_or(Throttle::Unknown, |(_, throttle)| *throttle)
    }

    /// Returns what to do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Throttle::Unknown => "raise the function's concurrency or lower --max-in-flight",
            Throttle::Concurrency => {
                "other functions of the account may have the environments: reserve some for this one, have the \
                 account's quota raised, or lower --max-in-flight"
            }
            Throttle::RequestRate => {
                "an environment may have 10 requests a second: raise --batch, or the account's quota"
            }
            Throttle::ReservedConcurrency => {
                "raise the function's reserved concurrency (0 turns it off), or lower --max-in-flight"
            }
            Throttle::ReservedRequestRate => {
                "an environment may have 10 requests a second: raise --batch, or the function's reserved concurrency"
            }
            Throttle::CallerRate => "the account calls too often: raise --batch",
            Throttle::Snapshots => {
                "SnapStart makes its snapshots: fewer environments start at a time"
            }
        }
    }
}

impl fmt::Display for Throttle {
    /// Writes the limit's name after a colon, if it is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match REASONS.iter().find(|(_, throttle)| throttle == self) {
            Some((name, _)) => write!(f, ": {name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_exceeded_limit() {
        for (name, throttle) in REASONS {
            let body = format!(r#"{{"Type":"User","message":"Rate Exceeded.","Reason":"{name}"}}"#);
            assert_eq!(Throttle::read(body.as_bytes()), throttle);
            assert_eq!(throttle.to_string(), format!(": {name}"));
        }
        for body in ["", "no JSON", r#"{"Reason":"Other"}"#, r#"{"Reason":1}"#, "[]"] {
            assert_eq!(Throttle::read(body.as_bytes()), Throttle::Unknown, "{body}");
        }
        assert_eq!(Throttle::Unknown.to_string(), "");
    }
}
