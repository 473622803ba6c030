//! The steps of a commit, for tests that end the process after one of them.

use std::sync::Arc;

/// The step that was just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitStep {
    /// A temporary file was written and synced.
    FileSynced,
    /// The record was appended to the manifest and synced: the commit.
    RecordAppended,
    /// A file was renamed to its final name.
    FileRenamed,
    /// The folder was synced after the renames.
    FolderSynced,
    /// Dead letters were appended to their file.
    DeadLettersAppended,
}

/// A function that is called after each step, on the thread that did it.
pub type CommitHook = Arc<dyn Fn(CommitStep) + Send + Sync>;
