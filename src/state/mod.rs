//! The state folder, with which the same command resumes a run.
//!
//! The commits of the output record how far a run got (`docs/manifest.md`). A state folder ties a command to that output.
//! It holds a lock, so that only one run uses it at a time; a record of the id of the output and of the settings on which
//! the output depends; and what all its runs have spent. `docs/recovery.md` has the formats.
//!
//! This module knows only files. The caller provides the settings.

mod error;
mod folder;
mod record;
mod spent;

pub use error::{Difference, StateError};
pub use folder::State;
pub use spent::Spent;
