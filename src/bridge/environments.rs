//! Counts warm environments.
//!
//! Each environment runs one request at a time. A request meets an idle environment that has answered before
//! (a warm one), or one that is started for it (a cold one), which may take seconds. The service does not
//! report how many there are, so they are counted here from the attempts and their outcomes. The code is
//! pure: every method takes the time as an argument.

use crate::batch::Nanos;

/// How long an environment is taken to stay warm while it is idle: the service keeps it for some minutes.
const WARM_LIFETIME: Nanos = 300_000_000_000;

/// How long environments that were started ahead are counted on, whether they have answered or not.
const START_LIFETIME: Nanos = 10_000_000_000;

/// The state of the environment that an attempt meets, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvironmentState {
    Warm,
    Cold,
}

#[derive(Debug, Default)]
pub(super) struct Environments {
    /// Environments that have answered, idle and busy.
    warm: usize,
    /// When an environment last answered.
    answered_at: Nanos,
    /// Attempts that have a warm environment or start one.
    busy: usize,
    starting: usize,
    /// How many environments were warm or started when some were last started ahead.
    asked: usize,
    asked_at: Nanos,
}

impl Environments {
    /// Records that an attempt starts, and returns the state of the environment that it meets.
    pub(super) fn start_attempt(&mut self, now: Nanos) -> EnvironmentState {
        self.forget(now);
        if self.idle() > 0 {
            self.busy += 1;
            EnvironmentState::Warm
        } else {
            self.starting += 1;
            EnvironmentState::Cold
        }
    }

    /// Records that an attempt was answered. `is_new` if its environment was started for it, or if it was
    /// busy with it while all known environments were busy too: the number of warm environments is then one
    /// larger.
    ///
    /// If the number is one too large, the next request that needs that environment starts it.
    pub(super) fn answered(&mut self, now: Nanos, environment: EnvironmentState, is_new: bool) {
        self.release(environment);
        self.warm +=
            usize::from(environment == EnvironmentState::Cold && (is_new || self.warm == 0));
        self.answered_at = now;
    }

    /// Records that an attempt ended without a good answer.
    pub(super) fn release(&mut self, environment: EnvironmentState) {
        match environment {
            EnvironmentState::Warm => self.busy -= 1,
            EnvironmentState::Cold => self.starting -= 1,
        }
    }

    /// Records that the fate of an attempt is not known: its environment is not counted any more.
    pub(super) fn remove(&mut self, environment: EnvironmentState) {
        self.release(environment);
        self.warm = self.warm.saturating_sub(usize::from(environment == EnvironmentState::Warm));
    }

    /// Returns how many attempts would meet a warm environment now.
    pub(super) fn idle(&self) -> usize {
        self.warm.saturating_sub(self.busy)
    }

    /// Returns how many warm environments are busy.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    /// Returns how many empty requests have to be sent together, at most `most`, so that `needed` environments
    /// are warm soon. Idle environments answer some of them, and new ones answer the rest. While records are
    /// sent, which need the idle environments themselves, none is started until all are in use.
    pub(super) fn start_ahead(&mut self, now: Nanos, needed: usize, most: usize) -> usize {
        self.forget(now);
        if now.saturating_sub(self.asked_at) > START_LIFETIME {
            self.asked = 0;
        }
        let asked = self.asked.max(self.warm + self.starting);
        let missing = needed.saturating_sub(asked).min(most.saturating_sub(self.idle()));
        if missing == 0 || self.busy > 0 && self.idle() > 0 {
            return 0;
        }
        (self.asked, self.asked_at) = (asked + missing, now);
        missing + self.idle()
    }

