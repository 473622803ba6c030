//! Which environments are warm.
//!
//! Each request has an environment for itself: an idle one that has answered before, which is warm,
//! or one that is started for it, which is cold and may take seconds. Nobody says how many of them
//! there are; so they are counted here, by what was sent and what came of it. Pure: every method is
//! told the time.

use crate::batch::Nanos;

/// An environment that is idle for longer may be gone: the service keeps them for some minutes.
const WARM_LIFETIME: Nanos = 300_000_000_000;

/// Those that were started ahead are counted on for so long, whether they have answered or not.
const START_LIFETIME: Nanos = 10_000_000_000;

/// The environment that an attempt meets, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvironmentState {
    Warm,
    Cold,
}

#[derive(Debug, Default)]
pub(super) struct Environments {
    /// Those that have answered, idle and busy.
    warm: usize,
    /// When one last did.
    answered_at: Nanos,
    /// Attempts on their way to a warm one, and those for which one is being started.
    busy: usize,
    starting: usize,
    /// So many were to be warm when some were last started ahead.
    asked: usize,
    asked_at: Nanos,
}

impl Environments {
    /// An attempt goes.
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

    /// It was answered. `is_new` if its environment was started for it, or was at least busy with it
    /// while all that are known were busy too: it is one more that is warm.
    ///
    /// One too many is no harm for long: the next request that needs it starts it.
    pub(super) fn answered(&mut self, now: Nanos, environment: EnvironmentState, is_new: bool) {
        self.release(environment);
        self.warm +=
            usize::from(environment == EnvironmentState::Cold && (is_new || self.warm == 0));
        self.answered_at = now;
    }

    /// It came back without having been answered well.
    pub(super) fn release(&mut self, environment: EnvironmentState) {
        match environment {
            EnvironmentState::Warm => self.busy -= 1,
            EnvironmentState::Cold => self.starting -= 1,
        }
    }

    /// Nobody knows what became of it: its environment is not counted on.
    pub(super) fn remove(&mut self, environment: EnvironmentState) {
        self.release(environment);
        self.warm = self.warm.saturating_sub(usize::from(environment == EnvironmentState::Warm));
    }

    /// Attempts that would meet a warm one now.
    pub(super) fn idle(&self) -> usize {
        self.warm.saturating_sub(self.busy)
    }

    /// Warm ones that will be idle when their attempts are over.
    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    /// Empty requests to be sent together so that `needed` environments are warm soon. The idle ones
    /// answer some of them: the others are met by new ones. While records are sent, which need the
    /// idle ones themselves, none is started before those are used up.
    pub(super) fn start_ahead(&mut self, now: Nanos, needed: usize) -> usize {
        self.forget(now);
        if now.saturating_sub(self.asked_at) > START_LIFETIME {
            self.asked = 0;
        }
        let missing = needed.saturating_sub(self.asked.max(self.warm + self.starting));
        if missing == 0 || self.busy > 0 && self.idle() > 0 {
            return 0;
        }
        (self.asked, self.asked_at) = (needed, now);
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
    fn what_answered_is_warm_for_minutes() {
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
    fn environments_are_started_once_and_past_the_idle_ones() {
        let mut environments = Environments::default();
        environments.start_attempt(0);
        environments.answered(0, EnvironmentState::Cold, false);
        // Five are needed and one is warm: it answers one of five requests.
        assert_eq!(environments.start_ahead(0, 5), 5);
        let environment: Vec<EnvironmentState> =
            (0..5).map(|_| environments.start_attempt(0)).collect();
        assert_eq!(
            environment
                .iter()
                .filter(|environment| **environment == EnvironmentState::Cold)
                .count(),
            4
        );
        assert_eq!(environments.start_ahead(1, 5), 0, "they are on their way");
        assert_eq!(environments.start_ahead(1, 6), 1, "the warm one is busy");
        // One was answered by the idle one, and one could not be started: that one is tried again
        // after a while.
        let (cold, warm) = (EnvironmentState::Cold, EnvironmentState::Warm);
        environments.answered(SECOND, warm, false);
        environments.answered(SECOND, cold, false);
        (0..2).for_each(|_| environments.answered(SECOND, cold, true));
        environments.release(cold);
        assert_eq!((environments.idle(), environments.start_ahead(SECOND, 5)), (3, 0));
        environments.start_attempt(SECOND);
        assert_eq!(environments.start_ahead(12 * SECOND, 5), 0, "two are idle");
        environments.answered(SECOND, warm, true);
        assert_eq!(environments.start_ahead(12 * SECOND, 5), 5);
    }

    proptest! {
        /// Whatever comes of the attempts, no more are taken for warm than have answered.
        #[test]
        fn no_more_are_warm_than_have_answered(
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
