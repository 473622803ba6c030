//! The lock on an output folder: one run at a time writes to it, even if another one may overwrite it.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::SinkError;
use crate::lock::{LockWait, is_still_at};

/// A lock on an output folder. It is released when it is dropped, or when the process ends.
#[derive(Debug)]
pub struct DirLock {
    /// The lock is on the folder itself, not on a file in it. `None` on a file system without locks.
    _folder: Option<File>,
}

/// Locks an output folder, and waits up to two seconds for another run to release it. Process 0 does so
/// before it changes anything there. A folder that cannot be opened is not locked:
/// [`prepare`](super::prepare) reports why.
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
