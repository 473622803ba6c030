//! Assigns lines to epochs.

use std::time::{Duration, Instant};

use crate::source::Pace;

/// How long epochs and commits last if the reader waits for lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitLimits {
    /// The longest time from the first line of an epoch to its end.
    pub epoch: Duration,
    /// The longest time from the first line of a group of epochs to the commit of the group.
    pub group: Duration,
    /// The number of epochs in a group. Epochs may be left out.
    pub epochs_a_group: u64,
}

/// The epoch of the current line.
#[derive(Debug)]
pub(super) struct Epochs {
    epoch: u64,
    /// The first line after the epoch. 0 if the epoch has no line yet.
    end: u64,
    waits: Option<WaitLimits>,
    began: Instant,
    /// The current group, and when it began.
    group: Option<(u64, Instant)>,
}

impl Epochs {
    /// Begins with epoch `first`. `waits` is given if the reader waits for lines that have no schedule.
    pub(super) fn new(first: u64, waits: Option<WaitLimits>) -> Self {
        Epochs { epoch: first, end: 0, waits, began: Instant::now(), group: None }
    }

    /// Returns the current epoch.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the first line after the epoch.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Begins the epoch of `line`, which is not in the current one. Returns the new epoch.
    pub(super) fn begin(&mut self, line: u64, pace: &Pace) -> u64 {
        if let Some(WaitLimits { epochs_a_group, .. }) = self.waits {
            // Epochs are numbered in order, and the pace says how many lines they have.
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
            // The input ended inside an epoch, which was committed. The lines that were added since then go into
            // the next epoch.
            (self.epoch, pace.first(self.epoch + 1).max(line + 1))
        };
        self.epoch
    }

    /// Returns how long the current epoch and group may still last. None if that is not bounded.
    pub(super) fn left(&self) -> Option<Duration> {
        let epoch = self.waits.filter(|_| self.end > 0);
        let epoch = epoch.map(|waits| waits.epoch.saturating_sub(self.began.elapsed()));
        [epoch, self.group_left()].into_iter().flatten().min()
    }

    fn group_left(&self) -> Option<Duration> {
        let (_, began) = self.group?;
        Some(self.waits?.group.saturating_sub(began.elapsed()))
    }

    /// Ends the epoch before it has all its lines. If the group has lasted long enough, this ends the group, and if `last`
    /// is given, all epochs up to it. Returns the next epoch.
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
