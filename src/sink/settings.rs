//! What the sink is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CommitHook, CommittedState, Disk};
use crate::atomic_file::parent_of;
use crate::destination::Destination;

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Files in a folder.
    Files(Files),
    /// Nowhere: an epoch is committed when the frontier passes it.
    Null,
}

/// Files in a folder, and how they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder, which all processes share.
    pub dir: PathBuf,
    /// Whether a commit waits until files are on the disk. Without, a commit survives a crash of the
    /// process but not of the machine.
    pub sync: bool,
    /// Whether large files are written past the system's page cache, where that can be.
    pub direct: bool,
    /// A file is ended past this length in bytes, as it is on the disk. Too small and there are many
    /// files; too large and readers get few that they can read side by side.
    pub roll_bytes: u64,
    /// And past this age, whether anybody writes to it or not. No file is older than its commit
    /// group either way.
    pub roll_age: Duration,
    /// What a line looks like: the output depends on it.
    pub format: Format,
    /// How files are packed: readers get the same lines either way.
    pub compression: Compression,
}

impl Files {
    /// In the folder `dir`, synced, past the cache, lines of text as they are.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Files {
            dir: dir.into(),
            sync: true,
            direct: true,
            roll_bytes: 256 << 20,
            roll_age: Duration::from_secs(60),
            format: Format::Text,
            compression: Compression::None,
        }
    }
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The record's number, a tab, its tokens.
    #[default]
    Text,
    /// A JSON object.
    JsonLines,
}

/// How files are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Each file is one frame of zstd's.
    Zstd,
}

impl Compression {
    /// What names of files end in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Zstd => ZSTD,
        }
    }
}

/// What names of zstd's files end in.
pub(super) const ZSTD: &str = ".zst";

/// Settings of a process's sink.
#[derive(Clone)]
pub struct Settings {
    /// Where results go.
    pub target: Target,
    /// Epochs that are committed together; the same in all processes. Few, and there are many
    /// small files and commits; many, and a crash does more again.
    pub epochs_a_group: u64,
    /// Bad records with their reasons.
    pub dead_letter: Option<PathBuf>,
    /// Workers of this process.
    pub workers: usize,
    /// This process.
    pub process: usize,
    /// Bytes that may wait for the writer before sources should wait. Too few and they wait at
    /// every hiccup of the disk; too many and memory grows, and no cache holds what waits.
    pub max_waiting_bytes: u64,
    /// Bytes of committed files that may wait to be published: too few and sources wait for every
    /// transaction; too many and the disk fills while nothing can be published.
    pub max_unpublished_bytes: u64,
    /// What is committed already, if this run goes on with another's output.
    pub resumed: Option<Arc<CommittedState>>,
    /// Whose output it is: written into a new manifest.
    pub id: String,
    /// Where the sources stand when all epochs before one are committed: written into each commit.
    pub positions: Option<Positions>,
    /// Called after each step of a commit.
    #[doc(hidden)]
    pub on_step: Option<CommitHook>,
    /// What all this is done to.
    #[doc(hidden)]
    pub disk: Disk,
}

/// What a source has the commit of an epoch remember, in a form of its own: the sink hands it on.
pub type Note = Vec<u8>;

/// Answers where the sources stand before an epoch, on the thread that commits; it is given the notes of
/// the epochs that are committed with it.
pub type Positions = Arc<dyn Fn(u64, Vec<Note>) -> serde_json::Value + Send + Sync>;

impl Settings {
    /// For `workers` workers of process `process`, one epoch a group, nothing else.
    pub fn new(target: Target, workers: usize, process: usize) -> Self {
        Settings {
            target,
            epochs_a_group: 1,
            dead_letter: None,
            workers,
            process,
            max_waiting_bytes: 16 << 20,
            max_unpublished_bytes: 256 << 20,
            resumed: None,
            id: String::new(),
            positions: None,
            on_step: None,
            disk: Disk::default(),
        }
    }

    /// The group of an epoch.
    pub(super) fn group(&self, epoch: u64) -> u64 {
        epoch / self.epochs_a_group.max(1)
    }

    /// The last epoch of a group.
    pub(super) fn last_epoch(&self, group: u64) -> u64 {
        group.saturating_add(1).saturating_mul(self.epochs_a_group.max(1)) - 1
    }

    /// The folder that temporary files are in: the output's, or the dead letters'.
    pub(super) fn folder(&self) -> PathBuf {
        match (&self.target, &self.dead_letter) {
            (Target::Files(files), _) => files.dir.clone(),
            (Target::Null, Some(file)) => match Destination::of(file) {
                Destination::File(_) => parent_of(file).to_path_buf(),
                _ => std::env::temp_dir(),
            },
            (Target::Null, None) => PathBuf::from("."),
        }
    }

    /// The files that results go to, if they do.
    pub(super) fn files(&self) -> Option<&Files> {
        match &self.target {
            Target::Files(files) => Some(files),
            Target::Null => None,
        }
    }

    /// Whether files wait for the disk.
    pub(super) fn syncs(&self) -> bool {
        self.files().is_some_and(|files| files.sync)
    }
}
