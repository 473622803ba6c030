//! Warns of bytes that are added to a file after it was read to its end, and that are not read.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::input::FoundFile;
use super::opened::Opened;
use super::position::FilePosition;

/// The number of files that are kept open for checks, at most: those that were read last.
const MOST_OPEN: usize = 16;

/// The interval between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Files that were read to their ends while the input was followed.
#[derive(Debug, Default)]
pub(super) struct Late {
    files: VecDeque<Finished>,
    last_check: Option<Instant>,
}

#[derive(Debug)]
struct Finished {
    opened: Opened,
    /// The number of bytes that were read.
    read: u64,
    /// The number of added bytes in the last warning.
    warned: u64,
}

impl Late {
    /// Adds a file that was read to its end, at byte `read`.
    pub(super) fn finish(&mut self, opened: Opened, read: u64) {
        self.files.truncate(MOST_OPEN - 1);
        self.files.push_front(Finished { opened, read, warned: 0 });
    }

    /// Removes a file that is read on, or from its start.
    pub(super) fn begin(&mut self, opened: &Opened) {
        self.files.retain(|file| file.opened.found.id != opened.found.id);
    }

    /// Warns of the files that have grown, once for each file.
    pub(super) fn check(&mut self) {
        if self.last_check.is_none_or(|last_check| last_check.elapsed() >= CHECK_INTERVAL) {
            self.last_check = Some(Instant::now());
            self.files.iter_mut().filter(|file| file.warned == 0).for_each(Finished::warn);
        }
    }

    /// Warns at the end of the run, also of files that have grown since the last warning.
    pub(super) fn end(&mut self) {
        self.files.iter_mut().for_each(Finished::warn);
    }
}

impl Finished {
    fn warn(&mut self) {
        let more = self.opened.size().unwrap_or(0).saturating_sub(self.read);
        if more > self.warned {
            self.warned = more;
            warn_unread(&self.opened, more);
        }
    }
}

/// Warns if a file that an earlier run read to its end has grown since `read` was noted, and notes its size, so that
/// the next run does not warn of the same bytes. The file has the bytes that were read.
pub(super) fn warn_if_grown(opened: &Opened, read: &mut FilePosition) {
    let FoundFile { id, size, changed, .. } = opened.found;
    if !opened.is_plain() || size <= read.size {
        return;
    }
    warn_unread(opened, size - read.size);
    read.size = size;
    if read.id == Some(id) {
        read.changed = changed;
    }
}

fn warn_unread(opened: &Opened, more: u64) {
    tracing::warn!(
        "{more} bytes were added to {} (inode {}) after it was read to its end: they are not read",
        opened.found.path.display(),
        opened.found.id.inode
    );
}
