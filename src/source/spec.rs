//! The traits of all sources: the description that the command line makes, and the open input.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use timely::dataflow::{Scope, Stream};

use super::{FlowControl, Input, Pace};
use crate::batch::{Batch, Note, TextRecord};
use crate::clock::Clock;
#[cfg(feature = "kafka")]
use crate::kafka::Topic;
use crate::observe::WorkerStats;
use crate::task::Bad;

/// A kind of source with its options. A run knows nothing else of its input before it opens it.
pub trait Source: Debug + Send + Sync {
    /// Returns the name of the kind, such as `lines`.
    fn kind(&self) -> &'static str;

    /// Opens the input and starts the threads that read it. They begin when the workers are there.
    ///
    /// # Errors
    /// If the input cannot be opened, or is not the one that the last run read.
    fn open(&self, context: OpenContext) -> Result<Arc<dyn OpenSource>, SourceError>;

    /// Checks the options, as far as that is possible without reading the input. A run that `is_resumed` may find fewer
    /// files than the first run.
    ///
    /// # Errors
    /// A text that says what is wrong with the value of the option.
    fn check(&self, is_resumed: bool) -> Result<(), String> {
        let _ = is_resumed;
        Ok(())
    }

    /// Whether records are computed from their numbers, so that each is available when it is due.
    fn is_generated(&self) -> bool {
        false
    }

    /// Whether an epoch is a length of time even if the records have no schedule.
    fn has_timed_epochs(&self) -> bool {
        false
    }

    /// Whether the source waits for more input at the end of the input.
    fn waits(&self) -> bool {
        false
    }

    /// Returns how a user ends a run that this source does not end. None if the input has an end.
    fn how_to_end(&self) -> Option<String> {
        None
    }

    /// Returns why several runs cannot read the same records, if they cannot. `is_bounded` says that the run has a
    /// duration.
    fn why_not_repeatable(&self, is_bounded: bool) -> Option<&'static str> {
        let _ = is_bounded;
        None
    }

    /// Returns the part of the option's value that must be the same when a run is resumed. None if that is all
    /// of it.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Returns the files that it reads, if it reads files.
    fn files(&self) -> Option<&Input> {
        None
    }

    /// Returns the topic that it reads, if it reads one.
    #[cfg(feature = "kafka")]
    fn topic(&self) -> Option<&Topic> {
        None
    }
}

/// An open source, which the workers of a process share.
pub trait OpenSource: Send + Sync {
    /// Builds the source's operator of one worker.
    fn build<'scope>(&self, scope: &Scope<'scope, u64>, worker: WorkerContext) -> Streams<'scope>;

    /// Returns how far the input was read when `epoch` began, as the JSON object that a commit records. `notes` are the
    /// notes of the epochs that are committed. Called in process 0, for epochs in order, on a thread that may wait for
    /// files.
    ///
    /// # Errors
    /// If that cannot be known, because the input has changed. Then the run fails and does not commit: no run could
    /// resume from this commit.
    fn position(&self, epoch: u64, notes: Vec<Note>) -> Result<Value, SourceError>;

    /// Reads nothing that is later than epoch `last`.
    fn stop_after(&self, last: u64) {
        let _ = last;
    }

    /// Returns a hash of the facts about the input that must be the same in all processes.
    fn fingerprint(&self) -> u64 {
        0
    }
}

/// What a source has to know of the run to read its input.
#[derive(Clone, Debug)]
pub struct ReadSettings {
    /// When records are due, and when the input ends.
    pub pace: Arc<Pace>,
    /// The longest record, in bytes. Longer ones are bad.
    pub max_record: usize,
    /// The length of an epoch, if epochs have one.
    pub epoch: Duration,
    /// The interval of commits.
    pub commit_every: Duration,
    /// The number of epochs that are committed together.
    pub epochs_a_commit: u64,
    /// The number of epochs that may be open past the last committed one.
    pub open_epochs: u64,
    /// The first epoch.
    pub first_epoch: u64,
    /// The number of workers of a process.
    pub workers: usize,
    /// The number of processes.
    pub processes: usize,
    /// The number of this process.
    pub process: usize,
}

/// What a source is opened with.
pub struct OpenContext {
    /// How it is read.
    pub read: ReadSettings,
    /// The positions that the last commit records. None at the start of the input.
    pub positions: Option<Value>,
    /// Reports an error while reading, after which no record comes.
    pub failed: Arc<dyn Fn(SourceError) + Send + Sync>,
}

impl OpenContext {
    /// Returns the position that the last commit records under `key`. None at the start of the input.
    ///
    /// # Errors
    /// If the commit has none.
    pub fn position<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SourceError> {
        let Some(positions) = &self.positions else { return Ok(None) };
        let position = positions.get(key).and_then(|position| T::deserialize(position).ok());
        position.map(Some).ok_or(SourceError::NoPosition)
    }
}

/// What a worker's part of a source is built with.
pub struct WorkerContext {
    /// When records are due, and when the input ends.
    pub pace: Arc<Pace>,
    /// The number of the worker within its process.
    pub local_index: usize,
    /// The run's clock.
    pub clock: Clock,
    /// Where the source waits.
    pub flow_control: FlowControl,
    /// The worker's counters.
    pub stats: Arc<WorkerStats>,
}

/// The streams of a source.
pub struct Streams<'scope> {
    /// The records.
    pub records: Stream<'scope, u64, Batch>,
    /// The records that are bad.
    pub bad: Stream<'scope, u64, Vec<Bad<TextRecord>>>,
    /// How far this worker's part of the input was read, if process 0 cannot know it otherwise.
    pub notes: Option<Stream<'scope, u64, Vec<Note>>>,
}

/// The reason why a source failed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The last commit has no position of the source.
    #[error("the last commit of the output does not say how far its input was read")]
    NoPosition,
    /// The input cannot be opened or read.
    #[error(transparent)]
    Input(Box<dyn Error + Send + Sync>),
}

impl SourceError {
    /// Wraps a source's own error.
    pub(super) fn input(error: impl Error + Send + Sync + 'static) -> Self {
        SourceError::Input(Box::new(error))
    }
}
