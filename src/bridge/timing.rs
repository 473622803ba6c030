//! Measured times of requests, ready to be read.

use std::time::Duration;

use super::Settings;
use super::environments::EnvironmentState;
use super::latency::Latency;
use crate::batch::Nanos;

/// Times of the remote side. The quantiles are computed when a time is recorded and not when they are read,
/// which happens far more often.
#[derive(Debug)]
pub(crate) struct Timing {
    latency: Latency,
    overdue_after: Duration,
    timeout: Duration,
    /// Whether a request with records was answered. Before, only the time of an empty request is known.
    has_processed_records: bool,
    has_answered: bool,
    median: Duration,
    p99: Duration,
    cold: Duration,
    late: Duration,
}

impl Timing {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut timing = Timing {
            latency: Latency::new(settings.first_latency),
            overdue_after: settings.overdue_after,
            timeout: settings.timeout,
            has_processed_records: false,
            has_answered: false,
            median: Duration::ZERO,
            p99: Duration::ZERO,
            cold: Duration::ZERO,
            late: Duration::ZERO,
        };
        timing.learn();
        timing
    }

    /// Records that attempt `number` is on the wire, to an environment whose state is taken to be
    /// `environment`.
    pub(super) fn on_wire(&mut self, number: u64, now: Nanos, environment: EnvironmentState) {
        if environment == EnvironmentState::Warm {
            self.latency.started(number, now);
        }
    }

    /// Records that an attempt has ended, with any outcome.
    pub(super) fn finished(&mut self, number: u64) {
        self.latency.finished(number);
    }

    /// Records the answer to a request, with or without records. Returns whether its environment was started
    /// for it, because the function reports it or because the time suggests it.
    pub(super) fn answered(
        &mut self,
        took: Duration,
        environment: EnvironmentState,
        says_cold: bool,
        worked: bool,
    ) -> bool {
        self.has_processed_records |= worked;
        // Not every function reports a cold start. A request that takes twice as long as usual probably had
        // one, and so did the first one, whose time is a first estimate.
        let seems_cold = !self.latency.is_known() || took > 2 * self.median;
        let cold = says_cold || environment == EnvironmentState::Cold && seems_cold;
        self.latency.record(took, cold);
        self.has_answered = true;
        self.learn();
        cold
    }

    /// Records that a request was given up at this age.
    pub(super) fn abandoned(&mut self, age: Duration, environment: EnvironmentState) {
        self.latency.record_abandoned(age, environment == EnvironmentState::Cold);
        self.p99 = self.latency.p99();
    }

    fn learn(&mut self) {
        const SLACK: Duration = Duration::from_millis(10);
        self.median = self.latency.median();
        self.p99 = self.latency.p99();
        self.cold = self.latency.known_cold();
        let median = self.median;
        let late = median + (2 * median).max(SLACK);
        // The time of the work is not known before the first one.
        self.late = if self.has_processed_records { late } else { late.max(self.overdue_after) };
    }

    /// Returns the age from which a request is late, so that its worker may compute the records itself.
    pub(crate) fn late(&self) -> Duration {
        self.late
    }

    /// Returns the age from which a request counts as failed. A cold start may take longer, and so may the
    /// first work, whose time is not known.
    pub(super) fn failure_timeout(&self, environment: EnvironmentState) -> Duration {
        let overdue_after = if self.has_processed_records { 1 } else { 4 } * self.overdue_after;
        let warm = (4 * self.p99).max(overdue_after);
        let limit = match environment {
            EnvironmentState::Warm => warm,
            EnvironmentState::Cold => warm.max(2 * self.latency.cold()),
        };
        limit.min(self.timeout)
    }

    /// Returns how long a probe may take.
    pub(crate) fn probe_timeout(&self) -> Duration {
        (2 * self.latency.cold()).max(self.overdue_after).min(self.timeout)
    }

    /// Returns whether a request with records was answered. Before, only the time of an empty request is
    /// known.
    pub(crate) fn has_processed_records(&self) -> bool {
        self.has_processed_records
    }

    /// Returns whether a request to a warm environment was answered.
    pub(super) fn is_known(&self) -> bool {
        self.latency.is_known()
    }

    /// Returns the median time of a request to a warm environment.
    pub(crate) fn median(&self) -> Duration {
        self.median
    }

    /// Returns the median; zero before the first answer.
    pub(crate) fn known_median(&self) -> Duration {
        if self.has_answered { self.median } else { Duration::ZERO }
    }

    /// Returns the 99th percentile, in which requests in flight count at their present age; zero before the
    /// first answer.
    pub(crate) fn known_p99(&self, now: Nanos) -> Duration {
        if !self.has_answered {
            return Duration::ZERO;
        }
        self.latency.age(now).map_or(self.p99, |age| age.max(self.p99))
    }

    /// Returns the time of a request to a cold environment; zero before the first one.
    pub(crate) fn known_cold(&self) -> Duration {
        self.cold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Workers are not told an estimate that was not measured.
    #[test]
    fn workers_are_told_no_latency_before_one_was_measured() {
        let settings = Settings::default();
        let mut timing = Timing::new(&settings);
        let known = |timing: &Timing| (timing.known_median(), timing.known_p99(0));
        assert_eq!((timing.median(), timing.is_known()), (settings.first_latency, false));
        assert_eq!(known(&timing), (Duration::ZERO, Duration::ZERO));
        assert!(
            timing.answered(ms(170), EnvironmentState::Cold, false, false),
            "the first one seems cold"
        );
        assert_eq!((timing.known_median(), timing.known_cold()), (ms(170), ms(170)));
        assert!(!timing.answered(ms(20), EnvironmentState::Warm, false, false));
        assert_eq!(known(&timing), (ms(20), ms(20)));
        assert!(timing.is_known() && !timing.has_processed_records());
    }

    /// A probe measures the latency of an empty request, not the time of the work.
    #[test]
    fn requests_may_take_longer_until_the_first_work_was_measured() {
        let mut timing = Timing::new(&Settings::default());
        timing.answered(ms(170), EnvironmentState::Cold, true, false);
        timing.answered(ms(20), EnvironmentState::Warm, false, false);
        let overdue_after = Settings::default().overdue_after;
        assert_eq!(
            (timing.late(), timing.failure_timeout(EnvironmentState::Warm)),
            (overdue_after, 4 * overdue_after)
        );
        timing.answered(ms(20), EnvironmentState::Warm, false, true);
        assert_eq!(
            (timing.late(), timing.failure_timeout(EnvironmentState::Warm)),
            (ms(60), overdue_after)
        );
        assert_eq!(timing.failure_timeout(EnvironmentState::Cold), ms(340));
        timing.abandoned(ms(500), EnvironmentState::Warm);
        assert_eq!((timing.median(), timing.known_p99(0)), (ms(20), ms(500)));
        assert_eq!(timing.failure_timeout(EnvironmentState::Warm), ms(2_000));
    }
}
