//! What can be wrong with a schedule.

use crate::units::show_many;

/// Why there is no such schedule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// A rate is negative, not a number, or above [`Schedule::MAX_RATE`](super::Schedule::MAX_RATE).
    #[error("the {which} is {value}, which is not between 0 and 1,000,000,000 events per second")]
    Rate {
        /// `rate` or `peak rate`.
        which: &'static str,
        /// What was given.
        value: f64,
    },
    /// The period is too short to be divided into the shape's parts.
    #[error("the period is {0} ns: at least 1 µs is needed")]
    Period(u64),
    /// The rate is 0 for ever.
    #[error("the rate is 0 all the time: no event would ever be due")]
    Silent,
    /// A trace has less than two rows.
    #[error("the trace has {}, and at least two rows are needed: the last one ends the trace", show_many(*.0 as u64, "row"))]
    ShortTrace(usize),
    /// A row of a trace is not as it must be.
    #[error("line {line} of the trace: {problem}")]
    Trace {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: RowProblem,
    },
}

/// What is wrong with a row of a trace.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RowProblem {
    /// Not two numbers with a comma between them.
    #[error("expected `seconds,rate`, found {0:?}")]
    Row(String),
    /// The rate is no rate.
    #[error("the rate {0} is not between 0 and 1,000,000,000 events per second")]
    Rate(f64),
    /// The first row is not at 0.
    #[error("the first row must be at 0 seconds, this one is at {0}")]
    Start(f64),
    /// The seconds do not increase, or are no time.
    #[error("{0} seconds is not after the row before")]
    Order(f64),
}
