//! The committed state of an output: its manifest, folded line by line.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;

use super::json_diff::apply;
use super::manifest::{Header, MANIFEST, VERSION};
use super::{Commit, SinkError, StateChange, StateFile};

/// The sum of a manifest's commits. It has the same size however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommittedState {
    /// The identifier of the output, which the run's state knows too.
    pub id: String,
    /// The number of commits, with those that the manifest leaves out.
    pub commits: u64,
    /// The last commit, without its `sources`.
    pub last: Option<Commit>,
    /// The positions of the sources after the last commit.
    pub sources: Value,
    /// The files that make up the keyed state after the last commit.
    pub state: Vec<StateFile>,
    /// The length of the manifest's complete lines. A torn line after them was never committed.
    pub complete_bytes: u64,
    /// The newest commit that has files.
    pub(super) newest: Option<u64>,
    pub(super) shortened: Option<u64>,
}

impl CommittedState {
    /// Reads the manifest of a folder. Without a manifest, nothing is committed. A torn last line was not
    /// committed and is ignored.
    ///
    /// # Errors
    /// If it cannot be read, or a whole line is not one of a manifest.
    pub fn read(dir: &Path) -> Result<CommittedState, SinkError> {
        CommittedState::fold(dir, |_| Ok(()))
    }

    /// Does the same, and calls `each` with each commit of the manifest.
    pub(super) fn fold(
        dir: &Path,
        mut each: impl FnMut(&Commit) -> Result<(), SinkError>,
    ) -> Result<CommittedState, SinkError> {
        let path = dir.join(MANIFEST);
        let failed = |error| SinkError::io("read", &path, error);
        let mut committed_state = CommittedState::default();
        let mut file = match File::open(&path) {
            Ok(file) => BufReader::with_capacity(64 << 10, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(committed_state),
            Err(error) => return Err(failed(error)),
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            file.read_until(b'\n', &mut line).map_err(failed)?;
            let Some(json) = line.strip_suffix(b"\n") else { break };
            let wrong = |why: String| SinkError::Manifest { path: path.clone(), line: number, why };
            let unread = |error: serde_json::Error| {
                // The text counts lines within this one.
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or_default();
                wrong(format!("{what} at byte {} of the line", error.column()))
            };
            if number == 1 {
                let header: Header = serde_json::from_slice(json).map_err(unread)?;
                if header.floodway_manifest != VERSION {
                    let why = format!("version {}, expected {VERSION}", header.floodway_manifest);
                    return Err(wrong(why));
                }
                (committed_state.id, committed_state.shortened) = (header.id, header.shortened);
            } else {
                let commit: Commit = serde_json::from_slice(json).map_err(unread)?;
                commit.follows(&committed_state).map_err(wrong)?;
                each(&commit)?;
                committed_state.take(commit).map_err(wrong)?;
            }
            committed_state.complete_bytes += line.len() as u64;
        }
        Ok(committed_state)
    }

    fn take(&mut self, mut commit: Commit) -> Result<(), String> {
        match commit.sources_changed.take() {
            Value::Null => self.sources = commit.sources.take(),
            changes => apply(&mut self.sources, changes)
                .map_err(|why| format!("sources_changed does not fit: {why}"))?,
        }
        self.take_state(std::mem::take(&mut commit.state));
        self.commits = commit.commit + 1;
        if !commit.files.is_empty() {
            self.newest = Some(commit.commit);
        }
        self.last = Some(commit);
        Ok(())
    }

    /// Takes the changes of the files of keyed state.
    pub(super) fn take_state(&mut self, StateChange { add, drop }: StateChange) {
        self.state.retain(|file| !drop.contains(&file.name));
        self.state.extend(add);
    }

    /// Whether the manifest may continue with this commit although others are missing before it.
    pub(super) fn leaves_out(&self, commit: u64) -> bool {
        commit >= self.commits && self.shortened.is_some_and(|shortened| commit <= shortened)
    }

    /// Returns the number of committed lines.
    pub fn records(&self) -> u64 {
        self.last.as_ref().map_or(0, |commit| commit.total_records)
    }

    /// Returns the number of bad records in committed epochs.
    pub fn bad(&self) -> u64 {
        self.last.as_ref().map_or(0, |commit| commit.total_bad)
    }

    /// Returns the first epoch that is not committed.
    pub fn next_epoch(&self) -> u64 {
        self.last.as_ref().map_or(0, |commit| commit.up_to_epoch + 1)
    }
}