    fn forget(&mut self, now: Nanos) {
        if now.saturating_sub(self.answered_at) > WARM_LIFETIME {
            self.warm = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn an_environment_that_answered_is_warm_for_minutes() {
        let mut environments = Environments::default();
        assert_eq!(environments.start_attempt(0), EnvironmentState::Cold);
        environments.answered(SECOND, EnvironmentState::Cold, true);
        assert_eq!(
            (environments.idle(), environments.start_attempt(SECOND)),
            (1, EnvironmentState::Warm)
        );
        assert_eq!(
            (environments.idle(), environments.start_attempt(SECOND)),
            (0, EnvironmentState::Cold)
        );
        environments.answered(2 * SECOND, EnvironmentState::Warm, false);
        environments.answered(2 * SECOND, EnvironmentState::Cold, true);
        assert_eq!(environments.idle(), 2);
        assert_eq!(
            environments.start_attempt(303 * SECOND),
            EnvironmentState::Cold,
            "they are gone"
        );
    }

    #[test]
    fn environments_are_started_once_and_beside_the_idle_ones() {
        let mut environments = Environments::default();
        environments.start_attempt(0);
        environments.answered(0, EnvironmentState::Cold, false);
        // Five are needed and one is warm, which answers one of five requests.
        assert_eq!(environments.start_ahead(0, 5, usize::MAX), 5);
        let environment: Vec<EnvironmentState> =
            (0..5).map(|_| environments.start_attempt(0)).collect();
        assert_eq!(
            environment
                .iter()
                .filter(|environment| **environment == EnvironmentState::Cold)
                .count(),
            4
        );
        assert_eq!(environments.start_ahead(1, 5, usize::MAX), 0, "they are being started");
        assert_eq!(environments.start_ahead(1, 6, usize::MAX), 1, "the warm one is busy");
        // The idle environment answered one request, and one start failed. That one is tried again after a
        // while.
        let (cold, warm) = (EnvironmentState::Cold, EnvironmentState::Warm);
        environments.answered(SECOND, warm, false);
        environments.answered(SECOND, cold, false);
        (0..2).for_each(|_| environments.answered(SECOND, cold, true));
        environments.release(cold);
        assert_eq!((environments.idle(), environments.start_ahead(SECOND, 5, usize::MAX)), (3, 0));
        environments.start_attempt(SECOND);
        assert_eq!(environments.start_ahead(12 * SECOND, 5, usize::MAX), 0, "two are idle");
        environments.answered(SECOND, warm, true);
        assert_eq!(environments.start_ahead(12 * SECOND, 5, usize::MAX), 5);
    }

    #[test]
    fn environments_that_could_not_be_started_are_started_later() {
        let mut environments = Environments::default();
        environments.start_attempt(0);
        environments.answered(0, EnvironmentState::Cold, false);
        assert_eq!(environments.start_ahead(0, 5, 1), 0, "the idle one would answer");
        assert_eq!(environments.start_ahead(0, 5, 3), 3);
        let started: Vec<EnvironmentState> =
            (0..3).map(|_| environments.start_attempt(0)).collect();
        assert_eq!(environments.start_ahead(1, 5, 9), 2, "three of five are warm or being started");
        assert_eq!(environments.start_ahead(2, 5, 9), 0);
        started.iter().for_each(|&environment| environments.answered(3, environment, true));
        assert_eq!(environments.idle(), 3);
    }

    proptest! {
        /// Whatever the outcomes are, no more environments count as warm than have answered.
        #[test]
        fn no_more_environments_count_as_warm_than_have_answered(
            events in prop::collection::vec((0..5_u8, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut environments = Environments::default();
            let mut in_flight = Vec::new();
            let mut answered = 0;
            for (event, which) in events {
                if event < 2 {
                    let idle = environments.idle();
                    in_flight.push(environments.start_attempt(0));
                    prop_assert_eq!(in_flight.last() == Some(&EnvironmentState::Warm), idle > 0);
                } else if !in_flight.is_empty() {
                    let environment = in_flight.swap_remove(which.index(in_flight.len()));
                    match event {
                        2 => {
                            answered += usize::from(environment == EnvironmentState::Cold);
                            environments.answered(0, environment, true);
                        }
                        3 => environments.release(environment),
                        _ => environments.remove(environment),
                    }
                }
                prop_assert!(environments.idle() <= answered);
                prop_assert_eq!(environments.busy + environments.starting, in_flight.len());
            }
        }
    }
}
