//! Which epoch the lines are in.

use std::time::{Duration, Instant};

use crate::source::Pace;

/// How long epochs and commits last where lines are waited for: they end with time too.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitLimits {
    /// The most that an epoch lasts, from its first line on.
    pub epoch: Duration,
    /// The most that it takes, from the first line of a group of epochs on, until the group is committed.
    pub group: Duration,
    /// Epochs of a group, many of which may be left out.
    pub epochs_a_group: u64,
}

/// The epoch of the line at hand.
#[derive(Debug)]
pub(super) struct Epochs {
    epoch: u64,
    /// The first line that is not in it any more; 0 if it has none yet.
    end: u64,
    waits: Option<WaitLimits>,
    began: Instant,
    /// The group that has begun, and when.
    group: Option<(u64, Instant)>,
}

impl Epochs {
    /// From epoch `first` on. `waits` for input that is waited for and has no schedule.
    pub(super) fn new(first: u64, waits: Option<WaitLimits>) -> Self {
        Epochs { epoch: first, end: 0, waits, began: Instant::now(), group: None }
    }

    /// The epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The first line that is not in it any more.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Begins the epoch of `line`, which is not in the one at hand.
    pub(super) fn begin(&mut self, line: u64, pace: &Pace) -> u64 {
        if let Some(WaitLimits { epochs_a_group, .. }) = self.waits {
            // The epochs are counted as they come, and are as many lines long as the pace says.
            self.epoch += u64::from(self.end > 0);
            self.end = line + pace.epoch(0).1;
            self.began = Instant::now();
            let group = self.epoch / epochs_a_group;
            if self.group.is_none_or(|(begun, _)| begun != group) {
                self.group = Some((group, self.began));
            }
            return self.epoch;
        }
        let (epoch, end) = pace.epoch(line);
        (self.epoch, self.end) = if epoch >= self.epoch {
            (epoch, end)
        } else {
            // The input ended inside an epoch that was committed with what it had, and has grown
            // since: what came late goes with what is next.
            (self.epoch, pace.first(self.epoch + 1).max(line + 1))
        };
        self.epoch
    }

    /// How long an epoch or a group that has begun may still last, if that is bounded.
    pub(super) fn left(&self) -> Option<Duration> {
        let epoch = self.waits.filter(|_| self.end > 0);
        let epoch = epoch.map(|waits| waits.epoch.saturating_sub(self.began.elapsed()));
        [epoch, self.group_left()].into_iter().flatten().min()
    }

    fn group_left(&self) -> Option<Duration> {
        let (_, began) = self.group?;
        Some(self.waits?.group.saturating_sub(began.elapsed()))
    }

    /// Ends the epoch before its lines are complete, all of its group if that has lasted long enough, and all up
    /// to `last` if the input is to stop there; answers the next one.
    pub(super) fn end_early(&mut self, last: Option<u64>) -> u64 {
        let mut next = if self.end > 0 { self.epoch + 1 } else { self.epoch };
        if let (Some(waits), Some((group, _)), Some(left)) =
            (self.waits, self.group, self.group_left())
            && left.is_zero()
        {
            next = next.max((group + 1) * waits.epochs_a_group);
            self.group = None;
        }
        self.end = 0;
        self.epoch = next.max(last.map_or(0, |last| last + 1));
        self.epoch
    }
}
