//! Removes what was created for a run, if the run is refused.

use std::fs;
use std::path::PathBuf;

/// Files and folders that were created, in order. They are removed when the guard is dropped, unless they
/// were kept, so that a refused run leaves nothing behind.
#[derive(Debug, Default)]
#[must_use = "what is dropped is removed"]
pub(crate) struct CleanupGuard {
    paths: Vec<PathBuf>,
    is_kept: bool,
}

impl CleanupGuard {
    /// Adds a path. It need not exist yet, but it must not belong to anybody else.
    pub(crate) fn track(&mut self, path: impl Into<PathBuf>) {
        self.paths.push(path.into());
    }

    /// Adds the paths of a guard that was made later.
    pub(crate) fn append(&mut self, mut later: CleanupGuard) {
        self.paths.append(&mut later.paths);
    }

    /// Keeps the paths when the guard is dropped. [`CleanupGuard::remove_all`] still removes them.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes the paths, the last one first. A folder that is not empty stays.
    pub(crate) fn remove_all(&mut self) {
        for path in self.paths.drain(..).rev() {
            // What cannot be removed is in nobody's way; what is not there needs not be.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

impl Drop for CleanupGuard {
    fn drop(&mut self) {
        if !self.is_kept {
            self.remove_all();
        }
    }
}
