//! Files cut into chunks of bytes, and how many lines come before each chunk.
//!
//! Whoever reads a chunk has to know the number of its first line, and so how many lines are in all
//! chunks before it. Each chunk is counted once in a process: by its reader, which has it in memory
//! anyway, or, where that reader belongs to another process or is not so far, by the first one that
//! has to know. Nobody waits but for a count that is being made.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crc32fast::Hasher;
use memchr::memchr_iter;

use super::LinesError;
use super::input::FoundFile;
use super::offsets::LineOffset;
use super::opened::{Opened, overwritten};
use super::position::{FilePosition, Position, checksum};
use super::start::Start;
use super::tracked_file::TrackedFile;

/// A file that is read in chunks.
#[derive(Debug)]
pub(super) struct SharedFile {
    pub found: FoundFile,
    /// Where reading begins: at a line.
    from: u64,
    /// Its first chunk, among the chunks of all files.
    first: usize,
    /// What it was when it was opened first.
    version: OnceLock<Version>,
}

/// The version of a file that may be closed and opened again: when it was changed last before it was opened, and
/// checked last.
type Version = (Option<u64>, Arc<AtomicU64>);

/// All chunks of all files.
pub(super) struct Index {
    files: Vec<SharedFile>,
    /// The first file that is not yet read to its end, and where in it reading begins.
    start: LineOffset,
    /// The files that earlier runs read to their ends.
    read_before: Vec<FilePosition>,
    /// Lines of other files that have the name of the first one.
    before: u64,
    /// The files that are read, or were lately.
    open: Mutex<BTreeMap<usize, Opened>>,
    /// The positions at their ends of those that were noted.
    whole: Mutex<BTreeMap<usize, FilePosition>>,
    chunk: u64,
    chunks: usize,
    state: Mutex<State>,
    counted: Condvar,
    /// Hears that a file is not what was read of it.
    failed: Box<dyn Fn(LinesError) + Send + Sync>,
}

#[derive(Debug)]
struct State {
    /// What is before each chunk, as far as all chunks before it are counted.
    before: Vec<Before>,
    /// What is in the chunks after those; none where somebody is counting.
    counts: BTreeMap<usize, Option<Counted>>,
}

/// What is before a chunk.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// Lines, in all files.
    lines: u64,
    /// A checksum of the bytes of the file that the chunk before is in, from the file's start to that chunk's end.
    checksum: u32,
}

/// What a chunk has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Lines that end in it; the last one of a file may have no end.
    pub lines: u64,
    /// A checksum of its bytes.
    checksum: u32,
}

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub file: usize,
    pub start: u64,
    pub end: u64,
    /// No line is begun before it.
    pub is_first: bool,
    /// The file ends with it.
    pub is_last: bool,
}

impl Index {
    /// The chunks of `files` from `start` on, of `chunk` bytes each. `failed` hears of a file that was overwritten while
    /// it was read.
    pub(super) fn new(
        files: Vec<FoundFile>,
        start: Start,
        chunk: u64,
        failed: Box<dyn Fn(LinesError) + Send + Sync>,
    ) -> Self {
        let Start { offset: start, read: read_before, before: lines_before, first, .. } = start;
        let mut chunks = 0;
        let files = files.into_iter().enumerate().map(|(index, found)| {
            let from = match index.cmp(&start.file) {
                std::cmp::Ordering::Less => found.size,
                std::cmp::Ordering::Equal => start.bytes,
                std::cmp::Ordering::Greater => 0,
            };
            let first = chunks;
            chunks += found.size.saturating_sub(from).div_ceil(chunk) as usize;
            SharedFile { found, from, first, version: OnceLock::new() }
        });
        let files: Vec<SharedFile> = files.collect();
        let before = Before { lines: start.line, checksum: start.checksum };
        let state = State { before: vec![before], counts: BTreeMap::new() };
        let state = Mutex::new(state);
        let index = Index {
            files,
            start,
            read_before,
            before: lines_before,
            open: Mutex::default(),
            whole: Mutex::default(),
            chunk,
            chunks,
            state,
            counted: Condvar::new(),
            failed,
        };
        if let Some(first) = first {
            index.keep(start.file, first);
        }
        index
    }

    /// How many chunks there are.
    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    pub(super) fn file(&self, file: usize) -> &FoundFile {
        &self.files[file].found
    }

    /// Lines of other files that have this one's name.
    pub(super) fn before_file(&self, file: usize) -> u64 {
        if file == self.start.file { self.before } else { 0 }
    }

