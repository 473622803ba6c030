//! What a followed input names while it is read: other files than the one at hand.

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

/// How often it is looked which file the path names. A look costs a few microseconds.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How often a glob is looked through for new files.
const GLOB_INTERVAL: Duration = Duration::from_secs(1);

/// How long a followed file is read on after there is a next one, from its last growth on: a writer may
/// not have opened the next one yet. Too short, and its late lines are lost; too long, and the next
/// file's lines are late.
const GRACE: Duration = Duration::from_secs(2);

/// What comes after the file at hand.
#[derive(Debug)]
pub(super) struct FileWatcher {
    input: Input,
    /// What the path at hand came to name, in this order: open, since they may lose their names too.
    successors: VecDeque<Opened>,
    /// Files of a glob whose paths come later.
    ahead: VecDeque<FoundFile>,
    /// Files that were read to their ends, in this order.
    read: HashMap<FileId, Vec<FilePosition>>,
    late: Late,
    /// Files of the glob that are not read, which the log has said, as they were last changed. A file that was not
    /// changed since is not opened again.
    refused: HashMap<FileId, Option<u64>>,
    skipped: Skipped,
    last_poll: Option<Instant>,
    last_scan: Instant,
    /// The end of the file at hand was waited at.
    has_waited: bool,
    /// Since when there is a next file; none while there is none.
    next_since: Option<Instant>,
    /// When the file at hand grew last.
    last_growth: Instant,
}

impl FileWatcher {
    /// Of the files after the first one of `start`, which it takes.
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

    /// The file at hand has grown.
    pub(super) fn note_growth(&mut self) {
        self.last_growth = Instant::now();
    }

    /// The file at hand has nothing more just now: whether it is over, because there is a next one.
    pub(super) fn is_over(&mut self, at: Option<&FilePosition>) -> bool {
        let Some(next_since) = self.next_since else {
            self.has_waited = true;
            return false;
        };
        let is_followed = self.has_waited || !self.successors.is_empty();
        if is_followed && next_since.max(self.last_growth).elapsed() < GRACE {
            return false;
        }
        // Meanwhile it may have been removed or replaced, or have its first bytes. A copy may not have been complete
        // when it was found.
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

    /// Looks for a next file, `at` being at hand.
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
        // What has no name, or is no file just now, is waited for.
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
            let refused = self.refused.get(&found.id);
            if ahead.contains(&found.path)
                || found.id == at.found.id
                || found.path == at.found.path
                || self.successors.iter().any(|next| next.found.id == found.id)
                || refused.is_some_and(|changed| changed.is_some() && *changed == found.changed)
                || is_known(&found, &self.read, position)
            {
                continue;
            }
            let is_compressed = found.is_compressed();
            if !is_compressed && found.path > at.found.path {
                self.ahead.push_back(found);
                continue;
            }
            let is_new = self.refused.insert(found.id, found.changed).is_none();
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

    /// The file at hand is read again from its start, once it is over: it was truncated.
    pub(super) fn restart(&mut self, at: &Opened) {
        self.successors.push_front(at.clone());
        self.note_next();
    }

    /// A file was read to its end, and `next` is read then.
    pub(super) fn finish(&mut self, whole: FilePosition, opened: &Opened, next: &Opened) {
        self.late.finish(opened.clone(), whole.bytes);
        self.late.begin(next);
        self.note_read(whole);
    }

    /// The run ends.
    pub(super) fn end(&mut self) {
        self.late.end();
    }

    /// The next file, and what of it was read before: bytes, and their checksum; none if it is gone.
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
        // A link may be led back to a file that was read.
        let read = self.read.get(&next.found.id);
        let read = read.and_then(|read| read.iter().rev().find(|read| read.is_of(&next)));
        let read = read.map(|read| Ok((read.bytes, read.checksum(&next)?))).transpose()?;
        Ok(Some((next, read.unwrap_or_default())))
    }
}

/// Whether a file is one of those that were read, maybe under another name, or a copy of the one at hand. Only its
/// ends are looked at: a glob's files are again and again.
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
