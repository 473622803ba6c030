//! File locks that the system releases when their process ends, and how long a start waits for one.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for a lock. The system releases the lock of a killed process only when it has taken the
/// process down, and the next run may start sooner than that.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// After this time a warning says what is waited for.
const WARN_AFTER: Duration = Duration::from_millis(500);
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// The wait for one lock.
pub(crate) struct LockWait {
    began: Instant,
    has_warned: bool,
}

impl LockWait {
    pub(crate) fn new() -> LockWait {
        LockWait { began: Instant::now(), has_warned: false }
    }

    /// Waits a little before the next try, and warns once, if the wait is long, that another run uses `what`.
    /// Returns whether to try again.
    pub(crate) fn wait(&mut self, what: impl fmt::Display) -> bool {
        let waited = self.began.elapsed();
        if waited >= MAX_WAIT {
            return false;
        }
        if !self.has_warned && waited >= WARN_AFTER {
            self.has_warned = true;
            tracing::warn!("another run uses {what}: waiting for its end, but not long");
        }
        thread::sleep(RETRY_INTERVAL);
        true
    }
}

/// Whether `file` is still the one at `path`: the previous owner of the lock may have removed it.
pub(crate) fn is_still_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let [one, other] = [file.metadata(), fs::metadata(path)].map(|found| found.ok().map(identity));
    one.is_some() && one == other
}
