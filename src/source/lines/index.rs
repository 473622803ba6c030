//! Divides files into chunks of bytes, and counts how many lines come before each chunk.
//!
//! To number the lines of a chunk, a reader has to know how many lines are in all chunks before it. Each chunk is
//! counted once in a process: by its reader, which has it in memory anyway, or by the first reader that needs the
//! count, if the chunk's reader is in another process or has not reached it yet. A reader waits only for a count that
//! is in progress.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crc32fast::Hasher;
use memchr::memchr_iter;

use super::LinesError;
use super::input::FoundFile;
use super::offsets::LineOffset;
use super::open_files::OpenFiles;
use super::opened::Opened;
use super::position::{FilePosition, Position, checksum};
use super::start::Start;
use super::tracked_file::TrackedFile;

/// A file that is read in chunks.
#[derive(Debug)]
pub(super) struct SharedFile {
    pub found: FoundFile,
    /// The byte at which reading begins, which is the start of a line.
    from: u64,
    /// The number of its first chunk, among the chunks of all files.
    first: usize,
}

/// The chunks of all files.
pub(super) struct Index {
    files: Vec<SharedFile>,
    /// The first file that is not yet read to its end, and where in it reading begins.
    start: LineOffset,
    /// The files that earlier runs read to their ends.
    read_before: Vec<FilePosition>,
    /// The number of lines that were read from other files with the path of the first one.
    before: u64,
    open_files: OpenFiles,
    /// The positions of files that were read to their ends, as far as they were noted.
    whole: Mutex<BTreeMap<usize, FilePosition>>,
    /// The length of a chunk in bytes.
    chunk: u64,
    /// The number of chunks.
    chunks: usize,
    state: Mutex<State>,
    /// Signals that a chunk was counted.
    counted: Condvar,
    /// Called if a file was overwritten while it was read.
    failed: Box<dyn Fn(LinesError) + Send + Sync>,
}

#[derive(Debug)]
struct State {
    /// What comes before each chunk, as far as all chunks before it are counted.
    before: Vec<Before>,
    /// The counts of later chunks. None for a chunk that is being counted.
    counts: BTreeMap<usize, Option<Counted>>,
}

/// What comes before a chunk.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// The number of lines, in all files.
    lines: u64,
    /// A checksum of the bytes from the start of the previous chunk's file to the end of that chunk.
    checksum: u32,
}

/// The counts of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// The number of lines that end in it. The last line of a file may have no line break.
    pub lines: u64,
    /// A checksum of its bytes.
    checksum: u32,
}

/// The range of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub file: usize,
    pub start: u64,
    pub end: u64,
    /// Whether reading of the file begins with it.
    pub is_first: bool,
    /// Whether the file ends with it.
    pub is_last: bool,
}

