//! What was made for something that may yet be refused.

use std::fs;
use std::path::PathBuf;

/// Folders and files that were made, in this order. They are removed again when this is dropped, unless
/// they were kept: what is refused leaves nothing behind.
#[derive(Debug, Default)]
#[must_use = "what is dropped is removed"]
pub(crate) struct Made {
    paths: Vec<PathBuf>,
    is_kept: bool,
}

impl Made {
    /// One more. It need not be there yet, but nobody else's may be.
    pub(crate) fn note(&mut self, path: impl Into<PathBuf>) {
        self.paths.push(path.into());
    }

    /// And these, which were made later.
    pub(crate) fn add(&mut self, mut later: Made) {
        self.paths.append(&mut later.paths);
    }

    /// They stay, unless [`Made::undo`] is asked for.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes them, the last one first. A folder in which somebody else has put something stays.
    pub(crate) fn undo(&mut self) {
        for path in self.paths.drain(..).rev() {
            // What cannot be removed is in nobody's way; what is not there needs not be.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.is_kept {
            self.undo();
        }
    }
}
