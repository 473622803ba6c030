//! Replaces a manifest by a shorter one, so that it does not grow with time.
//!
//! The shorter manifest leaves out commits whose files have all been taken away, and only its last commit has the
//! positions of the sources and the files of keyed state. It is written beside the old one, synced and renamed, so a
//! reader finds one complete manifest at any time.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::Value;

use super::disk::{Disk, DiskFile};
use super::manifest::{Header, MANIFEST, VERSION};
use super::prepare::sync_folder;
use super::{Commit, CommittedState, SinkError, StateChange};

/// Replaces the manifest in `dir`, which holds `committed_state`, by a shorter one, and returns it for
/// appending.
pub(super) fn compact(
    disk: &Disk,
    dir: &Path,
    committed_state: &CommittedState,
) -> Result<DiskFile, SinkError> {
    // A recovery removes files with such a name, because they are not committed.
    let temporary = dir.join(format!(".part-{:010}", rand::random::<u32>()));
    let failed = |error| SinkError::io("write", &temporary, error);
    let file = disk.create(&temporary).map_err(failed)?;
    let mut new = BufWriter::with_capacity(64 << 10, file);
    let last = committed_state.commits.checked_sub(1);
    let header =
        Header { floodway_manifest: VERSION, id: committed_state.id.clone(), shortened: last };
    new.write_all(&header.line()).map_err(failed)?;
    CommittedState::fold(dir, |commit| {
        let is_last = Some(commit.commit) == last;
        if is_last || Some(commit.commit) == committed_state.newest || is_there(dir, commit) {
            let (sources, state) = match is_last {
                true => (committed_state.sources.clone(), committed_state.state.clone()),
                false => (Value::Null, Vec::new()),
            };
            let state = StateChange { add: state, drop: Vec::new() };
            let commit = Commit { sources, sources_changed: Value::Null, state, ..commit.clone() };
            new.write_all(&commit.line()).map_err(failed)?;
        }
        Ok(())
    })?;
    let mut file = new.into_inner().map_err(|error| failed(error.into_error()))?;
    // It is synced with `sync=none` too, because the old manifest must not be lost.
    file.sync().map_err(failed)?;
    let path = dir.join(MANIFEST);
    file.replace(&path).map_err(|error| SinkError::io("replace", &path, error))?;
    sync_folder(disk, dir)?;
    Ok(file)
}

/// Whether any file of the commit exists.
fn is_there(dir: &Path, commit: &Commit) -> bool {
    commit.files.iter().any(|file| dir.join(&file.name).symlink_metadata().is_ok())
}
