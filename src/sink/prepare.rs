//! Prepares an output folder: an empty one before a new run, and after a crash one that holds what its manifest names.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::manifest::{MANIFEST, PART, PROBE, is_state, is_temporary};
use super::{Commit, CommittedFile, CommittedState, Disk, SinkError};
use crate::units::show_many;

/// Prepares the folder of a new run. Process 0 does so before any process writes.
///
/// # Errors
/// If the folder cannot be created or written to, or if it holds another run's output and `overwrite` is not set.
/// Overwriting removes only what the folder's manifest names. A `part-*` that the manifest does not name belongs
/// to somebody else, and is refused.
pub fn prepare(dir: &Path, overwrite: bool) -> Result<(), SinkError> {
    prepare_on(&Disk::default(), dir, overwrite)
}

fn prepare_on(disk: &Disk, dir: &Path, overwrite: bool) -> Result<(), SinkError> {
    disk.make_folder(dir).map_err(|error| SinkError::io("create the folder", dir, error))?;
    let names = names(dir)?;
    let has_manifest = names.iter().any(|name| name == MANIFEST);
    if has_manifest || names.iter().any(|name| is_part(name)) {
        if !overwrite {
            return Err(SinkError::Occupied(dir.to_path_buf()));
        }
        let mut foreign = parts(&names);
        CommittedState::fold(dir, |commit| {
            without(&mut foreign, commit);
            Ok(())
        })?;
        refuse(dir, &foreign)?;
    }
    for name in names.iter().filter(|name| is_part(name) || is_temporary(name) || is_state(name)) {
        remove(disk, &dir.join(name))?;
    }
    if has_manifest {
        // The manifest is removed last: without it, the rest of its files would belong to nobody.
        sync_folder(disk, dir)?;
        remove(disk, &dir.join(MANIFEST))?;
        sync_folder(disk, dir)?;
    }
    let probe = dir.join(PROBE);
    remove(disk, &probe)?;
    disk.create(&probe).map_err(|error| SinkError::io("write to the folder", dir, error))?;
    remove(disk, &probe)
}

/// Returns a random identifier for a new output.
pub fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Prepares the folder of the output `id` for a run that continues it, and returns what is committed. Without an
/// output, the folder is prepared as for a new run, and the result is none.
///
/// # Errors
/// Those of [`recover`], and those of [`prepare`] if the folder holds another output.
pub fn resume(dir: &Path, id: &str, overwrite: bool) -> Result<Option<CommittedState>, SinkError> {
    resume_on(&Disk::default(), dir, id, overwrite)
}

/// Does the same as [`resume`] on a disk with faults.
///
/// # Errors
/// Those of [`resume`].
pub fn resume_on(
    disk: &Disk,
    dir: &Path,
    id: &str,
    overwrite: bool,
) -> Result<Option<CommittedState>, SinkError> {
    resume_as(disk, dir, id, overwrite, true)
}

/// Does the same as [`resume`] in the folder of an outbox, from which published files are removed.
///
/// # Errors
/// Those of [`resume`].
pub fn resume_outbox(dir: &Path, id: &str) -> Result<Option<CommittedState>, SinkError> {
    resume_as(&Disk::default(), dir, id, false, false)
}

fn resume_as(
    disk: &Disk,
    dir: &Path,
    id: &str,
    overwrite: bool,
    warns: bool,
) -> Result<Option<CommittedState>, SinkError> {
    let committed_state = match dir.exists() {
        true => CommittedState::read(dir)?,
        false => CommittedState::default(),
    };
    // Without a complete first line of the manifest, nothing was committed.
    let has_begun = committed_state.complete_bytes > 0;
    if has_begun && committed_state.id == id {
        return recover_as(disk, dir, committed_state, warns).map(Some);
    }
    prepare_on(disk, dir, overwrite || !has_begun)?;
    Ok(None)
}

/// Recovers a folder after its run ended at any instant: gives committed files their final names, and removes what
/// was not committed. A second call changes nothing.
///
/// Files of older commits may have been taken away; a warning says how many. The files of the newest commit that has
/// any must be there, because they show that this is the folder of the output.
///
/// # Errors
/// If the manifest is not valid, a committed file has another length, a file of the newest commit is missing, or the
/// folder has a `part-*` that the manifest does not name.
pub fn recover(dir: &Path) -> Result<CommittedState, SinkError> {
    recover_as(&Disk::default(), dir, CommittedState::read(dir)?, true)
}

