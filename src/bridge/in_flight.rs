//! An attempt in flight, and how it ends.

use std::time::Duration;

use super::Failure;
use super::environments::EnvironmentState;
use crate::batch::Nanos;

/// An attempt that is in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlightAttempt {
    pub(super) at: Nanos,
    /// When the request was on the wire. Before, it waits for a connection, which says nothing about the
    /// remote side.
    pub(super) on_wire: Option<Nanos>,
    pub(super) environment: EnvironmentState,
    /// Sequence number of the attempt.
    pub(super) number: u64,
}

impl InFlightAttempt {
    /// Returns for how long the request has been on the wire.
    pub(super) fn time_on_wire(&self, now: Nanos) -> Duration {
        Duration::from_nanos(self.on_wire.map_or(0, |since| now.saturating_sub(since)))
    }
}

/// Outcome of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AttemptOutcome<'a> {
    /// A valid response after `took`. `cold` if the environment was started for the request.
    Succeeded { took: Duration, cold: bool },
    /// A valid response to a request without records.
    Probe { took: Duration, cold: bool },
    /// A request without records failed.
    ProbeFailed(&'a Failure),
    /// The attempt failed.
    Failed(&'a Failure),
    /// The attempt was given up.
    Abandoned,
}
