//! Segments of constant rate, in integer units, so that all results are exact.

use crate::batch::Nanos;

/// One event in the unit of integrals, which is a millionth of an event per second times a nanosecond.
pub(super) const EVENT: u128 = 1_000_000_000_000_000;

/// An integral of a rate, in 1/[`EVENT`] of an event.
pub(super) type Integral = u128;

/// A rate in millionths of an event per second.
pub(super) type MicroRate = u64;

/// A part of a schedule in which the rate is constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// The time at which the segment begins.
    pub(super) start: Nanos,
    /// The rate in the segment.
    pub(super) rate: MicroRate,
    /// The integral of the rate up to the start of the segment.
    pub(super) before: Integral,
}

impl Segment {
    /// Returns the integral up to `time`, which is not before the segment.
    pub(super) fn until(&self, time: Nanos) -> Integral {
        self.before + u128::from(self.rate) * u128::from(time - self.start)
    }
}

/// Computes the integrals of segments from their starts and rates. The first segment starts at 0.
pub(super) fn segments(parts: impl IntoIterator<Item = (Nanos, MicroRate)>) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    for (start, rate) in parts {
        let before = all.last().map_or(0, |last| last.until(start));
        all.push(Segment { start, rate, before });
    }
    all
}
