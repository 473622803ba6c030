//! Errors of state folders.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A setting that differs from the one that the state was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The name of the option.
    pub option: String,
    /// The recorded value. None if the option was not given.
    pub was: Option<String>,
    /// The current value. None if the option is not given.
    pub is: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: &Option<String>| value.clone().unwrap_or_else(|| "not given".to_owned());
        write!(f, "{} was {} and is {}", self.option, shown(&self.was), shown(&self.is))
    }
}

/// The reason why a state cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file of the state cannot be read or written.
    #[error("cannot {what} {path}")]
    Io {
        /// The verb of the failed action.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Another run is using the state.
    #[error("another run is using it: wait for its end, or name another folder")]
    Locked,
    /// The record is invalid.
    #[error(
        "{path} is not the record of a state ({why}): to begin anew, remove the folder and name another \
         --out, or --overwrite the output"
    )]
    Broken {
        /// The file of the record.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// A file does not say what was spent.
    #[error(
        "{path} does not say what was spent ({why}): put back what it was, or remove it to count from \
         nothing"
    )]
    Spent {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// The state was made by a version whose output may differ.
    #[error(
        "it was made by version {was}, and this is {is}: resume it with that one, or begin anew with another \
         folder and --out"
    )]
    Version {
        /// The version that made it.
        was: String,
        /// This version.
        is: String,
    },
    /// The state was made by another command.
    #[error(
        "it is of another run: {}. Give the same options to resume it, or another folder and --out to begin \
         anew",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Differs(Vec<Difference>),
}

impl StateError {
    pub(super) fn io(what: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        StateError::Io { what, path: path.to_path_buf(), source }
    }
}
