//! Why a run failed.

use super::MeshError;
use super::control::Disagreement;
use crate::bridge::BridgeError;
use crate::sink::SinkError;
use crate::source::LinesError;
use crate::state::StateError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not begin: nothing was read or written.
    #[error(transparent)]
    NotBegun(Box<RunError>),
    /// What the run is to be resumed from.
    #[error("the state in {folder}")]
    State {
        /// Its folder.
        folder: String,
        /// Why it cannot be used.
        #[source]
        source: StateError,
    },
    /// The last commit does not say how far its source was.
    #[error("the last commit of the output does not say how far its input was read")]
    NoPosition,
    /// The output.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The input.
    #[error(transparent)]
    Lines(#[from] LinesError),
    /// The input, or the output, in Kafka.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::kafka::KafkaError),
    /// The bridge.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// The embedded Lambda.
    #[error("cannot start the embedded Lambda")]
    Lambda(#[source] std::io::Error),
    /// The connections to the other processes.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// Timely.
    #[error("cannot start the workers: {0}")]
    Timely(String),
    /// A worker's thread, or a connection to another process.
    #[error("a worker ended before its work was done: {0}")]
    Worker(String),
    /// Another process of the run.
    #[error("another process of this run is gone: {0}")]
    Gone(String),
    /// The remote side's results are not the workers'.
    #[error(
        "the remote result of {record} differs from the worker's (--verify): is the function of \
        the same version as this command? What was committed before may be wrong too"
    )]
    Differs {
        /// Which record.
        record: String,
    },
    /// The remote side is not to be had as it is set up.
    #[error(
        "{function} refused all that was sent to it: {why}. Nothing was done remotely: the workers did all \
         work, and it is committed"
    )]
    Refused {
        /// Its name.
        function: String,
        /// How, and what to do about it.
        why: String,
    },
    /// The policy wanted to send records, and none was done remotely.
    #[error(
        "{why} The workers did all work, and it is committed; --require-remote wants some done remotely"
    )]
    NothingRemote {
        /// That it is so, and why.
        why: String,
    },
    /// The other processes.
    #[error(transparent)]
    Settings(#[from] Disagreement),
    /// The summary or the series.
    #[error("cannot write the {what} to {path}")]
    Figures {
        /// Which of them.
        what: &'static str,
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// Whether all work was done in spite of it, and is committed.
    pub(super) fn is_of_done_work(&self) -> bool {
        matches!(self, RunError::Refused { .. } | RunError::NothingRemote { .. })
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
