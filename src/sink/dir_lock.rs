//! One run at a time writes to a folder, also where another one may overwrite it.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::SinkError;
use crate::lock::{LockWait, is_still_at};

/// A folder that no other run writes to until this is dropped, or its process ends.
#[derive(Debug)]
pub struct DirLock {
    /// The folder itself is locked: there is no other file in it. `None` on a file system that has no locks.
    _folder: Option<File>,
}

/// Takes the folder of an output, which is waited for for two seconds where another run has it. Process 0
/// does so before it changes anything there. One that cannot be opened is not held:
/// [`prepare`](super::prepare) says why.
///
/// # Errors
/// If another run has it.
pub fn lock_dir(dir: &Path) -> Result<DirLock, SinkError> {
    let mut lock_wait = LockWait::new();
    loop {
        let Ok(folder) = File::open(dir) else { return Ok(DirLock { _folder: None }) };
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_still_at(&folder, dir) => return Ok(DirLock { _folder: Some(folder) }),
            // It was removed just now, and perhaps made anew.
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) if lock_wait.wait(dir.display()) => {}
            Err(Errno::WOULDBLOCK) => return Err(SinkError::InUse(dir.to_path_buf())),
            Err(errno) => {
                tracing::debug!("{} cannot be locked: {errno}", dir.display());
                return Ok(DirLock { _folder: None });
            }
        }
    }
}
