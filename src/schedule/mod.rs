//! Schedules: rates over time, and when each event is due.
//!
//! With a rate r(t), event n is due at t(n), the first nanosecond at which the integral of r reaches n. A [`Schedule`]
//! computes t(n) for any n ([`Schedule::time`]), and the number of events that are due before a time
//! ([`Schedule::count`]). It has no state, so all workers of all processes get the same results.
//!
//! # Exactness
//! All arithmetic is on integers. A rate is a whole number of millionths of an event per second, and a time is a whole
//! number of nanoseconds. So an integral is a whole number of 10⁻¹⁵ events, in 128 bits. Nothing is accumulated, so
//! nothing drifts: event 10¹² is as exact as event 1, and `count` and `time` agree for every nanosecond, which a property
//! test checks. Floating point is used only while a schedule is built, and only with operations whose results IEEE 754
//! defines to the bit. The `sin` of the system is not one of them, so the sine has its own.
//!
//! # Shapes
//! All shapes consist of segments of constant rate, which repeat (square, spike, sine), end (trace) or have no end
//! (constant, step). A sine is approximated by steps, and its integral is exact at the end of each step. [`Shape::Sine`]
//! says how close it is in between. The events of a segment are evenly spread, to the nanosecond. A batch's
//! [`Span`](crate::batch::Span) relies on that ([`Schedule::run`]), and it makes a [`Cursor`] cost two additions per
//! event.

mod burst;
mod cursor;
mod error;
mod rates;
mod segments;
mod shape;
mod sine;
mod trace;

pub use burst::BurstWindow;
pub use cursor::Cursor;
pub use error::{RowProblem, ScheduleError};
pub use rates::Schedule;
pub use shape::Shape;
pub use trace::Trace;
