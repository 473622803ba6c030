//! Segments of constant rate, and the units in which everything is exact.

use crate::batch::Nanos;

/// One event, in the unit of integrals: millionths of an event a second times nanoseconds.
pub(super) const EVENT: u128 = 1_000_000_000_000_000;

/// An integral of a rate, in 1/[`EVENT`] of an event.
pub(super) type Integral = u128;

/// A rate in millionths of an event a second.
pub(super) type MicroRate = u64;

/// A stretch of time in which the rate is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// When it begins.
    pub(super) start: Nanos,
    /// Its rate.
    pub(super) rate: MicroRate,
    /// The integral of the rate up to its beginning.
    pub(super) before: Integral,
}

impl Segment {
    /// The integral up to `time`, which is not before the segment.
    pub(super) fn until(&self, time: Nanos) -> Integral {
        self.before + u128::from(self.rate) * u128::from(time - self.start)
    }
}

/// Segments with their integrals, from where each begins (the first at 0) and its rate.
pub(super) fn segments(parts: impl IntoIterator<Item = (Nanos, MicroRate)>) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    for (start, rate) in parts {
        let before = all.last().map_or(0, |last| last.until(start));
        all.push(Segment { start, rate, before });
    }
    all
}
