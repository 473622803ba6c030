//! The plan that the stages of a graph share on a worker.
//!
//! The stages share the worker's time, and a record is due when its results leave the last of them. So each stage
//! tells the others what it holds and what a record costs, and asks three questions:
//!
//! - **Whose turn is it?** The stage computes whose oldest record has to be done first.
//! - **How long do the stages behind it take?** A stage that sends records needs the time of a request, and the time
//!   in which one is filled. Its own results are due that much earlier.
//! - **How much of the worker's time is not its own?** Sending a record of a stage saves the time that a worker takes
//!   for it, and costs what the remote side bills for it. If the stages together need more time than there is, those
//!   are to send that save the most time for a dollar. So the worker's time belongs first to the stage that saves the
//!   least: this one keeps what it can, the next one keeps what it can in the time that is left, and so on. A record
//!   needs time at its stage and, as many times as it will have results, at each stage behind it.
//!
//! This division is the optimum of a fractional model: which work one machine can do in time is a matroid, so taking
//! the dearest to send first, as much as fits, keeps the most. The optimum of the [simulation](crate::simulate) is
//! computed in the same way, with hindsight.

mod member;
mod profile;
mod shared;
mod stage;
#[cfg(test)]
mod tests;

pub(super) use member::Member;
pub use member::Plan;
pub(super) use stage::Known;
