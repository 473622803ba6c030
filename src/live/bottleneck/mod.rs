//! The bottleneck of a run: a pure function of two samples.

mod find;
mod interval;
mod kind;
mod queue;

pub(super) use find::find;
pub use kind::{Bottleneck, Kind};
