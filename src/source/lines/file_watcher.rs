//! Finds the files that come after the current one while the input is followed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::LinesError;
use super::globs::path_of;
use super::input::{COMPRESSED, FoundFile, Input, Skipped};
use super::late::Late;
use super::opened::{FileId, Opened};
use super::position::FilePosition;
use super::rotation::warn_earlier;
use super::start::Start;

/// How often the reader checks which file the path names. A check costs a few microseconds.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How often a glob is searched for new files.
const GLOB_INTERVAL: Duration = Duration::from_secs(1);

/// How long a followed file is read on after it last grew when there is a next file. A writer may not have opened the next
/// file yet. If this is too short, late lines of the old file are lost. If it is too long, the lines of the next file are
/// late.
const GRACE: Duration = Duration::from_secs(2);

/// Finds the files that come after the current one.
#[derive(Debug)]
pub(super) struct FileWatcher {
    input: Input,
    /// Other files that the current path has named, in this order. They are open, because they may lose their names too.
    successors: VecDeque<Opened>,
    /// Files of the glob whose paths come later.
    ahead: VecDeque<FoundFile>,
    /// The positions of the files that were read to their ends, in this order.
    read: HashMap<FileId, Vec<FilePosition>>,
    late: Late,
    /// Files of the glob that are not read, of which the log has warned: their paths, and when they were last changed. A
    /// file that has not changed since then is not opened again. A file with another path is another one, because the
    /// inode of a removed file is used again.
    refused: HashMap<FileId, (PathBuf, Option<u64>)>,
    skipped: Skipped,
    last_poll: Option<Instant>,
    last_scan: Instant,
    /// Whether the reader has waited at the end of the current file.
    has_waited: bool,
    /// Since when there is a next file. None if there is none.
    next_since: Option<Instant>,
    /// When the current file last grew.
    last_growth: Instant,
}

impl FileWatcher {
    /// Creates a watcher that begins with the first file of `start`. It takes the other files from `start`.
    pub(super) fn new(input: Input, start: &mut Start) -> Self {
        let successors: VecDeque<Opened> = std::mem::take(&mut start.between).into();
        let mut watcher = FileWatcher {
            input,
            next_since: (!successors.is_empty()).then(Instant::now),
            successors,
            ahead: std::mem::take(&mut start.ahead),
            read: HashMap::new(),
            late: Late::default(),
            refused: HashMap::new(),
            skipped: std::mem::take(&mut start.skipped),
            last_poll: None,
            last_scan: Instant::now(),
            has_waited: start.is_resumed,
            last_growth: Instant::now(),
        };
        start.read.iter().cloned().for_each(|whole| watcher.note_read(whole));
        watcher
    }

    fn note_read(&mut self, whole: FilePosition) {
        if let Some(id) = whole.id {
            self.read.entry(id).or_default().push(whole);
        }
    }

    /// Notes that the current file has grown.
    pub(super) fn note_growth(&mut self) {
        self.last_growth = Instant::now();
    }

    /// Whether the current file is done, because there is a next one. It has no more bytes at the moment.
    pub(super) fn is_over(&mut self, at: Option<&FilePosition>) -> bool {
        let Some(next_since) = self.next_since else {
            self.has_waited = true;
            return false;
        };
        let is_followed = self.has_waited || !self.successors.is_empty();
        if is_followed && next_since.max(self.last_growth).elapsed() < GRACE {
            return false;
        }
        // Since a file was found, it may have been removed, replaced or compressed. A copy may have been incomplete.
        self.ahead.retain_mut(|found| {
            let there = fs::metadata(&found.path);
            let Ok(there) = there.inspect(|there| found.size = there.len()) else { return false };
            FileId::of(&there) == found.id
                && !found.is_compressed()
                && !is_known(found, &self.read, at)
        });
        self.note_next();
        self.next_since.is_some()
    }

