//! What was done at a stage of a dataflow.

use serde::{Deserialize, Serialize};

/// Counts of what workers have done at a stage until some instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTotals {
    /// Records that arrived.
    pub received: u64,
    /// Results that workers computed.
    pub local: u64,
    /// Results that the remote side computed.
    pub remote: u64,
    /// Records that were found to be bad.
    pub bad: u64,
    /// Records that were waiting or in flight at that instant.
    pub held: u64,
    /// Those of them that were in flight.
    pub in_flight: u64,
    /// Records for which the workers spent the useful time.
    pub worked: u64,
    /// Time in the task, in nanoseconds.
    pub useful_ns: u64,
    /// Cost of the attempts at its records, in US dollars.
    pub usd: f64,
}

impl StageTotals {
    /// Adds what other workers did at the same stage.
    pub(crate) fn add(&mut self, other: &StageTotals) {
        let &StageTotals { received, local, remote, bad, held, in_flight, worked, useful_ns, usd } =
            other;
        self.received += received;
        self.local += local;
        self.remote += remote;
        self.bad += bad;
        self.held += held;
        self.in_flight += in_flight;
        self.worked += worked;
        self.useful_ns += useful_ns;
        self.usd += usd;
    }

    /// Returns what was done since `before`. The records that are held are those of now.
    pub(crate) fn since(&self, before: &StageTotals) -> StageTotals {
        let &StageTotals { received, local, remote, bad, held, in_flight, worked, useful_ns, usd } =
            self;
        StageTotals {
            received: received.saturating_sub(before.received),
            local: local.saturating_sub(before.local),
            remote: remote.saturating_sub(before.remote),
            bad: bad.saturating_sub(before.bad),
            held,
            in_flight,
            worked: worked.saturating_sub(before.worked),
            useful_ns: useful_ns.saturating_sub(before.useful_ns),
            usd: usd - before.usd,
        }
    }

    /// Returns the records that are done, with a result or found bad.
    pub(crate) fn done(&self) -> u64 {
        self.local + self.remote + self.bad
    }

    /// Returns the useful time of a worker for a record, in nanoseconds. None if no worker has computed one.
    pub(crate) fn record_ns(&self) -> Option<f64> {
        (self.worked > 0).then(|| self.useful_ns as f64 / self.worked as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Totals in which each field has another value.
    fn totals(first: u64) -> StageTotals {
        let json = serde_json::to_value(StageTotals::default()).unwrap();
        let names = json.as_object().unwrap().keys().zip(first..);
        let values = names.map(|(name, value)| (name.clone(), value.into()));
        serde_json::from_value(serde_json::Value::Object(values.collect())).unwrap()
    }

    #[test]
    fn every_total_of_two_workers_is_summed_and_what_came_before_is_taken_away() {
        let (one, other) = (totals(1_000), totals(1));
        let mut sum = one;
        sum.add(&other);
        for (name, value) in serde_json::to_value(sum).unwrap().as_object().unwrap() {
            let of = |totals| serde_json::to_value(totals).unwrap()[name].as_f64().unwrap();
            assert_eq!(value.as_f64().unwrap(), of(one) + of(other), "{name}");
        }
        // What is held is no sum over time.
        let StageTotals { held, in_flight, .. } = sum;
        assert_eq!(sum.since(&other), StageTotals { held, in_flight, ..one });
    }
}
