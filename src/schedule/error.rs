//! Errors of schedules.

use crate::units::show_many;

/// The reason why a schedule is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// A rate is negative, not a number, or above [`Schedule::MAX_RATE`](super::Schedule::MAX_RATE).
    #[error("the {which} is {value}, which is not between 0 and 1,000,000,000 events per second")]
    Rate {
        /// `rate` or `peak rate`.
        which: &'static str,
        /// The given rate.
        value: f64,
    },
    /// The period is too short to be divided into the shape's parts.
    #[error("the period is {0} ns: at least 1 µs is needed")]
    Period(u64),
    /// The rate is 0 all the time.
    #[error("the rate is 0 all the time: no event would ever be due")]
    Silent,
    /// The trace has fewer than two rows.
    #[error("the trace has {}, and at least two rows are needed: the last one ends the trace", show_many(*.0 as u64, "row"))]
    ShortTrace(usize),
    /// A row of the trace is invalid.
    #[error("line {line} of the trace: {problem}")]
    Trace {
        /// The number of the line, from 1.
        line: usize,
        /// The reason.
        problem: RowProblem,
    },
}

/// The reason why a row of a trace is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RowProblem {
    /// The row is not two numbers with a comma between them.
    #[error("expected `seconds,rate`, found {0:?}")]
    Row(String),
    /// The rate is out of range.
    #[error("the rate {0} is not between 0 and 1,000,000,000 events per second")]
    Rate(f64),
    /// The first row is not at 0 seconds.
    #[error("the first row must be at 0 seconds, this one is at {0}")]
    Start(f64),
    /// The seconds do not increase, or are not a finite number.
    #[error("{0} seconds is not after the row before")]
    Order(f64),
}
