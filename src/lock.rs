//! Locks that end with the process that has them, and how long they are waited for.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a lock is waited for. A process that was killed has it until the system has taken all of it
/// apart, and whoever starts it again may be sooner.
const MOST: Duration = Duration::from_secs(2);

/// After what time it is said that one is waited for, and how often it is tried.
const SAY_AFTER: Duration = Duration::from_millis(500);
const TRY: Duration = Duration::from_millis(10);

/// The patience with whoever has a lock.
pub(crate) struct Patience {
    began: Instant,
    is_said: bool,
}

impl Patience {
    pub(crate) fn new() -> Patience {
        Patience { began: Instant::now(), is_said: false }
    }

    /// Waits a little, and says so once if that is not the first time: that another run uses `what`. Whether
    /// it is to be tried again.
    pub(crate) fn waits_for(&mut self, what: impl fmt::Display) -> bool {
        let waited = self.began.elapsed();
        if waited >= MOST {
            return false;
        }
        if !self.is_said && waited >= SAY_AFTER {
            self.is_said = true;
            tracing::warn!("another run uses {what}: waiting for its end, but not long");
        }
        thread::sleep(TRY);
        true
    }
}

/// Whether what is at `path` is still this file: whoever had its lock may have removed it.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let [one, other] = [file.metadata(), fs::metadata(path)].map(|found| found.ok().map(place));
    one.is_some() && one == other
}
