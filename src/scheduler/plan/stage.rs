//! What a stage knows of itself, and what it tells the others on its worker.

use super::profile::Profile;
use crate::batch::Nanos;

/// What a stage tells the others.
#[derive(Default)]
pub(super) struct Stage {
    pub waiting: Profile,
    pub in_flight: Profile,
    /// The record that it would compute next: whether it will have to be sent, and when it has to be done.
    pub next: Option<(bool, Nanos)>,
    /// Useful nanoseconds of a record, 0 if not known.
    pub record: f64,
    /// Dollars of a record that is sent.
    pub usd: f64,
    pub paid: Paid,
    /// Whether records can be sent.
    pub can_send: bool,
    /// How long a record takes that is sent, and how long a request is filled before.
    pub remote: Nanos,
    pub fill: Nanos,
    /// How long a record waits that is kept.
    pub local: Nanos,
    /// Until when it is expected to send records.
    pub sends_until: Nanos,
    /// How long the stages behind it take.
    pub after: Nanos,
    pub least_after: LeastAfter,
    pub flow: Flow,
}

/// What a stage has been billed for records, of which the recent ones count more.
#[derive(Default)]
pub(super) struct Paid {
    pub records: f64,
    pub usd: f64,
}

/// Records that a stage has received and done, counted for some time.
#[derive(Default)]
pub(super) struct Flow {
    pub received: usize,
    pub done: usize,
    /// Records that arrived per second.
    pub per_second: f64,
    /// How many records the next stage received for each one that was done, once that is known.
    pub results: Option<f64>,
}

/// The least time that the stages behind one took while the records that it completes now waited.
#[derive(Default)]
pub(super) struct LeastAfter {
    pub since: Nanos,
    pub now: Nanos,
    pub before: Nanos,
}

/// What a stage knows of itself when it plans.
pub(crate) struct Known {
    pub now: Nanos,
    /// Time from a record's schedule to when the result of the graph is due.
    pub slack: Nanos,
    /// Records per second of useful time.
    pub rate: Option<f64>,
    /// The share of the worker's time that is useful.
    pub share: f64,
    /// How long the remote side takes.
    pub latency: Nanos,
    pub batch: usize,
    /// Dollars of a record in a full request, estimated from the time on a worker.
    pub usd: f64,
    /// Whether records can be sent.
    pub can_send: bool,
}

impl LeastAfter {
    pub(super) fn add(&mut self, now: Nanos, slack: Nanos, after: Nanos) {
        if now.saturating_sub(self.since) >= slack {
            (self.since, self.before, self.now) = (now, self.now, after);
        }
        self.now = self.now.min(after);
    }
}

impl Stage {
    /// How many records the next stage receives for each one that is done.
    pub(super) fn results(&self) -> f64 {
        self.flow.results.unwrap_or(1.0)
    }

    /// How long a record takes, without the time in which a request is filled.
    pub(super) fn takes(&self) -> Nanos {
        if self.sends_until > 0 { self.remote.max(self.local) } else { self.local }
    }
}
