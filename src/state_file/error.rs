//! Errors of the files of keyed state.

use std::io;
use std::path::{Path, PathBuf};

use crate::units::show_bytes;

/// A file of state that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFileError {
    /// The system failed.
    #[error("cannot read the state in {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error(
        "the state in {} is damaged: {why}. Restore the file, or remove the output and the folder of --state to start over",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It has another version of the format.
    #[error(
        "the state in {} has version {version} of the format, and this Floodway reads version {reads}: go on with the \
         Floodway that has written it, or remove the output and the folder of --state to start over",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that the file names.
        version: u64,
        /// The version that this Floodway reads.
        reads: u64,
    },
    /// The stages hold more than they may.
    #[error(
        "the state has grown to {}, more than --max-state allows ({}): most of it is {stage}, with {keys} keys. What is \
         committed is whole; with a larger --max-state the same command goes on",
        show_bytes(*bytes), show_bytes(*most)
    )]
    TooLarge {
        /// The stage that holds the most.
        stage: String,
        /// The keys of that stage.
        keys: u64,
        /// What all stages of the process hold.
        bytes: u64,
        /// What they may hold.
        most: u64,
    },
    /// The state has rows of a stage that the dataflow lacks.
    #[error("the state has rows of {stage}, which is no stage of this dataflow")]
    NoStage {
        /// The name of the stage.
        stage: String,
    },
    /// A key or a value cannot be written.
    #[error(
        "the state of {stage} cannot be written: serde cannot serialize a key or a value of it"
    )]
    Row {
        /// The name of the stage.
        stage: String,
        /// Why.
        #[source]
        source: postcard::Error,
    },
}

impl StateFileError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        StateFileError::Io { path: path.to_path_buf(), source }
    }
}