impl Index {
    /// Divides `files`, from `start` on, into chunks of `chunk` bytes. `failed` is called if a file was overwritten
    /// while it was read.
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
            SharedFile { found, from, first }
        });
        let files: Vec<SharedFile> = files.collect();
        let before = Before { lines: start.line, checksum: start.checksum };
        let state = State { before: vec![before], counts: BTreeMap::new() };
        let state = Mutex::new(state);
        let open_files = OpenFiles::new(files.len());
        if let Some(first) = first {
            open_files.keep(start.file, first);
        }
        Index {
            files,
            start,
            read_before,
            before: lines_before,
            open_files,
            whole: Mutex::default(),
            chunk,
            chunks,
            state,
            counted: Condvar::new(),
            failed,
        }
    }

    /// Returns the number of chunks.
    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    pub(super) fn file(&self, file: usize) -> &FoundFile {
        &self.files[file].found
    }

    /// Returns the number of lines that were read from other files with the same path.
    pub(super) fn before_file(&self, file: usize) -> u64 {
        if file == self.start.file { self.before } else { 0 }
    }

    /// Returns a hash that is the same in all processes that see the same files.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in &self.files {
            (&file.found.path, file.found.size, file.from).hash(&mut hasher);
        }
        (self.chunk, self.start.line).hash(&mut hasher);
        hasher.finish()
    }

    /// Returns the range of a chunk.
    pub(super) fn chunk(&self, chunk: usize) -> Chunk {
        // A file without chunks has the same first chunk as the next file.
        let file = self.files.partition_point(|file| file.first <= chunk) - 1;
        let SharedFile { found, from, first, .. } = &self.files[file];
        let start = from + (chunk - first) as u64 * self.chunk;
        let end = (start + self.chunk).min(found.size);
        Chunk { file, start, end, is_first: start == *from, is_last: end == found.size }
    }

    /// Counts a chunk with these bytes.
    pub(super) fn count(chunk: Chunk, bytes: &[u8]) -> Counted {
        let open = chunk.is_last && bytes.last().is_some_and(|last| *last != b'\n');
        let lines = memchr_iter(b'\n', bytes).count() as u64 + u64::from(open);
        Counted { lines, checksum: checksum(bytes) }
    }

    /// Announces that the caller counts `chunk`.
    pub(super) fn claim(&self, chunk: usize) {
        let mut state = self.lock();
        if chunk + 1 >= state.before.len() {
            state.counts.entry(chunk).or_insert(None);
        }
    }

    /// Adds the counts of `chunk`.
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

    /// Returns how many lines end before `chunk`, in all files. This counts the chunks that nobody has counted.
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

    /// Returns a checksum of the bytes of the file before `chunk`.
    fn checksum(&self, chunk: Chunk, before: Before) -> u32 {
        match chunk.is_first && chunk.file != self.start.file {
            true => 0,
            false => before.checksum,
        }
    }

    /// Returns the number of lines in the files before `file`.
    pub(super) fn base(&self, file: usize, open: &mut Open) -> Result<u64, LinesError> {
        match file == self.start.file {
            true => Ok(self.start.line - self.start.lines),
            false => self.before(self.files[file].first, open),
        }
    }

    /// Returns the offset of `line`, counted over all files, or the end of the files if they have fewer lines.
    pub(super) fn offset(&self, line: u64, open: &mut Open) -> Result<LineOffset, LinesError> {
        if line <= self.start.line {
            return Ok(self.start);
        }
        // The chunks that are counted need no search.
        let known = self.lock().before.partition_point(|before| before.lines < line);
        let mut chunk = known.saturating_sub(1);
        while chunk < self.chunks && self.before(chunk + 1, open)? < line {
            chunk += 1;
        }
        let Some(last) = self.chunks.checked_sub(1) else { return Ok(self.start) };
        let chunk = chunk.min(last);
        let at = self.chunk(chunk);
        let before = self.before(chunk, open)?;
        let known = self.checksum(at, self.lock().before[chunk]);
        let mut bytes = Vec::new();
        open.read(self, at.file, at.start..at.end, &mut bytes)?;
        let whole = joined(known, checksum(&bytes), at.end - at.start);
        if self.lock().before.get(chunk + 1).is_some_and(|next| next.checksum != whole) {
            (self.failed)(self.open(at.file)?.overwritten());
        }
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

    /// Returns the position at the start of `epoch`, which begins with `line`.
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
                    self.open_files.close(index);
                    whole
                }
            });
        }
        if offset.file < self.files.len() {
            let is_end = offset.bytes == self.file(offset.file).size;
            files.push(self.note(offset.file, offset, is_end)?);
        }
        Ok(Position { epoch, lines: offset.line, files })
    }

    /// Returns the position in a file, and checks that the file has the bytes that were read.
    fn note(&self, file: usize, at: LineOffset, is_end: bool) -> Result<FilePosition, LinesError> {
        let opened = self.open(file)?;
        let path = &self.file(file).path;
        let failed = |error| LinesError::read(path, error);
        if opened.is_overwritten(at.bytes, at.checksum, is_end).map_err(failed)? {
            (self.failed)(opened.overwritten());
        }
        let tracked = TrackedFile::new(opened, self.before_file(file), at).map_err(failed)?;
        Ok(match is_end {
            true => tracked.end(at.bytes, at.lines),
            false => tracked.position(at.bytes, at.lines),
        })
    }

    /// Returns a checksum of all bytes of a file whose chunks are all counted.
    fn whole_checksum(&self, file: usize) -> u32 {
        let (first, end) = (self.files[file].first, self.files[file + 1].first);
        match (first < end, file == self.start.file) {
            (true, _) => self.lock().before[end].checksum,
            // This run reads nothing of the file.
            (false, true) => self.start.checksum,
            (false, false) => 0,
        }
    }

    /// Returns an open file.
    pub(super) fn open(&self, file: usize) -> Result<Opened, LinesError> {
        self.open_files.get(file, self.file(file))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Returns the checksum of some bytes with the checksum `first` and `len` more bytes with the checksum `then`.
fn joined(first: u32, then: u32, len: u64) -> u32 {
    let mut joined = Hasher::new_with_initial(first);
    joined.combine(&Hasher::new_with_initial_len(then, len));
    joined.finalize()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file that a thread reads, and a buffer.
#[derive(Debug, Default)]
pub(super) struct Open {
    file: Option<(usize, Opened)>,
    scratch: Vec<u8>,
}

impl Open {
    /// Reads a range of a file into `bytes`, and replaces their content.
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
        // If the file shrank, this error says so.
        open.is_unchanged()?;
        read.map_err(|error| LinesError::read(&open.found.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::super::input::{Input, Skipped};
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
        let mut first = Opened::new(index.file(0)).unwrap();
        first.found.changed = Some(1);
        let first = index.open_files.keep(0, first);
        index.publish(0, Index::count(index.chunk(0), b"one\ntwo\n"));
        index.position(1, 1).unwrap();
        assert_eq!(failures.load(Relaxed), 0);
        index.open_files.close(0);
        // The second change may have the same time as the first one.
        fs::write(&path, b"six\ntwo\n").unwrap();
        let again = index.open(0).unwrap();
        assert_eq!(again.found.changed, Some(1));
        assert!(Arc::ptr_eq(&again.compared, &first.compared));
        index.position(2, 2).unwrap();
        assert_eq!(failures.load(Relaxed), 1);
    }
}
