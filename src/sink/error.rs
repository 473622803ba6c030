//! Errors of the output.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::PublishError;
use crate::state_file::StateFileError;

/// What to check where an address cannot be reached.
pub(crate) const UNREACHABLE: &str =
    "is its address right, is it up, and may this machine reach it?";

/// An error of the output. What was committed stays complete.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// An operation on a file or folder failed.
    #[error("cannot {what} {path}{advice}")]
    Io {
        /// The operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What to do about it.
        advice: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The files of keyed state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateFileError),
    /// The folder holds another run's output.
    #[error(
        "{0} holds another run's output: name another folder with --out, or replace it with \
         --overwrite"
    )]
    Occupied(PathBuf),
    /// A new output cannot begin the dead-letter file anew.
    #[error("the dead-letter file {path} {why}")]
    DeadLetters {
        /// The file.
        path: PathBuf,
        /// What it holds, and what to do.
        why: &'static str,
    },
    /// Another run writes to the folder.
    #[error("another run writes to {0}: wait for its end, or name another folder with --out")]
    InUse(PathBuf),
    /// The folder holds files that look like output and are not in its manifest.
    #[error(
        "{dir} holds {name}, which is in no manifest and which --overwrite does not touch: name \
        another folder with --out, or remove it yourself"
    )]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// One of the files.
        name: String,
    },
    /// A committed file has another length than it had when it was committed.
    #[error("{path} has {is} bytes, and was committed with {was}: it was changed since")]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length.
        is: u64,
        /// Its length when it was committed.
        was: u64,
    },
    /// Somebody else has written to a file of this run.
    #[error(
        "{path} has {is} bytes, and this run wrote {was}: it was changed by somebody else. Nothing is committed any \
         more"
    )]
    Meddled {
        /// The file.
        path: PathBuf,
        /// Its length.
        is: u64,
        /// Its length as this run left it.
        was: u64,
    },
    /// The manifest is not valid.
    #[error("{path}, line {line}: {why}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A result cannot be written as a line.
    #[error("a result cannot be written as {format}")]
    Result {
        /// The format.
        format: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Committed lines cannot be published, or their destination cannot be opened.
    #[error("cannot publish to {to}{advice}")]
    Publish {
        /// The destination.
        to: String,
        /// What to do about it.
        advice: String,
        /// The cause.
        #[source]
        source: Box<PublishError>,
    },
    /// The command names a destination that this run cannot have.
    #[error(transparent)]
    Unsuitable(Box<dyn Error + Send + Sync>),
    /// It is not known how far the input was read, so that no run could resume from the commit.
    #[error("cannot commit: it is not known how far the input was read")]
    NoPosition,
    /// Committed lines could not be published before the run was told to stop.
    #[error(
        "what is committed was not taken, and this run was told to stop: the same command publishes the rest ({why})"
    )]
    Unpublished {
        /// The destination and the cause.
        why: String,
    },
    /// The destination has more lines than the outbox.
    #[error(
        "{to} has taken {taken} lines of this output, and {folder} has {has} of them: is it an older copy, or \
         was it removed? Begin anew with another --state"
    )]
    Outrun {
        /// The outbox.
        folder: PathBuf,
        /// The destination.
        to: String,
        /// The number of lines that were published.
        taken: u64,
        /// The number of lines that the outbox has.
        has: u64,
    },
}

impl SinkError {
    /// Returns the error of lines that cannot be published to the destination `to`.
    pub fn publish(to: impl Into<String>, source: impl Into<PublishError>) -> Self {
        let source = source.into();
        let cause = match &source {
            PublishError::Permanent(cause) => cause.downcast_ref::<io::Error>(),
            PublishError::Transient(_) => None,
        };
        let advice = match cause.map(io::Error::kind) {
            Some(
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::TimedOut,
            ) => format!(" ({UNREACHABLE})"),
            _ => String::new(),
        };
        SinkError::Publish { to: to.into(), advice, source: Box::new(source) }
    }

    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let is_out_of_descriptors = [Errno::MFILE, Errno::NFILE]
            .iter()
            .any(|errno| source.raw_os_error() == Some(errno.raw_os_error()));
        let advice = match source.kind() {
            _ if is_out_of_descriptors => " (raise the limit on open files with ulimit -n)",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                " (make room on the disk and start again)"
            }
            io::ErrorKind::FileTooLarge => " (is there a limit on the size of files, ulimit -f?)",
            io::ErrorKind::AlreadyExists => " (the name is taken: move that file away)",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                " (is it yours to write?)"
            }
            io::ErrorKind::NotFound => " (was it removed?)",
            _ => "",
        };
        SinkError::Io { what, path: path.to_path_buf(), advice, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_cannot_be_reached_is_named_with_what_to_do() {
        let refused: Box<dyn Error + Send + Sync> =
            Box::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        let error = SinkError::publish("clicks at example.org:9092", refused);
        let said = error.to_string();
        assert!(said.starts_with("cannot publish to clicks at example.org:9092 ("), "{said}");
        assert!(said.contains(UNREACHABLE), "{said}");
        let cause = error.source().expect("the cause").to_string();
        assert_eq!(cause, "connection refused");
    }
}