/// Recovers a folder whose manifest was read to its end. No file is changed before that.
fn recover_as(
    disk: &Disk,
    dir: &Path,
    committed_state: CommittedState,
    warns: bool,
) -> Result<CommittedState, SinkError> {
    let names = names(dir)?;
    let mut foreign = parts(&names);
    let mut taken = 0_u64;
    CommittedState::fold(dir, |commit| {
        without(&mut foreign, commit);
        for file in &commit.files {
            let path = dir.join(&file.name);
            if !rename(disk, dir, file)? && Some(commit.commit) != committed_state.newest {
                taken += 1;
                continue;
            }
            let looked = fs::metadata(&path);
            let there = looked.map_err(|error| SinkError::io("look at", &path, error))?;
            if there.len() != file.bytes {
                return Err(SinkError::Length { path, is: there.len(), was: file.bytes });
            }
        }
        Ok(())
    })?;
    if taken > 0 && warns {
        let files = show_many(taken, "committed file");
        tracing::warn!("{files} of {}: not there any more (taken away?)", dir.display());
    }
    refuse(dir, &foreign)?;
    // The bad records of older commits were appended before the last commit.
    let letters = committed_state.last.as_ref().map_or(&[][..], |last| &last.dead_letters);
    let letters: HashSet<&str> = letters.iter().map(|file| file.temporary.as_str()).collect();
    let state: HashSet<&str> =
        committed_state.state.iter().map(|file| file.name.as_str()).collect();
    for file in &committed_state.state {
        let path = dir.join(&file.name);
        let looked = fs::metadata(&path);
        let is = looked.map_err(|error| SinkError::io("look at", &path, error))?.len();
        if is != file.bytes {
            return Err(SinkError::Length { path, is, was: file.bytes });
        }
    }
    let is_left = |name: &&String| {
        let is_named = letters.contains(name.as_str()) || state.contains(name.as_str());
        (is_temporary(name) || is_state(name)) && !is_named
    };
    for name in names.iter().filter(is_left) {
        remove(disk, &dir.join(name))?;
    }
    sync_folder(disk, dir)?;
    Ok(committed_state)
}

/// Returns the names that look like final names of an output's files.
fn parts(names: &[String]) -> HashSet<&str> {
    names.iter().map(String::as_str).filter(|name| is_part(name)).collect()
}

/// Removes from `names` those that a commit names.
fn without(names: &mut HashSet<&str>, commit: &Commit) {
    for file in &commit.files {
        names.remove(file.name.as_str());
    }
}

/// Refuses a folder with a `part-*` that its manifest does not name.
fn refuse(dir: &Path, foreign: &HashSet<&str>) -> Result<(), SinkError> {
    match foreign.iter().min() {
        Some(name) => Err(SinkError::Foreign { dir: dir.to_path_buf(), name: (*name).to_owned() }),
        None => Ok(()),
    }
}

/// Gives a committed file its final name, if it does not have it yet. Returns whether the file exists.
pub(super) fn rename(disk: &Disk, dir: &Path, file: &CommittedFile) -> Result<bool, SinkError> {
    let (from, to) = (dir.join(&file.temporary), dir.join(&file.name));
    match disk.rename(&from, &to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(to.exists()),
        Err(error) => Err(SinkError::io("rename a committed file to", &to, error)),
    }
}

pub(super) fn remove(disk: &Disk, path: &Path) -> Result<(), SinkError> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| SinkError::io("remove", path, error)),
    }
}

pub(super) fn sync_folder(disk: &Disk, dir: &Path) -> Result<(), SinkError> {
    disk.sync_folder(dir).map_err(|error| SinkError::io("sync the folder", dir, error))
}

fn is_part(name: &str) -> bool {
    name.starts_with(PART)
}

/// Returns the names in the folder.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, SinkError> {
    let error = |error| SinkError::io("list the folder", dir, error);
    let entries = fs::read_dir(dir).map_err(error)?;
    entries
        .map(|entry| Ok(entry.map_err(error)?.file_name().to_string_lossy().into_owned()))
        .collect()
}