    /// Looks for a file that comes after `at`, the current one.
    pub(super) fn poll(
        &mut self,
        at: &Opened,
        position: Option<&FilePosition>,
    ) -> Result<(), LinesError> {
        if self.last_poll.is_some_and(|last_poll| last_poll.elapsed() < POLL_INTERVAL) {
            return Ok(());
        }
        self.last_poll = Some(Instant::now());
        self.late.check();
        let path = &at.found.path;
        let is_open = |id: FileId| {
            id == at.found.id || self.successors.iter().any(|next| next.found.id == id)
        };
        // If the path names nothing, or something that is not a file, the reader waits.
        if let Ok(there) = fs::metadata(path)
            && there.is_file()
            && !is_open(FileId::of(&there))
            && let Ok(next) = Opened::at(path, &at.found)
            && !is_open(next.found.id)
        {
            if !next.is_plain() {
                let why = std::io::Error::other(COMPRESSED);
                return Err(LinesError::read(path, why));
            }
            tracing::info!("{} names another file now, which comes next", path.display());
            self.successors.push_back(next);
        }
        if self.input.glob().is_some() && self.last_scan.elapsed() >= GLOB_INTERVAL {
            self.last_scan = Instant::now();
            self.scan_glob(at, position)?;
        }
        self.note_next();
        Ok(())
    }

    fn scan_glob(
        &mut self,
        at: &Opened,
        position: Option<&FilePosition>,
    ) -> Result<(), LinesError> {
        let mut listing = self.input.list()?;
        listing.pass_over_unnamed();
        for (path, why) in &listing.passed_over {
            self.skipped.note(path, why);
        }
        let ahead: HashSet<PathBuf> = self.ahead.iter().map(|found| found.path.clone()).collect();
        for found in listing.files {
            let refused = self.refused.get(&found.id).filter(|(path, _)| *path == found.path);
            if ahead.contains(&found.path)
                || found.id == at.found.id
                || found.path == at.found.path
                || self.successors.iter().any(|next| next.found.id == found.id)
                || refused
                    .is_some_and(|(_, changed)| changed.is_some() && *changed == found.changed)
                || is_known(&found, &self.read, position)
            {
                continue;
            }
            let is_compressed = found.is_compressed();
            if !is_compressed && found.path > at.found.path {
                self.ahead.push_back(found);
                continue;
            }
            let is_new = refused.is_none();
            self.refused.insert(found.id, (found.path.clone(), found.changed));
            if is_compressed {
                self.skipped.note(&found.path, COMPRESSED);
            } else if is_new {
                warn_earlier(&found, &at.found.path);
            }
        }
        Ok(())
    }

    fn note_next(&mut self) {
        let has_next = !self.successors.is_empty() || !self.ahead.is_empty();
        self.next_since = has_next.then(|| self.next_since.unwrap_or_else(Instant::now));
    }

    /// Adds the current file, which was truncated, as the next one. It is then read from its start.
    pub(super) fn restart(&mut self, at: &Opened) {
        self.successors.push_front(at.clone());
        self.note_next();
    }

    /// Notes that a file was read to its end, and that `next` is read after it.
    pub(super) fn finish(&mut self, whole: FilePosition, opened: &Opened, next: &Opened) {
        self.late.finish(opened.clone(), whole.bytes);
        self.late.begin(next);
        self.note_read(whole);
    }

    /// Ends the run, with the last warnings.
    pub(super) fn end(&mut self) {
        self.late.end();
    }

    /// Returns the next file, with the number of bytes of it that were read before and their checksum. None if the file was
    /// removed.
    pub(super) fn next(&mut self) -> Result<Option<(Opened, (u64, u32))>, LinesError> {
        let mut next = self.successors.pop_front();
        while next.is_none()
            && let Some(found) = self.ahead.pop_front()
        {
            next = Opened::if_there(&found)?;
        }
        self.has_waited = false;
        (self.last_poll, self.next_since) = (None, None);
        self.note_next();
        let Some(next) = next else { return Ok(None) };
        // A link may name a file again that was read before.
        let read = self.read.get(&next.found.id);
        let read = read.and_then(|read| read.iter().rev().find(|read| read.is_of(&next)));
        let read = read.map(|read| Ok((read.bytes, read.checksum(&next)?))).transpose()?;
        Ok(Some((next, read.unwrap_or_default())))
    }
}

/// Whether a file was read before, maybe under another name, or is a copy of the current one. Only its ends are compared,
/// because this is repeated for the files of a glob.
fn is_known(
    found: &FoundFile,
    read: &HashMap<FileId, Vec<FilePosition>>,
    at: Option<&FilePosition>,
) -> bool {
    let is_read =
        |file: &FilePosition| Opened::new(found).is_ok_and(|opened| file.ends_are_of(&opened));
    let is_own = |file: &FilePosition| path_of(&file.path) == found.path || is_read(file);
    read.get(&found.id).is_some_and(|files| files.iter().any(is_own))
        || at.is_some_and(|at| at.bytes > 0 && is_read(at))
}
