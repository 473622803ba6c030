//! How long requests take, as far as is known: what the answers have taught, ready to be asked for.

use std::time::Duration;

use super::Settings;
use super::environments::EnvironmentState;
use super::latency::Latency;
use crate::batch::Nanos;

/// What is known of the remote side's times. The quantiles are looked up when something is learned,
/// not when somebody asks, which is far more often.
#[derive(Debug)]
pub(crate) struct Timing {
    latency: Latency,
    overdue_after: Duration,
    timeout: Duration,
    /// A request with records was answered: their time is known, not only the way's.
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

    /// Attempt `number` goes, to an environment that is taken for `environment`.
    pub(super) fn on_wire(&mut self, number: u64, now: Nanos, environment: EnvironmentState) {
        if environment == EnvironmentState::Warm {
            self.latency.started(number, now);
        }
    }

    /// It is over, whatever came of it.
    pub(super) fn finished(&mut self, number: u64) {
        self.latency.finished(number);
    }

    /// A request was answered, with records or without. Answers whether its environment was started
    /// for it: the function says so, or it seems so.
    pub(super) fn answered(
        &mut self,
        took: Duration,
        environment: EnvironmentState,
        says_cold: bool,
        worked: bool,
    ) -> bool {
        self.has_processed_records |= worked;
        // Not every function says whether it was started: one that takes twice as long probably was,
        // and the first one gives an estimate.
        let seems_cold = !self.latency.is_known() || took > 2 * self.median;
        let cold = says_cold || environment == EnvironmentState::Cold && seems_cold;
        self.latency.record(took, cold);
        self.has_answered = true;
        self.learn();
        cold
    }

    /// A request was given up at this age.
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
        // How long the work takes is not known before some was done.
        self.late = if self.has_processed_records { late } else { late.max(self.overdue_after) };
    }

    /// Past this age a request is late: its worker may as well do its records.
    pub(crate) fn late(&self) -> Duration {
        self.late
    }

    /// Past this age a request counts as failed. A cold start may take longer, and so may the first
    /// work: how long it takes is not known before some was done.
    pub(super) fn failure_timeout(&self, environment: EnvironmentState) -> Duration {
        let overdue_after = if self.has_processed_records { 1 } else { 4 } * self.overdue_after;
        let warm = (4 * self.p99).max(overdue_after);
        let limit = match environment {
            EnvironmentState::Warm => warm,
            EnvironmentState::Cold => warm.max(2 * self.latency.cold()),
        };
        limit.min(self.timeout)
    }

    /// How long a probe may take.
    pub(crate) fn probe_timeout(&self) -> Duration {
        (2 * self.latency.cold()).max(self.overdue_after).min(self.timeout)
    }

    /// Whether a request with records was answered: before, only the way's time is known.
    pub(crate) fn has_processed_records(&self) -> bool {
        self.has_processed_records
    }

    /// Whether a request was answered that met a warm environment.
    pub(super) fn is_known(&self) -> bool {
        self.latency.is_known()
    }

    /// How long a request takes, once its environment is warm.
    pub(crate) fn median(&self) -> Duration {
        self.median
    }

    /// The same; zero before anything was answered.
    pub(crate) fn known_median(&self) -> Duration {
        if self.has_answered { self.median } else { Duration::ZERO }
    }

    /// How long all but one of a hundred requests take, those in flight counted at their age; zero
    /// before anything was answered.
    pub(crate) fn known_p99(&self, now: Nanos) -> Duration {
        if !self.has_answered {
            return Duration::ZERO;
        }
        self.latency.age(now).map_or(self.p99, |age| age.max(self.p99))
    }

    /// How long a request takes whose environment is cold; zero before one was met.
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

    /// Workers are told nothing that was only believed.
    #[test]
    fn a_guess_is_not_knowledge() {
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

    /// A probe says how long the way is, not how long the work takes.
    #[test]
    fn patience_lasts_until_some_work_was_done() {
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
