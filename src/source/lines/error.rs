//! Errors of reading lines.

use std::io;
use std::path::Path;

/// The reason why the input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// A file or standard input cannot be read.
    #[error("cannot read {what}")]
    Read {
        /// The path, or `standard input`.
        what: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The glob is invalid, or matches nothing that can be read.
    #[error("{pattern}: {why}")]
    Glob {
        /// The glob.
        pattern: String,
        /// The reason.
        why: String,
    },
    /// The position contradicts itself.
    #[error("cannot resume: the last commit does not say where the last run ended: {0}")]
    Position(String),
    /// A file is not the one that was read before the run was resumed.
    #[error(
        "cannot resume: {path} {why}. Restore the input as it was, or begin anew with another --state and another \
         output"
    )]
    Changed {
        /// The path of the file.
        path: String,
        /// What changed.
        why: String,
    },
}

impl LinesError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        LinesError::Read { what: path.display().to_string(), source }
    }

    pub(super) fn changed(path: &str, why: impl Into<String>) -> Self {
        LinesError::Changed { path: path.to_owned(), why: why.into() }
    }
}
