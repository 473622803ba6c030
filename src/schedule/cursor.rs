//! The times of consecutive events, fast.

use super::Schedule;
use super::segments::EVENT;
use crate::batch::Nanos;

/// An iterator over the times of consecutive events, equal to [`Schedule::time`] of each.
///
/// Inside a segment the times are ⌈(o + kE)/r⌉ for k = 0, 1, … with the event E and the rate r:
/// a line drawn on a grid, so the next one takes two additions and a comparison (Bresenham's
/// algorithm), exactly, where a division of 128 bits would take twenty times as long.
#[derive(Clone, Debug)]
pub struct Cursor<'s> {
    schedule: &'s Schedule,
    /// The next event.
    next: u64,
    /// How many events of the present segment are still to come.
    left: u64,
    /// When the next event is due.
    time: Nanos,
    /// By how much, in the unit of integrals, the integral at `time` exceeds what it must reach.
    excess: u64,
    /// The segment's rate: the integral's growth in a nanosecond.
    rate: u64,
    /// Nanoseconds between two events, rounded down.
    step: Nanos,
    /// What the integral lacks to an event after `step`.
    lack: u64,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(schedule: &'s Schedule, next: u64) -> Self {
        Cursor { schedule, next, left: 0, time: 0, excess: 0, rate: 0, step: 0, lack: 0 }
    }

    /// Sets the cursor on the segment of the next event.
    #[cold]
    fn enter_segment(&mut self) -> Option<()> {
        let stretch = self.schedule.locate(self.next)?;
        let (rate, offset) = (u128::from(stretch.rate.max(1)), stretch.offset());
        self.left = (stretch.last - self.next).saturating_add(1);
        self.time = stretch.start + offset;
        // The four below are less than the rate or than an event: both fit in 64 bits.
        self.excess = (u128::from(offset) * rate - stretch.owed) as u64;
        self.rate = rate as u64;
        self.step = (EVENT / rate) as Nanos;
        self.lack = (EVENT % rate) as u64;
        Some(())
    }
}

impl Iterator for Cursor<'_> {
    type Item = Nanos;

    #[inline(always)]
    fn next(&mut self) -> Option<Nanos> {
        if self.left == 0 {
            self.enter_segment()?;
        }
        let time = self.time;
        // Past the segment's last event these are never used: there they may wrap.
        let late = self.excess < self.lack;
        self.time = time.wrapping_add(self.step + Nanos::from(late));
        self.excess = (self.excess + if late { self.rate } else { 0 }) - self.lack;
        self.left -= 1;
        self.next = self.next.wrapping_add(1);
        Some(time)
    }
}
