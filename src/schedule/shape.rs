//! The shapes a rate can have.

use super::Trace;

/// How the rate goes over time, between a base rate R and a peak rate P with a period T.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shape {
    /// R all the time.
    #[default]
    Constant,
    /// R in the first half of each period, P in the second.
    Square,
    /// R + (P − R)(1 − cos 2πt/T)/2.
    ///
    /// As a staircase of steps √T ms long, T in seconds (3 ms for a period of 10 s), in each of
    /// which as many events are due as under the curve. The integral is never further from the
    /// curve's than |P − R| gives in 0.4 µs: with P = 10 R an event is less than 1.2 µs from where
    /// the curve puts it.
    Sine,
    /// R until T, then P.
    Step,
    /// P in the second tenth of each period, else R.
    Spike,
    /// As a file says. R, P and T have no meaning.
    Trace(Trace),
}
