//! Which limit a throttled request met.

use std::fmt;

/// Which limit a request met that was answered with 429, by the `Reason` of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Throttle {
    /// The answer does not say.
    #[default]
    Unknown,
    /// The environments of the account in the region, or how fast they may be started.
    Concurrency,
    /// The requests a second of the function.
    RequestRate,
    /// The environments that are reserved for the function.
    ReservedConcurrency,
    /// The requests a second of the environments that are reserved for the function.
    ReservedRequestRate,
    /// The requests a second of whoever calls.
    CallerRate,
    /// The SnapStart snapshots that are made at a time.
    Snapshots,
}

/// AWS's names.
const REASONS: [(&str, Throttle); 6] = [
    ("ConcurrentInvocationLimitExceeded", Throttle::Concurrency),
    ("FunctionInvocationRateLimitExceeded", Throttle::RequestRate),
    ("ReservedFunctionConcurrentInvocationLimitExceeded", Throttle::ReservedConcurrency),
    ("ReservedFunctionInvocationRateLimitExceeded", Throttle::ReservedRequestRate),
    ("CallerRateLimitExceeded", Throttle::CallerRate),
    ("ConcurrentSnapshotCreateLimitExceeded", Throttle::Snapshots),
];

impl Throttle {
    /// Reads the body of an answer.
    pub fn read(body: &[u8]) -> Throttle {
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let reason = json.as_ref().and_then(|json| json.get("Reason")?.as_str());
        let known = REASONS.iter().find(|(name, _)| reason == Some(name));
        known.map_or(Throttle::Unknown, |(_, throttle)| *throttle)
    }

    /// What to do about it.
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
    /// Its reason in brackets, if it is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match REASONS.iter().find(|(_, throttle)| throttle == self) {
            Some((name, _)) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_which_limit_it_was() {
        for (name, throttle) in REASONS {
            let body = format!(r#"{{"Type":"User","message":"Rate Exceeded.","Reason":"{name}"}}"#);
            assert_eq!(Throttle::read(body.as_bytes()), throttle);
            assert_eq!(throttle.to_string(), format!(" ({name})"));
        }
        for body in ["", "no JSON", r#"{"Reason":"Other"}"#, r#"{"Reason":1}"#, "[]"] {
            assert_eq!(Throttle::read(body.as_bytes()), Throttle::Unknown, "{body}");
        }
        assert_eq!(Throttle::Unknown.to_string(), "");
    }
}
