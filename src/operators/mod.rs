//! The burst operator, and what it needs from timely.
//!
//! Operators only move data and capabilities; the decisions are made in [`policy`](crate::policy). Only this
//! module, `source`, `sink`, `state` and `pipeline` use timely, and capabilities never leave them.

mod aggregate;
mod backpressure;
mod burst;
mod container;
mod epochs;
#[cfg(test)]
#[cfg(feature = "_interleavings")]
mod interleavings;
mod meter;
mod observer;
mod peers;
mod stages;
mod state;
mod verify;

pub use crate::clock::Clock;
pub use crate::policy::Route;
pub use crate::scheduler::Plan;
pub use aggregate::AggregateExt;
pub(crate) use aggregate::{in_chunks, rows_of};
pub use backpressure::Backpressure;
pub use burst::{Burst, BurstExt};
pub use observer::{EpochStats, Observer};
pub use peers::Peers;
pub use stages::{ChainLoad, StageLoad, Stages};
