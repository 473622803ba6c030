//! Files that were read to their ends and are not read on: what is added to them is said.

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
    /// Bytes that were read.
    read: u64,
    /// Bytes more, as the log says.
    said: u64,
}

impl Late {
    /// A file was read to its end, up to byte `read`.
    pub(super) fn finish(&mut self, opened: Opened, read: u64) {
        self.files.truncate(MOST_OPEN - 1);
        self.files.push_front(Finished { opened, read, said: 0 });
    }

    /// A file is read on, or from its start.
    pub(super) fn begin(&mut self, opened: &Opened) {
        self.files.retain(|file| file.opened.found.id != opened.found.id);
    }

    /// Says which of them have grown, once each.
    pub(super) fn check(&mut self) {
        if self.last_check.is_none_or(|last_check| last_check.elapsed() >= CHECK_INTERVAL) {
            self.last_check = Some(Instant::now());
            self.files.iter_mut().filter(|file| file.said == 0).for_each(Finished::say_more);
        }
    }

    /// Says so at the end of the run, also of those that have grown since it was said.
    pub(super) fn end(&mut self) {
        self.files.iter_mut().for_each(Finished::say_more);
    }
}

impl Finished {
    fn say_more(&mut self) {
        let more = self.opened.size().unwrap_or(0).saturating_sub(self.read);
        if more > self.said {
            self.said = more;
            say_unread(&self.opened, more);
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
    say_unread(opened, size - read.size);
    read.size = size;
    if read.id == Some(id) {
        read.changed = changed;
    }
}

fn say_unread(opened: &Opened, more: u64) {
    tracing::warn!(
        "{more} bytes were added to {} (inode {}) after it was read to its end: they are not read",
        opened.found.path.display(),
        opened.found.id.inode
    );
}
