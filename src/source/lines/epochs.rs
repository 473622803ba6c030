//! Which epoch the lines are in.

use std::time::{Duration, Instant};

use crate::source::Pace;

/// The epoch of the line at hand.
#[derive(Debug)]
pub(super) struct Epochs {
    epoch: u64,
    /// The first line that is not in it any more.
    end: u64,
    /// Where lines are waited for, an epoch lasts so long at most, from its first line on.
    length: Option<Duration>,
    began: Instant,
}

impl Epochs {
    /// From epoch `first` on. `length` for input that is waited for and has no schedule, whose
    /// epochs end with time too.
    pub(super) fn new(first: u64, length: Option<Duration>) -> Self {
        Epochs { epoch: first, end: 0, length, began: Instant::now() }
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
        if self.length.is_some() {
            // The epochs are counted as they come, and are as many lines long as the pace says.
            self.epoch += u64::from(self.end > 0);
            self.end = line + pace.epoch(0).1;
            self.began = Instant::now();
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

    /// How long an epoch that has begun may still last, if that is bounded.
    pub(super) fn left(&self) -> Option<Duration> {
        let length = self.length.filter(|_| self.end > 0)?;
        Some(length.saturating_sub(self.began.elapsed()))
    }

    /// Ends the epoch before its lines are complete, and all up to `last` if the input is to stop
    /// there; answers the next one.
    pub(super) fn end_early(&mut self, last: Option<u64>) -> u64 {
        self.end = 0;
        self.epoch = (self.epoch + 1).max(last.map_or(0, |last| last + 1));
        self.epoch
    }
}
