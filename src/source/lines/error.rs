//! Why lines cannot be read.

use std::io;
use std::path::Path;

/// Input that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// A file, or standard input.
    #[error("cannot read {what}")]
    Read {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A glob that is none, or names nothing that can be read.
    #[error("{pattern}: {why}")]
    Glob {
        /// The glob.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// Where a run ended is no place that it can have come to.
    #[error("cannot resume: the last commit does not say where the last run ended: {0}")]
    Position(String),
    /// The files are not those that were read before a run was resumed.
    #[error(
        "cannot resume: {path} {why}. Restore the input as it was, or begin anew with another --state and another \
         output"
    )]
    Changed {
        /// Which file.
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
