//! The settings of the sink.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CommitGroups, CommitHook, CommittedState, Disk, Note};
use crate::atomic_file::parent_of;
use crate::destination::Destination;

/// Files in a folder, and how they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder, which all processes share.
    pub dir: PathBuf,
    /// Whether a commit waits until files are on the disk. If not, a commit survives a crash of the process
    /// but not of the machine.
    pub sync: bool,
    /// Whether large files bypass the system's page cache, where that is possible.
    pub direct: bool,
    /// The length in bytes, as on the disk, at which a file is closed. Too small a length makes many files;
    /// too large a one makes too few for readers that read in parallel.
    pub roll_bytes: u64,
    /// The age at which a file is closed, whether or not it gets more records. No file is older than its
    /// commit group either way.
    pub roll_age: Duration,
    /// The format of a line. The output depends on it.
    pub format: Format,
    /// The compression of files. Readers get the same lines with any.
    pub compression: Compression,
    /// Whether each line has a key before a tab, for a publisher, which takes them apart.
    pub keyed: bool,
}

impl Files {
    /// Returns the settings of a folder with synced, uncompressed files of text that bypass the page cache.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Files {
            dir: dir.into(),
            sync: true,
            direct: true,
            roll_bytes: 256 << 20,
            roll_age: Duration::from_secs(60),
            format: Format::Text,
            compression: Compression::None,
            keyed: false,
        }
    }
}

/// The format of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The record's number, a tab, and its tokens.
    #[default]
    Text,
    /// A JSON object.
    JsonLines,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 2] = [Format::Text, Format::JsonLines];

    /// Returns the name of the format, as options have it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::JsonLines => "jsonl",
        }
    }
}

/// The compression of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// One frame of zstd for each file.
    Zstd,
}

impl Compression {
    /// Returns the suffix of file names.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Zstd => ZSTD,
        }
    }
}

/// The suffix of zstd's files.
pub(super) const ZSTD: &str = ".zst";

/// The settings of a process's sink.
#[derive(Clone)]
pub struct Settings {
    /// The files that results are written to. Without them results are counted, and an epoch is committed when
    /// the frontier passes it.
    pub files: Option<Files>,
    /// The number of epochs that are committed together, the same in all processes. Too few make many small
    /// files and commits; too many repeat more work after a crash.
    pub epochs_a_group: u64,
    /// The file of bad records with their reasons.
    pub dead_letter: Option<PathBuf>,
    /// The number of workers of this process.
    pub workers: usize,
    /// The number of this process.
    pub process: usize,
    /// The number of bytes that may wait for the writer before sources wait. Too few make sources wait
    /// whenever the disk is slow for a moment; too many take memory and fall out of the caches.
    pub max_waiting_bytes: u64,
    /// The number of bytes of committed files that may wait to be published. Too few make sources wait for
    /// every transaction; too many fill the disk while nothing can be published.
    pub max_unpublished_bytes: u64,
    /// The committed state of the output, if this run continues one.
    pub resumed: Option<Arc<CommittedState>>,
    /// The identifier of the output, which is written into a new manifest.
    pub id: String,
    /// Returns the positions of the sources, which are written into each commit.
    pub positions: Option<Positions>,
    /// Called after each step of a commit.
    #[doc(hidden)]
    pub on_step: Option<CommitHook>,
    /// The file system.
    #[doc(hidden)]
    pub disk: Disk,
}

/// A function that returns the positions of the sources before an epoch. It is called on the thread that
/// commits, with the notes of the epochs that are committed. None if they cannot be known: then the commit is not made.
pub type Positions = Arc<dyn Fn(u64, Vec<Note>) -> Option<serde_json::Value> + Send + Sync>;

impl Settings {
    /// Returns settings for `workers` workers of process `process`, with one epoch in each group.
    pub fn new(files: impl Into<Option<Files>>, workers: usize, process: usize) -> Self {
        Settings {
            files: files.into(),
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

    /// Returns the commit groups.
    pub(super) fn groups(&self) -> CommitGroups {
        CommitGroups::of(self.epochs_a_group)
    }

    /// Returns the folder of temporary files: the output's, or that of the dead letters.
    pub(super) fn folder(&self) -> PathBuf {
        match (&self.files, &self.dead_letter) {
            (Some(files), _) => files.dir.clone(),
            (None, Some(file)) => match Destination::of(file) {
                Destination::File(_) => parent_of(file).to_path_buf(),
                _ => std::env::temp_dir(),
            },
            (None, None) => PathBuf::from("."),
        }
    }

    /// Whether commits wait for the disk.
    pub(super) fn syncs(&self) -> bool {
        self.files.as_ref().is_some_and(|files| files.sync)
    }
}
