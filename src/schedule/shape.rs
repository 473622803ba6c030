//! The shapes that a rate can have.

use super::Trace;

/// How a rate changes over time, between a base rate R and a peak rate P, with a period T.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shape {
    /// The rate is R all the time.
    #[default]
    Constant,
    /// The rate is R in the first half of each period and P in the second half.
    Square,
    /// The rate is R + (P − R)(1 − cos 2πt/T)/2.
    ///
    /// It is approximated by steps of √T ms, with T in seconds (3 ms for a period of 10 s). In each step, as many events
    /// are due as under the curve. The integral differs from that of the curve by at most 0.4 µs times |P − R|. So if P
    /// is 10 R, an event is due within 1.2 µs of its time on the curve.
    Sine,
    /// The rate is R until T, and then P.
    Step,
    /// The rate is P in the second tenth of each period, and otherwise R.
    Spike,
    /// The rate is that of a file. R, P and T are not used.
    Trace(Trace),
}
