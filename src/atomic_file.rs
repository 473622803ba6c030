//! Atomic, durable file writes: write to a temporary file, sync, rename.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::cleanup_guard::CleanupGuard;

/// Writes `bytes` to `path` atomically and durably: to a temporary file beside it, which then takes its name.
/// A link of this name is replaced.
///
/// # Errors
/// If the file or its folder cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = create_temporary(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        // If it cannot be removed either, it is in nobody's way.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(parent_of(path))
}

/// Creates a temporary file in the folder of `path`, and returns it with its path. Its name cannot be
/// guessed, and an existing file is never opened.
fn create_temporary(path: &Path) -> io::Result<(fs::File, PathBuf)> {
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

/// Creates a folder durably, with the missing ones above it. Returns a guard over those it created.
///
/// # Errors
/// If one of them cannot be created. Then those that were are removed.
pub(crate) fn create_dir_durable(path: &Path) -> io::Result<CleanupGuard> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    let mut created = CleanupGuard::default();
    for folder in missing.iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => created.track(*folder),
            // Somebody else was sooner.
            Err(_) if folder.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    // Says what is wrong with one that is there, and is none.
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(|folder| sync_folder(parent_of(folder)))?;
    Ok(created)
}

/// Waits until the names in a folder are on the disk, which a file's own sync does not do.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match fs::File::open(path)?.sync_all() {
        // A file system that has no such thing.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput) => Ok(()),
        result => result,
    }
}

/// Returns the folder that `path` is in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
