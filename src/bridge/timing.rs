//! How long requests take, as far as is known: what the answers have taught, ready to be asked for.

use std::time::Duration;

use super::Settings;
use super::environments::Met;
use super::latency::Latency;
use crate::batch::Nanos;

/// What is known of the remote side's times. The quantiles are looked up when something is learned,
/// not when somebody asks, which is far more often.
#[derive(Debug)]
pub(crate) struct Timing {
    latency: Latency,
    patience: Duration,
    timeout: Duration,
    /// A request with records was answered: their time is known, not only the way's.
    has_worked: bool,
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
            patience: settings.patience,
            timeout: settings.timeout,
            has_worked: false,
            has_answered: false,
            median: Duration::ZERO,
            p99: Duration::ZERO,
            cold: Duration::ZERO,
            late: Duration::ZERO,
        };
        timing.learn();
        timing
    }

    /// Attempt `number` goes, to an environment that is taken for `met`.
    pub(super) fn goes(&mut self, number: u64, now: Nanos, met: Met) {
        if met == Met::Warm {
            self.latency.goes(number, now);
        }
    }

    /// It is over, whatever came of it.
    pub(super) fn is_over(&mut self, number: u64) {
        self.latency.is_over(number);
    }

    /// A request was answered, with records or without. Answers whether its environment was started
    /// for it: the function says so, or it seems so.
    pub(super) fn answered(
        &mut self,
        took: Duration,
        met: Met,
        says_cold: bool,
        worked: bool,
    ) -> bool {
        self.has_worked |= worked;
        // Not every function says whether it was started: one that takes twice as long probably was,
        // and the first one gives an estimate.
        let seems_cold = !self.latency.is_known() || took > 2 * self.median;
        let cold = says_cold || met == Met::Cold && seems_cold;
        self.latency.note(took, cold);
        self.has_answered = true;
        self.learn();
        cold
    }

    /// A request was given up at this age.
    pub(super) fn given_up(&mut self, age: Duration, met: Met) {
        self.latency.note_given_up(age, met == Met::Cold);
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
        self.late = if self.has_worked { late } else { late.max(self.patience) };
    }

    /// Past this age a request is late: its worker may as well do its records.
    pub(crate) fn late(&self) -> Duration {
        self.late
    }

    /// Past this age a request counts as failed. A cold start may take longer, and so may the first
    /// work: how long it takes is not known before some was done.
    pub(super) fn dead(&self, met: Met) -> Duration {
        let patience = if self.has_worked { 1 } else { 4 } * self.patience;
        let warm = (4 * self.p99).max(patience);
        let limit = match met {
            Met::Warm => warm,
            Met::Cold => warm.max(2 * self.latency.cold()),
        };
        limit.min(self.timeout)
    }

    /// How long a probe may take.
    pub(crate) fn probe_timeout(&self) -> Duration {
        (2 * self.latency.cold()).max(self.patience).min(self.timeout)
    }

    /// Whether a request with records was answered: before, only the way's time is known.
    pub(crate) fn has_worked(&self) -> bool {
        self.has_worked
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
        assert!(timing.answered(ms(170), Met::Cold, false, false), "the first one seems cold");
        assert_eq!((timing.known_median(), timing.known_cold()), (ms(170), ms(170)));
        assert!(!timing.answered(ms(20), Met::Warm, false, false));
        assert_eq!(known(&timing), (ms(20), ms(20)));
        assert!(timing.is_known() && !timing.has_worked());
    }

    /// A probe says how long the way is, not how long the work takes.
    #[test]
    fn patience_lasts_until_some_work_was_done() {
        let mut timing = Timing::new(&Settings::default());
        timing.answered(ms(170), Met::Cold, true, false);
        timing.answered(ms(20), Met::Warm, false, false);
        let patience = Settings::default().patience;
        assert_eq!((timing.late(), timing.dead(Met::Warm)), (patience, 4 * patience));
        timing.answered(ms(20), Met::Warm, false, true);
        assert_eq!((timing.late(), timing.dead(Met::Warm)), (ms(60), patience));
        assert_eq!(timing.dead(Met::Cold), ms(340));
        timing.given_up(ms(500), Met::Warm);
        assert_eq!((timing.median(), timing.known_p99(0)), (ms(20), ms(500)));
        assert_eq!(timing.dead(Met::Warm), ms(2_000));
    }
}
