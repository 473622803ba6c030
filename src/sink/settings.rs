//! What the sink is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Manifest, OnStep};

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Files in a folder.
    Files {
        /// The folder, which all processes share.
        dir: PathBuf,
        /// Whether a commit waits until files are on the disk. Without, a commit survives a crash
        /// of the process but not of the machine.
        sync: bool,
        /// Whether large files are written past the system's page cache, where that can be.
        direct: bool,
        /// A file is ended past this size, in bytes. Too small and there are many files; too large
        /// and readers get few that they can read side by side.
        roll_bytes: u64,
        /// And past this age. No file is older than its commit group either way.
        roll_age: Duration,
    },
    /// Nowhere: an epoch is committed when the frontier passes it.
    Null,
}

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
    /// What is committed already, if this run goes on with another's output.
    pub resumed: Option<Arc<Manifest>>,
    /// Whose output it is: written into a new manifest.
    pub id: String,
    /// Where the sources stand when all epochs before one are committed: written into each commit.
    pub positions: Option<Positions>,
    /// Called after each step of a commit.
    pub on_step: Option<OnStep>,
}

/// Answers where the sources stand before an epoch, on the thread that commits.
pub type Positions = Arc<dyn Fn(u64) -> serde_json::Value + Send + Sync>;

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
            resumed: None,
            id: String::new(),
            positions: None,
            on_step: None,
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
            (Target::Files { dir, .. }, _) => dir.clone(),
            (Target::Null, Some(file)) => match file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
                _ => PathBuf::from("."),
            },
            (Target::Null, None) => PathBuf::from("."),
        }
    }

    /// Whether files wait for the disk.
    pub(super) fn syncs(&self) -> bool {
        matches!(self.target, Target::Files { sync: true, .. })
    }
}
