//! The burst operator, and what it needs from timely.
//!
//! Operators are shells: they move data and capabilities, and decisions live in
//! [`policy`](crate::policy). Of all modules only this one, `source`, `sink`, `state` and
//! `pipeline` know timely; capabilities never leave them.

mod away;
mod burst;
mod clock;
mod container;
mod desk;
mod epochs;
mod meter;
mod observer;
mod peers;
mod pressure;
mod stages;
mod verify;

pub use crate::policy::Path;
pub use burst::{Burst, BurstExt};
pub use clock::Clock;
pub use observer::{EpochStats, Observer};
pub use peers::Peers;
pub use pressure::Pressure;
pub use stages::{Load, Loads, Stages};
