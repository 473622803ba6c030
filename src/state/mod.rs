//! What a run keeps beside its output, so that the same command goes on where it was ended.
//!
//! Where a run stands is in the commits of its output (`docs/manifest.md`); a state folder holds what
//! ties a command to that output: a lock, so that there is one run at a time, and a record of whose
//! output it is and what that output depends on; and what all its runs have spent. `docs/recovery.md` has
//! the formats.
//!
//! Knows files only: what the settings are and what they mean is told by whoever opens it.

mod error;
mod folder;
mod record;
mod spent;

pub use error::{Difference, StateError};
pub use folder::State;
pub use spent::Spent;
