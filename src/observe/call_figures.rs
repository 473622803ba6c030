//! What was asked of the service of a call.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::CallCounters;
use crate::counters::Counters;
use crate::units::{show_count, show_duration, show_many};

/// What was asked of the service of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct CallFigures {
    pub name: String,
    pub endpoint: String,
    #[serde(flatten, serialize_with = "Counters::serialize_in_summary")]
    pub counters: Counters,
    /// For how long nothing was sent because requests failed. Records waited then.
    pub unavailable_ms: f64,
}

impl CallFigures {
    /// Returns the figures of a run that lasted `wall`. The bridge runs a little longer.
    pub(super) fn of(call: &CallCounters, wall: Duration) -> Self {
        let CallCounters { name, endpoint, counters } = call;
        let unavailable = counters.breaker_open_us as f64 / 1e3;
        CallFigures {
            name: name.clone(),
            endpoint: endpoint.clone(),
            counters: *counters,
            unavailable_ms: unavailable.min(wall.as_secs_f64() * 1e3),
        }
    }

    /// Returns the figures in words.
    pub(super) fn words(&self) -> String {
        let counters = &self.counters;
        let mut words = format!(
            "{} of {}: {} in {}",
            self.name,
            self.endpoint,
            show_many(counters.requests, "request"),
            show_many(counters.attempts, "attempt"),
        );
        for (count, what) in [
            (counters.retries(), "retried"),
            (counters.hedged, "hedged"),
            (counters.throttled, "throttled"),
            (counters.failed, "given up: their records are bad"),
        ] {
            if count > 0 {
                let _ = write!(words, ", {} {what}", show_count(count));
            }
        }
        if counters.breaker_opened > 0 {
            let _ = write!(
                words,
                "; the service failed {}, and records waited {} for it",
                show_many(counters.breaker_opened, "time"),
                show_duration(Duration::from_secs_f64(self.unavailable_ms.max(0.0) / 1e3)),
            );
        }
        words
    }
}
