//! Rates over time: when event number n is due.
//!
//! With a rate r(t), event n is due at t(n), the first nanosecond at which the integral of r
//! reaches n. A [`Schedule`] answers this in both directions ([`Schedule::time`],
//! [`Schedule::count`]) for any n, without a state: every worker of every process asks about its
//! own events and gets the same answers.
//!
//! # Exactness
//! Everything is integer arithmetic. A rate is a whole number of millionths of an event a second,
//! an instant a whole number of nanoseconds, and so an integral is a whole number of 10⁻¹⁵ events,
//! in 128 bits. Nothing is accumulated, so nothing drifts: event 10¹² is as exact as event 1, and
//! `count` and `time` agree for every nanosecond, which a property test checks. Floating point
//! enters once, while a schedule is built, and then only through operations that IEEE 754 defines
//! to the bit; the system's `sin` is not one of them, so a sine brings its own.
//!
//! # Shapes
//! All shapes are segments of constant rate, which repeat (square, spike, sine), end (trace) or go
//! on for ever (constant, step). The sine is a staircase whose integral is the sine's own at each
//! of its steps' ends; [`Shape::Sine`] says how close it is. In return the events of a segment are
//! evenly spread, to the nanosecond, which is what a batch's [`Span`](crate::batch::Span) needs
//! ([`Schedule::run`]) and what makes a [`Cursor`] cost two additions an event.

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
