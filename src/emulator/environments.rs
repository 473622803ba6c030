//! Which environments exist, and which are free.

use std::time::{Duration, Instant};

/// The environments of a function: a plain count of modelled machines, on a clock that is passed in.
#[derive(Debug)]
pub(super) struct Environments {
    most: usize,
    idle: Duration,
    /// Those that work for somebody who has not said yet until when.
    busy: usize,
    /// Since when the others are free, or until when they are not: the earliest first.
    free_at: Vec<Instant>,
}

impl Environments {
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Environments { most, idle, busy: 0, free_at: Vec::new() }
    }

    /// Takes an environment: `Some(cold)` where there is one, whether it must be started first.
    pub(super) fn take(&mut self, now: Instant) -> Option<bool> {
        let idle = self.idle;
        self.free_at.retain(|free| now.saturating_duration_since(*free) <= idle);
        // The one used last: the others may become idle and go.
        let warm = self.free_at.partition_point(|free| *free <= now);
        if warm > 0 {
            self.free_at.remove(warm - 1);
            self.busy += 1;
            return Some(false);
        }
        (self.count() < self.most).then(|| {
            self.busy += 1;
            true
        })
    }

    /// Gives one back that is free from `at` on.
    pub(super) fn give_back(&mut self, at: Instant) {
        self.busy -= 1;
        let position = self.free_at.partition_point(|free| *free <= at);
        self.free_at.insert(position, at);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.busy + self.free_at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_ones_are_used_again_until_they_were_idle_for_too_long() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut environments = Environments::new(2, Duration::from_secs(10));
        assert_eq!(environments.take(at(0)), Some(true));
        assert_eq!(environments.take(at(0)), Some(true));
        assert_eq!(environments.take(at(0)), None, "there are two");
        environments.give_back(at(5));
        assert_eq!(environments.take(at(4)), None, "it works until 5");
        assert_eq!(environments.take(at(5)), Some(false));
        environments.give_back(at(6));
        environments.give_back(at(7));
        assert_eq!(environments.take(at(17)), Some(false), "the one of 7");
        assert_eq!(environments.count(), 1, "the one of 6 is gone");
        assert_eq!(environments.take(at(17)), Some(true));
    }
}
