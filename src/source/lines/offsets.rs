//! How far the input was read when each epoch began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::position::{FilePosition, Position};

/// The offset at which a line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineOffset {
    /// The index of its file.
    pub file: usize,
    /// The number of bytes of the file before the line, after decompression.
    pub bytes: u64,
    /// The number of lines of the file before the line.
    pub lines: u64,
    /// A checksum (CRC-32) of the bytes of the file before the line, where reading begins in the middle of a file.
    /// Otherwise 0, the checksum of no bytes.
    pub checksum: u32,
    /// The number of lines of all files before the line.
    pub line: u64,
}

/// The offsets at which epochs began, for the epochs that are not committed yet.
#[derive(Debug)]
pub(super) struct EpochOffsets(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    begun: BTreeMap<u64, Begun>,
    most: usize,
    /// The files that were read to their ends, in this order.
    read: Vec<FilePosition>,
}

/// The offset at which an epoch began.
#[derive(Clone, Debug)]
struct Begun {
    /// The number of files that were read to their ends.
    read: usize,
    /// The number of lines of all files before the epoch.
    line: u64,
    /// The position in the current file.
    file: Option<FilePosition>,
}

impl EpochOffsets {
    /// Creates offsets of at most `most` epochs. Earlier epochs are forgotten. Earlier runs have read the files `read` to
    /// their ends.
    pub(super) fn new(most: usize, read: Vec<FilePosition>) -> Self {
        EpochOffsets(Mutex::new(Inner { begun: BTreeMap::new(), most, read }))
    }

    /// Notes that `epoch` begins after `line` lines, at position `file` in the current file.
    pub(super) fn begin(&self, epoch: u64, line: u64, file: Option<FilePosition>) {
        let mut inner = self.lock();
        let read = inner.read.len();
        inner.begun.insert(epoch, Begun { read, line, file });
        while inner.begun.len() > inner.most {
            inner.begun.pop_first();
        }
    }

    /// Adds a file that was read to its end.
    pub(super) fn finish(&self, file: FilePosition) {
        self.lock().read.push(file);
    }

    /// Returns the position after all epochs before `epoch`, and forgets these epochs. None if `epoch` has not begun.
    pub(super) fn position(&self, epoch: u64) -> Option<Position> {
        let mut inner = self.lock();
        inner.begun = inner.begun.split_off(&epoch);
        let (_, Begun { read, line, file }) = inner.begun.first_key_value()?;
        let files = inner.read[..*read].iter().chain(file).cloned().collect();
        Some(Position { epoch, lines: *line, files })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
