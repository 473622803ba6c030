//! Limits how many requests are sent in any second. The code is pure: the time is an argument.

use std::collections::VecDeque;

use crate::batch::Nanos;

/// The length of the window in which sends are counted.
pub(crate) const WINDOW: Nanos = 1_000_000_000;

/// A limit on the sends in any window of a second. It keeps the time of each of them, so a burst may use the whole
/// limit at once, and no window has more, wherever it begins.
#[derive(Debug)]
pub(super) struct RateLimit {
    /// Largest number of sends in a window. None is no limit.
    most: Option<usize>,
    /// Times of the sends of the last second, the oldest first.
    sent: VecDeque<Nanos>,
}

impl RateLimit {
    pub(super) fn new(per_second: Option<u32>) -> Self {
        RateLimit { most: per_second.map(|most| most as usize), sent: VecDeque::new() }
    }

    /// Forgets sends that are a second old at `now`.
    pub(super) fn refresh(&mut self, now: Nanos) {
        while self.sent.front().is_some_and(|sent| sent + WINDOW <= now) {
            self.sent.pop_front();
        }
    }

    /// Records a send.
    pub(super) fn sent(&mut self, now: Nanos) {
        if self.most.is_some() {
            self.sent.push_back(now);
        }
    }

    /// Returns how many more may be sent now.
    pub(super) fn room(&self) -> usize {
        self.most.map_or(usize::MAX, |most| most.saturating_sub(self.sent.len()))
    }

    /// Returns when another one may be sent, if none may be sent now.
    pub(super) fn free_at(&self) -> Option<Nanos> {
        (self.room() == 0).then(|| self.sent.front().map(|sent| sent + WINDOW))?
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// No window has more sends than the limit, wherever it begins, and a send waits only if it has to.
        #[test]
        fn no_second_has_more_sends_than_the_limit(
            most in 1..20_u32,
            steps in prop::collection::vec(0..400_000_000_u64, 1..200),
        ) {
            let mut limit = RateLimit::new(Some(most));
            let (mut now, mut sent) = (0, Vec::<Nanos>::new());
            for step in steps {
                now += step;
                limit.refresh(now);
                let of_window = sent.iter().filter(|at| *at + WINDOW > now).count();
                prop_assert_eq!(limit.room(), most as usize - of_window);
                match limit.free_at() {
                    Some(at) => prop_assert!(at > now && at <= now + WINDOW),
                    None => {
                        limit.sent(now);
                        sent.push(now);
                    }
                }
            }
        }
    }

    #[test]
    fn without_a_limit_nothing_is_kept() {
        let mut limit = RateLimit::new(None);
        (0..1_000).for_each(|now| limit.sent(now));
        assert!(limit.sent.is_empty() && limit.free_at().is_none());
    }
}
