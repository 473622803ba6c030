//! Files that are kept open while several threads read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::LinesError;
use super::input::FoundFile;
use super::opened::{Comparison, Opened};

/// The highest number of files that are kept open. Files with the lowest indices are closed first.
const MOST_OPEN: usize = 64;

/// The version of a file: when it was last changed before it was opened, and its last comparison with what was read.
type Version = (Option<u64>, Arc<Mutex<Comparison>>);

/// Open files, by their indices.
#[derive(Debug)]
pub(super) struct OpenFiles {
    /// The version of each file when it was first opened.
    versions: Vec<OnceLock<Version>>,
    open: Mutex<BTreeMap<usize, Opened>>,
}

impl OpenFiles {
    /// Creates it for `count` files, none of which is open.
    pub(super) fn new(count: usize) -> Self {
        let versions = (0..count).map(|_| OnceLock::new()).collect();
        OpenFiles { versions, open: Mutex::default() }
    }

    /// Returns a file, which is opened if it is not open. It must be the file that was found.
    pub(super) fn get(&self, index: usize, found: &FoundFile) -> Result<Opened, LinesError> {
        if let Some(open) = self.lock().get(&index) {
            return Ok(open.clone());
        }
        Ok(self.keep(index, Opened::new(found)?))
    }

    /// Keeps a file open, with the version that was opened first. A later change is a change of what was read.
    pub(super) fn keep(&self, index: usize, mut opened: Opened) -> Opened {
        let Opened { found, compared, .. } = &mut opened;
        let version = self.versions[index].get_or_init(|| (found.changed, Arc::clone(compared)));
        (found.changed, *compared) = version.clone();
        let mut open = self.lock();
        while open.len() >= MOST_OPEN {
            open.pop_first();
        }
        open.insert(index, opened.clone());
        opened
    }

    /// Closes a file.
    pub(super) fn close(&self, index: usize) {
        self.lock().remove(&index);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
