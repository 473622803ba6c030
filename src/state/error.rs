//! Why a state cannot be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A setting that the state was made with, and is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its option.
    pub option: String,
    /// What it was; nothing if it was not given.
    pub was: Option<String>,
    /// What it is.
    pub is: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |value: &Option<String>| value.clone().unwrap_or_else(|| "not given".to_owned());
        write!(f, "{} was {} and is {}", self.option, shown(&self.was), shown(&self.is))
    }
}

/// A state that cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file of it cannot be read or written.
    #[error("cannot {what} {path}")]
    Io {
        /// What.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another run is using it.
    #[error("another run is using it: wait for its end, or name another folder")]
    Locked,
    /// Its record is not one.
    #[error(
        "{path} is not the record of a state ({why}): to begin anew, remove the folder and name another \
         --out, or --overwrite the output"
    )]
    Broken {
        /// The record.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It does not say what was spent.
    #[error(
        "{path} does not say what was spent ({why}): put back what it was, or remove it to count from \
         nothing"
    )]
    Spent {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It was made by a version whose output may be another.
    #[error(
        "it was made by version {was}, and this is {is}: resume it with that one, or begin anew with another \
         folder and --out"
    )]
    Version {
        /// That version.
        was: String,
        /// This one.
        is: String,
    },
    /// It was made by another command.
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
