//! Before a run: is the folder free; and after a crash: is it what the manifest says.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::manifest::{MANIFEST, Manifest, PART, PROBE, is_temporary};
use super::{CommittedFile, Disk, SinkError};
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

/// [`prepare`], on a disk that may fail.
///
/// # Errors
/// As of [`prepare`].
pub fn prepare_on(disk: &Disk, dir: &Path, overwrite: bool) -> Result<(), SinkError> {
    disk.make_folder(dir).map_err(|error| SinkError::io("create the folder", dir, error))?;
    let names = names(dir)?;
    let has_manifest = names.iter().any(|name| name == MANIFEST);
    if has_manifest || names.iter().any(|name| is_part(name)) {
        if !overwrite {
            return Err(SinkError::Occupied(dir.to_path_buf()));
        }
        let manifest = Manifest::read(dir)?;
        refuse_foreign(dir, &names, &manifest)?;
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
pub fn resume(dir: &Path, id: &str, overwrite: bool) -> Result<Option<Manifest>, SinkError> {
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
) -> Result<Option<Manifest>, SinkError> {
    resume_as(disk, dir, id, overwrite, true)
}

/// [`resume`], of a folder from which published files are taken away.
///
/// # Errors
/// As of [`resume`].
pub fn resume_outbox(dir: &Path, id: &str) -> Result<Option<Manifest>, SinkError> {
    resume_as(&Disk::default(), dir, id, false, false)
}

fn resume_as(
    disk: &Disk,
    dir: &Path,
    id: &str,
    overwrite: bool,
    warns: bool,
) -> Result<Option<Manifest>, SinkError> {
    let manifest = match dir.exists() {
        true => Manifest::read(dir)?,
        false => Manifest::default(),
    };
    // Not even the manifest's first line was written whole: nothing was committed.
    let has_begun = manifest.whole_bytes > 0;
    if has_begun && manifest.id == id {
        return recover_as(disk, dir, warns).map(Some);
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
pub fn recover(dir: &Path) -> Result<Manifest, SinkError> {
    recover_on(&Disk::default(), dir)
}

/// [`recover`], on a disk that may fail.
///
/// # Errors
/// As of [`recover`].
pub fn recover_on(disk: &Disk, dir: &Path) -> Result<Manifest, SinkError> {
    recover_as(disk, dir, true)
}

fn recover_as(disk: &Disk, dir: &Path, warns: bool) -> Result<Manifest, SinkError> {
    let manifest = Manifest::read(dir)?;
    let newest = manifest.commits.iter().rposition(|commit| !commit.files.is_empty());
    let mut taken = 0_u64;
    for (index, commit) in manifest.commits.iter().enumerate() {
        for file in &commit.files {
            let path = dir.join(&file.name);
            if !rename(disk, dir, file)? && Some(index) != newest {
                taken += 1;
                continue;
            }
            let looked = fs::metadata(&path);
            let there = looked.map_err(|error| SinkError::io("look at", &path, error))?;
            if there.len() != file.bytes {
                return Err(SinkError::Length { path, is: there.len(), was: file.bytes });
            }
        }
    }
    if taken > 0 && warns {
        let files = show_many(taken, "committed file");
        tracing::warn!("{files} of {}: not there any more (taken away?)", dir.display());
    }
    let names = names(dir)?;
    refuse_foreign(dir, &names, &manifest)?;
    // Older letters were appended before the last commit.
    let letters = manifest.commits.last().map_or(&[][..], |last| &last.dead_letters);
    let letters: HashSet<&str> = letters.iter().map(|file| file.temporary.as_str()).collect();
    for name in names {
        if is_temporary(&name) && !letters.contains(name.as_str()) {
            remove(disk, &dir.join(name))?;
        }
    }
    sync_folder(disk, dir)?;
    Ok(manifest)
}

/// Refuses a folder with a `part-*` that `manifest` does not name.
fn refuse_foreign(dir: &Path, names: &[String], manifest: &Manifest) -> Result<(), SinkError> {
    let ours: HashSet<&str> = manifest.files().map(|file| file.name.as_str()).collect();
    match names.iter().find(|name| is_part(name) && !ours.contains(name.as_str())) {
        Some(name) => Err(SinkError::Foreign { dir: dir.to_path_buf(), name: name.clone() }),
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
