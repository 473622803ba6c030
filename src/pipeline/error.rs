//! The errors of a run.

use super::MeshError;
use super::control::Disagreement;
use crate::bridge::BridgeError;
use crate::emulator::StartError;
use crate::job::BuildError;
use crate::pool::PoolError;
use crate::sink::SinkError;
use crate::source::SourceError;
use crate::state::StateError;

/// The reason why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run did not start: nothing was read or written.
    #[error(transparent)]
    NotStarted(Box<RunError>),
    /// The state folder cannot be used.
    #[error("the state in {folder}")]
    State {
        /// The state folder.
        folder: String,
        /// The cause.
        #[source]
        source: StateError,
    },
    /// The output failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The dataflow cannot be built.
    #[error("the dataflow cannot be built")]
    Dataflow(#[source] BuildError),
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bridge cannot start.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The embedded Lambda cannot start.
    #[error("cannot start the embedded Lambda")]
    Lambda(#[source] StartError),
    /// The processes of the function do not start, or cannot go on.
    #[error(transparent)]
    Function(PoolError),
    /// The live view cannot listen at its address.
    #[error("cannot listen on port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The processes cannot connect.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The workers cannot start.
    #[error("cannot start the workers: {0}")]
    Timely(String),
    /// A worker's thread ended early, or a connection to another process did.
    #[error("a worker ended before its work was done: {0}")]
    Worker(String),
    /// The code of a stage, or of a parser, panicked.
    #[error(
        "{0}. Correct the code, or let it return a code for such a record, which is then a dead letter. What was \
        committed stays"
    )]
    CodePanicked(String),
    /// Another process of the run is lost.
    #[error("another process of this run is gone: {0}")]
    ProcessLost(String),
    /// A remote result differs from the worker's.
    #[error(
        "the remote result of {record} differs from the one that was computed here (--verify): {remote}, and here \
        {here}. Either the function is of another version, or it is not pure. What was committed before may be wrong too"
    )]
    VerifyMismatch {
        /// The record's number, or the record.
        record: String,
        /// The remote result, shortened.
        remote: String,
        /// The result of this machine, shortened.
        here: String,
    },
    /// The remote side refused every request.
    #[error(
        "{function} refused all that was sent to it: {why}. The function did nothing: the workers did its work, and \
         all work is committed"
    )]
    Refused {
        /// The function's name.
        function: String,
        /// The reason, and what to do about it.
        why: String,
    },
    /// The service of a call refuses every request, so that the run cannot go on.
    #[error("{endpoint} refuses every request of the call {call}: {why}")]
    RefusedCall {
        /// The name of the call.
        call: String,
        /// The service.
        endpoint: String,
        /// The reason, and what to do about it.
        why: String,
    },
    /// The policy wanted to send records, and none was done remotely.
    #[error(
        "{why} The workers did all work, and it is committed; --require-remote wants some done remotely"
    )]
    NothingRemote {
        /// The reason, as a sentence.
        why: String,
    },
    /// The processes do not agree.
    #[error(transparent)]
    Settings(#[from] Disagreement),
    /// The summary or the series cannot be written.
    #[error("cannot write the {what} to {path}")]
    Write {
        /// `summary` or `series`.
        what: &'static str,
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// Whether all work was done and is committed in spite of the error.
    pub(super) fn is_work_committed(&self) -> bool {
        matches!(self, RunError::Refused { .. } | RunError::NothingRemote { .. })
    }
}

/// Returns the error with its chain of causes, in one line.
pub(super) fn cause_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
