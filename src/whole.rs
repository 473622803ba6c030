//! Files that are there whole or not at all, and folders that stay.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::made::Made;

/// Writes `bytes` to `path` atomically: to a file beside it, which then takes its name. What was
/// written stays, whatever happens to the machine. A link of this name is replaced.
///
/// # Errors
/// If the file or its folder cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        // If it cannot be removed either, it is in nobody's way.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(above(path))
}

/// A new file in the folder of `path`, and its path. Nobody can have put anything in its place: its name cannot be
/// guessed, and it is not opened if it is there.
fn beside(path: &Path) -> io::Result<(fs::File, PathBuf)> {
    let name = path.file_name().unwrap_or_default();
    loop {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{:016x}.tmp", rand::random::<u64>()));
        let temporary = path.with_file_name(temporary);
        match fs::File::options().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a folder, and those above it that are not there, to stay; answers which it made.
///
/// # Errors
/// If one of them cannot be made: then none of them is.
pub(crate) fn make_folder(path: &Path) -> io::Result<Made> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    let mut made = Made::default();
    for folder in missing.iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => made.note(*folder),
            // Somebody else was sooner.
            Err(_) if folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    // Says what is wrong with one that is there, and is none.
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(|folder| sync_folder(above(folder)))?;
    Ok(made)
}

/// Waits until the names in a folder are on the disk: a file's own sync does not say so.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match fs::File::open(path)?.sync_all() {
        // A file system that has no such thing.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput) => Ok(()),
        result => result,
    }
}

/// The folder that `path` is in.
pub(crate) fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
