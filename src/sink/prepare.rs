//! Before a run: is the folder free; and after a crash: is it what the manifest says.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::manifest::{MANIFEST, Manifest, PART, is_temporary};
use super::{CommittedFile, SinkError};

/// Makes the folder of a new run. Process 0 does so before any other process writes.
///
/// # Errors
/// If it cannot be made or written to, or holds another run's output and is not to be overwritten.
/// Overwriting removes what the folder's manifest names and nothing else: a `part-*` that no
/// manifest names is somebody else's, and is refused.
pub fn prepare(dir: &Path, overwrite: bool) -> Result<(), SinkError> {
    fs::create_dir_all(dir).map_err(|error| SinkError::io("create the folder", dir, error))?;
    let names = names(dir)?;
    let is_output = |name: &&String| *name == MANIFEST || name.starts_with(PART);
    if names.iter().any(|name| is_output(&name)) {
        if !overwrite {
            return Err(SinkError::Occupied(dir.to_path_buf()));
        }
        let manifest = Manifest::read(dir)?;
        let ours: HashSet<&str> = manifest.files().map(|file| file.name.as_str()).collect();
        let foreign = |name: &&String| name.starts_with(PART) && !ours.contains(name.as_str());
        if let Some(name) = names.iter().find(foreign) {
            return Err(SinkError::Foreign { dir: dir.to_path_buf(), name: name.clone() });
        }
    }
    let committed = names.iter().filter(is_output);
    for name in committed.chain(names.iter().filter(|name| is_temporary(name))) {
        remove(&dir.join(name))?;
    }
    let probe = dir.join(".floodway-probe");
    File::create(&probe).map_err(|error| SinkError::io("write to the folder", dir, error))?;
    remove(&probe)
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
    let manifest = match dir.exists() {
        true => Manifest::read(dir)?,
        false => Manifest::default(),
    };
    // Not even the manifest's first line was written whole: nothing was committed.
    let has_begun = manifest.whole_bytes > 0;
    if has_begun && manifest.id == id {
        return recover(dir).map(Some);
    }
    prepare(dir, overwrite || !has_begun)?;
    Ok(None)
}

/// Makes a folder what its manifest says, after a run was ended at any instant: committed files
/// have their names, and what was not committed is gone. Doing it twice is doing it once.
///
/// # Errors
/// If the manifest is not one, or a committed file is missing or has another length.
pub fn recover(dir: &Path) -> Result<Manifest, SinkError> {
    let manifest = Manifest::read(dir)?;
    for file in manifest.files() {
        rename(dir, file)?;
        let path = dir.join(&file.name);
        let there = fs::metadata(&path).map_err(|error| SinkError::io("look at", &path, error))?;
        if there.len() != file.bytes {
            return Err(SinkError::Length { path, is: there.len(), was: file.bytes });
        }
    }
    let named: HashSet<&str> = manifest
        .files()
        .map(|file| file.name.as_str())
        .chain(
            manifest
                .commits
                .iter()
                .flat_map(|commit| commit.dead_letters.iter().map(|file| file.temporary.as_str())),
        )
        .collect();
    for name in names(dir)? {
        if is_temporary(&name) && !named.contains(name.as_str()) {
            remove(&dir.join(name))?;
        }
    }
    sync_folder(dir)?;
    Ok(manifest)
}

/// Gives a committed file its final name, if it has not got it.
pub(super) fn rename(dir: &Path, file: &CommittedFile) -> Result<(), SinkError> {
    let (from, to) = (dir.join(&file.temporary), dir.join(&file.name));
    match fs::rename(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
        result => result.map_err(|error| SinkError::io("rename a committed file to", &to, error)),
    }
}

pub(super) fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| SinkError::io("remove", path, error)),
    }
}

pub(super) fn sync_folder(dir: &Path) -> Result<(), SinkError> {
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| SinkError::io("sync the folder", dir, error))
}

/// The names in the folder.
fn names(dir: &Path) -> Result<Vec<String>, SinkError> {
    let error = |error| SinkError::io("list the folder", dir, error);
    let entries = fs::read_dir(dir).map_err(error)?;
    entries
        .map(|entry| Ok(entry.map_err(error)?.file_name().to_string_lossy().into_owned()))
        .collect()
}