    /// The same in all processes that see the same files.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in &self.files {
            (&file.found.path, file.found.size, file.from).hash(&mut hasher);
        }
        (self.chunk, self.start.line).hash(&mut hasher);
        hasher.finish()
    }

    /// Where a chunk lies.
    pub(super) fn chunk(&self, chunk: usize) -> Chunk {
        // Files without chunks begin where the next one does.
        let file = self.files.partition_point(|file| file.first <= chunk) - 1;
        let SharedFile { found, from, first, .. } = &self.files[file];
        let start = from + (chunk - first) as u64 * self.chunk;
        let end = (start + self.chunk).min(found.size);
        Chunk { file, start, end, is_first: start == *from, is_last: end == found.size }
    }

    /// What a chunk of these bytes has.
    pub(super) fn count(chunk: Chunk, bytes: &[u8]) -> Counted {
        let open = chunk.is_last && bytes.last().is_some_and(|last| *last != b'\n');
        let lines = memchr_iter(b'\n', bytes).count() as u64 + u64::from(open);
        Counted { lines, checksum: checksum(bytes) }
    }

    /// Says that `chunk` is about to be counted.
    pub(super) fn claim(&self, chunk: usize) {
        let mut state = self.lock();
        if chunk + 1 >= state.before.len() {
            state.counts.entry(chunk).or_insert(None);
        }
    }

    /// Says what `chunk` has.
    pub(super) fn publish(&self, chunk: usize, counted: Counted) {
        let mut state = self.lock();
        if chunk + 1 < state.before.len() {
            return;
        }
        state.counts.insert(chunk, Some(counted));
        while let Some((at, Some(counted))) = state.counts.first_key_value()
            && at + 1 == state.before.len()
        {
            let (at, counted, before) = (self.chunk(*at), *counted, state.before[*at]);
            state.counts.pop_first();
            state.before.push(Before {
                lines: before.lines + counted.lines,
                checksum: joined(self.checksum(at, before), counted.checksum, at.end - at.start),
            });
        }
        drop(state);
        self.counted.notify_all();
    }

    /// How many lines end before `chunk`, in all files. Counts what nobody has counted.
    pub(super) fn before(&self, chunk: usize, open: &mut Open) -> Result<u64, LinesError> {
        let mut state = self.lock();
        loop {
            if let Some(before) = state.before.get(chunk) {
                return Ok(before.lines);
            }
            let unknown = state.before.len() - 1..chunk;
            let mut unknown = unknown.filter(|chunk| !state.counts.contains_key(chunk));
            if let Some(free) = unknown.next() {
                state.counts.insert(free, None);
                drop(state);
                let at = self.chunk(free);
                let mut bytes = std::mem::take(&mut open.scratch);
                open.read(self, at.file, at.start..at.end, &mut bytes)?;
                self.publish(free, Index::count(at, &bytes));
                open.scratch = bytes;
                state = self.lock();
            } else {
                state = self.counted.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// A checksum of the bytes of `chunk`'s file before it.
    fn checksum(&self, chunk: Chunk, before: Before) -> u32 {
        match chunk.is_first && chunk.file != self.start.file {
            true => 0,
            false => before.checksum,
        }
    }

    /// Lines in the files before `file`, where its first chunk's number is known.
    pub(super) fn base(&self, file: usize, open: &mut Open) -> Result<u64, LinesError> {
        match file == self.start.file {
            true => Ok(self.start.line - self.start.lines),
            false => self.before(self.files[file].first, open),
        }
    }

    /// Where `line` of all files begins, or where the files end if there are not so many.
    pub(super) fn offset(&self, line: u64, open: &mut Open) -> Result<LineOffset, LinesError> {
        if line <= self.start.line {
            return Ok(self.start);
        }
        // Lines that end before the next chunk are known for all chunks that were read.
        let known = self.lock().before.partition_point(|before| before.lines < line);
        let mut chunk = known.saturating_sub(1);
        while chunk < self.chunks && self.before(chunk + 1, open)? < line {
            chunk += 1;
        }
        let Some(last) = self.chunks.checked_sub(1) else { return Ok(self.start) };
        let at = self.chunk(chunk.min(last));
        let before = self.before(chunk.min(last), open)?;
        let known = self.checksum(at, self.lock().before[chunk.min(last)]);
        let mut bytes = Vec::new();
        open.read(self, at.file, at.start..at.end, &mut bytes)?;
        let end = memchr_iter(b'\n', &bytes).nth((line - before - 1) as usize);
        let line = line.min(before + Index::count(at, &bytes).lines);
        let read = end.map_or(&bytes[..], |end| &bytes[..=end]);
        let len = read.len() as u64;
        Ok(LineOffset {
            file: at.file,
            bytes: at.start + len,
            lines: line - self.base(at.file, open)?,
            checksum: joined(known, checksum(read), len),
            line,
        })
    }

    /// The position at which `epoch` begins, which begins with `line`.
    pub(super) fn position(&self, epoch: u64, line: u64) -> Result<Position, LinesError> {
        let mut open = Open::default();
        let offset = self.offset(line, &mut open)?;
        let mut files = self.read_before.clone();
        for index in self.start.file..offset.file {
            let whole = lock(&self.whole).get(&index).cloned();
            files.push(match whole {
                Some(whole) => whole,
                None => {
                    let next = self.base(index + 1, &mut open)?;
                    let lines = next - self.base(index, &mut open)?;
                    let checksum = self.whole_checksum(index);
                    let bytes = self.file(index).size;
                    let offset = LineOffset { bytes, lines, checksum, ..LineOffset::default() };
                    let whole = self.note(index, offset, true)?;
                    lock(&self.whole).insert(index, whole.clone());
                    lock(&self.open).remove(&index);
                    whole
                }
            });
        }
        if offset.file < self.files.len() {
            files.push(self.note(offset.file, offset, false)?);
        }
        Ok(Position { epoch, lines: offset.line, files })
    }

    /// The position in a file, which must have the bytes that were read.
    fn note(&self, file: usize, at: LineOffset, is_end: bool) -> Result<FilePosition, LinesError> {
        let opened = self.open(file)?;
        let path = &self.file(file).path;
        let failed = |error| LinesError::read(path, error);
        if opened.is_overwritten(at.bytes, at.checksum, is_end).map_err(failed)? {
            (self.failed)(overwritten(path));
        }
        let tracked = TrackedFile::new(opened, self.before_file(file), at).map_err(failed)?;
        Ok(match is_end {
            true => tracked.end(at.bytes, at.lines),
            false => tracked.position(at.bytes, at.lines),
        })
    }

    /// A checksum of all bytes of a file, all chunks of which are counted.
    fn whole_checksum(&self, file: usize) -> u32 {
        let (first, end) = (self.files[file].first, self.files[file + 1].first);
        match (first < end, file == self.start.file) {
            (true, _) => self.lock().before[end].checksum,
            // Nothing is read of it in this run.
            (false, true) => self.start.checksum,
            (false, false) => 0,
        }
    }

    /// A file that is read: the one that it was when it was listed.
    fn open(&self, file: usize) -> Result<Opened, LinesError> {
        let open = lock(&self.open);
        if let Some(open) = open.get(&file) {
            return Ok(open.clone());
        }
        drop(open);
        Ok(self.keep(file, Opened::new(self.file(file))?))
    }

    /// Keeps a file open. It counts as the version that was opened first: a change since then is a change of what was
    /// read.
    fn keep(&self, file: usize, mut opened: Opened) -> Opened {
        let Opened { found, checked, .. } = &mut opened;
        let version = self.files[file].version.get_or_init(|| (found.changed, Arc::clone(checked)));
        (found.changed, *checked) = version.clone();
        let mut open = lock(&self.open);
        while open.len() >= MOST_OPEN {
            open.pop_first();
        }
        open.insert(file, opened.clone());
        opened
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// The checksum of bytes of which the first have the checksum `first`, and `len` more have `then`.
fn joined(first: u32, then: u32, len: u64) -> u32 {
    let mut joined = Hasher::new_with_initial(first);
    joined.combine(&Hasher::new_with_initial_len(then, len));
    joined.finalize()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Files that are kept open, at most: those that were opened and have the highest numbers.
const MOST_OPEN: usize = 64;

/// The file that a thread reads in.
#[derive(Debug, Default)]
pub(super) struct Open {
    file: Option<(usize, Opened)>,
    scratch: Vec<u8>,
}

impl Open {
    /// Reads a range of a file into `bytes`, in place of what they were.
    pub(super) fn read(
        &mut self,
        index: &Index,
        file: usize,
        range: std::ops::Range<u64>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), LinesError> {
        let open = match &self.file {
            Some((at, open)) if *at == file => open,
            _ => &self.file.insert((file, index.open(file)?)).1,
        };
        bytes.resize((range.end - range.start) as usize, 0);
        let read = open.file.read_exact_at(bytes, range.start);
        // One that shrank is said to have done so.
        open.is_unchanged()?;
        read.map_err(|error| LinesError::read(&open.found.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::super::input::{Input, Skipped};
    use super::super::opened::ctime;
    use super::*;

    #[test]
    fn a_file_that_was_changed_before_it_is_opened_again_is_the_version_that_was_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f");
        fs::write(&path, b"one\ntwo\n").unwrap();
        let input = Input::Files { path: path.clone(), follow: false };
        let files = input.find(false, &mut Skipped::default()).unwrap();
        let failures = Arc::new(AtomicUsize::new(0));
        let failed = Arc::clone(&failures);
        let fail = move |error: LinesError| {
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.contains("overwritten"), "{why}");
            failed.fetch_add(1, Relaxed);
        };
        let index = Index::new(files, Start::default(), 1 << 20, Box::new(fail));
        let first = index.open(0).unwrap();
        index.publish(0, Index::count(index.chunk(0), b"one\ntwo\n"));
        index.position(1, 1).unwrap();
        assert_eq!(failures.load(Relaxed), 0);
        lock(&index.open).clear();
        // The time of a change has a resolution of some milliseconds.
        while ctime(&fs::metadata(&path).unwrap()) == first.checked.load(Relaxed) {
            fs::write(&path, b"six\ntwo\n").unwrap();
        }
        let again = index.open(0).unwrap();
        assert_eq!(again.found.changed, first.found.changed);
        assert!(Arc::ptr_eq(&again.checked, &first.checked));
        index.position(2, 1).unwrap();
        assert_eq!(failures.load(Relaxed), 1);
    }
}
