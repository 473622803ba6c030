//! Before a run: is the folder free; and after a crash: is it what the manifest says.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::manifest::{MANIFEST, PART, PROBE, is_temporary};
use super::{Commit, CommittedFile, CommittedState, Disk, SinkError};
use crate::units::show_many;

/// Makes the folder of a new run. Process 0 does so before any other process writes.
///
/// # Errors
/// If it cannot be made or written to, or holds another run's output and is not to be overwritten.
/// Overwriting removes what the folder's manifest names and nothing else: a `part-*` that no
/// manifest names is somebody else's, and is refused.
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
    for name in names.iter().filter(|name| is_part(name) || is_temporary(name)) {
        remove(disk, &dir.join(name))?;
    }
    if has_manifest {
        // Last of all: without it what is left of its files would be somebody else's.
        sync_folder(disk, dir)?;
        remove(disk, &dir.join(MANIFEST))?;
        sync_folder(disk, dir)?;
    }
    let probe = dir.join(PROBE);
    remove(disk, &probe)?;
    disk.create(&probe).map_err(|error| SinkError::io("write to the folder", dir, error))?;
    remove(disk, &probe)
}

/// An id for a new output.
pub fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Makes the folder of the output `id` ready to be gone on with; answers what is committed. Where
/// nothing is, it is that of a new run.
///
/// # Errors
/// As of [`prepare`] if it holds another output, and of [`recover`].
pub fn resume(dir: &Path, id: &str, overwrite: bool) -> Result<Option<CommittedState>, SinkError> {
    resume_on(&Disk::default(), dir, id, overwrite)
}

/// [`resume`], on a disk that may fail.
///
/// # Errors
/// As of [`resume`].
pub fn resume_on(
    disk: &Disk,
    dir: &Path,
    id: &str,
    overwrite: bool,
) -> Result<Option<CommittedState>, SinkError> {
    resume_as(disk, dir, id, overwrite, true)
}

/// [`resume`], of a folder from which published files are taken away.
///
/// # Errors
/// As of [`resume`].
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
    // Not even the manifest's first line was written whole: nothing was committed.
    let has_begun = committed_state.complete_bytes > 0;
    if has_begun && committed_state.id == id {
        return recover_as(disk, dir, committed_state, warns).map(Some);
    }
    prepare_on(disk, dir, overwrite || !has_begun)?;
    Ok(None)
}

/// Makes a folder what its manifest says, after a run was ended at any instant: committed files
/// have their names, and what was not committed is gone. Doing it twice is doing it once.
///
/// Files of older commits may have been taken away: it is said how many. Those of the newest commit
/// that has any tell that from a folder that was lost.
///
/// # Errors
/// If the manifest is not one, a committed file has another length or one of the newest commit's is
/// missing, or there is a `part-*` that it does not name.
pub fn recover(dir: &Path) -> Result<CommittedState, SinkError> {
    recover_as(&Disk::default(), dir, CommittedState::read(dir)?, true)
}

/// Once the manifest has been read to its end: before that nothing is done to any file.
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
    // Older letters were appended before the last commit.
    let letters = committed_state.last.as_ref().map_or(&[][..], |last| &last.dead_letters);
    let letters: HashSet<&str> = letters.iter().map(|file| file.temporary.as_str()).collect();
    let is_left = |name: &&String| is_temporary(name) && !letters.contains(name.as_str());
    for name in names.iter().filter(is_left) {
        remove(disk, &dir.join(name))?;
    }
    sync_folder(disk, dir)?;
    Ok(committed_state)
}

/// Those of the names that look like final ones of an output.
fn parts(names: &[String]) -> HashSet<&str> {
    names.iter().map(String::as_str).filter(|name| is_part(name)).collect()
}

/// Takes those out that a commit names.
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

/// Gives a committed file its final name, if it has not got it; answers whether it is there at all.
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

/// The names in the folder.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, SinkError> {
    let error = |error| SinkError::io("list the folder", dir, error);
    let entries = fs::read_dir(dir).map_err(error)?;
    entries
        .map(|entry| Ok(entry.map_err(error)?.file_name().to_string_lossy().into_owned()))
        .collect()
}
