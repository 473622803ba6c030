//! A fast iterator over the times of consecutive events.

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
    /// The number of the next event.
    next: u64,
    /// The number of events that are left in the current segment.
    left: u64,
    /// The time at which the next event is due.
    time: Nanos,
    /// The integral at `time`, less the integral at which the event is due, in the unit of integrals.
    excess: u64,
    /// The rate of the segment, by which the integral grows per nanosecond.
    rate: u64,
    /// The time between two events in nanoseconds, rounded down.
    step: Nanos,
    /// What is left of an event's integral after `step`.
    lack: u64,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(schedule: &'s Schedule, next: u64) -> Self {
        Cursor { schedule, next, left: 0, time: 0, excess: 0, rate: 0, step: 0, lack: 0 }
    }

    /// Moves the cursor to the segment of the next event.
    #[cold]
    fn enter_segment(&mut self) -> Option<()> {
        let stretch = self.schedule.locate(self.next)?;
        let (rate, offset) = (u128::from(stretch.rate.max(1)), stretch.offset());
        self.left = (stretch.last - self.next).saturating_add(1);
        self.time = stretch.start + offset;
        // The four values below are less than the rate or than an event, and both fit in 64 bits.
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
        // These values may wrap past the last event of the segment, where they are not used.
        let late = self.excess < self.lack;
        self.time = time.wrapping_add(self.step + Nanos::from(late));
        self.excess = (self.excess + if late { self.rate } else { 0 }) - self.lack;
        self.left -= 1;
        self.next = self.next.wrapping_add(1);
        Some(time)
    }
}
