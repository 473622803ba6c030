//! The request machine: what the bridge decides, without I/O.
//!
//! It is a plain state machine with the time as an argument. What happens goes in: records that are handed
//! over, an attempt that is on the wire or has ended, the time, and the end of the run. What has to be done
//! comes out as [`Action`]s: an attempt to send or to give up, records to answer or to return. There is no
//! clock, no thread, no channel and no lock in it.
//!
//! Two drivers run it: the bridge with HTTP and timers, and [`simulate`](crate::simulate) with a model of the
//! service and simulated time. Each task has a machine ([`Machine`]); the machines of a bridge share one
//! [`Admission`], which knows the remote side.

mod action;
mod attempts;
mod machine;
mod request;

pub(crate) use action::{
    Action, AttemptId, Billed, Ended, Fill, Filled, Item, Part, Turn, Warning,
};
pub(crate) use machine::Machine;
