//! What had been read when each epoch began.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::position::{FilePosition, Position};

/// Where a line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineOffset {
    /// Which file.
    pub file: usize,
    /// Bytes of it before the line, after decompression.
    pub bytes: u64,
    /// Lines of it before the line.
    pub lines: u64,
    /// A checksum (CRC-32) of the bytes before it, where a file is gone on with; of others it is that of none, 0.
    pub checksum: u32,
    /// Lines before it in all files.
    pub line: u64,
}

/// The places at which epochs began, for the epochs that are not committed.
#[derive(Debug)]
pub(super) struct EpochOffsets(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    begun: BTreeMap<u64, Begun>,
    most: usize,
    /// The files that were read to their ends.
    read: Vec<FilePosition>,
}

/// Where an epoch began.
#[derive(Clone, Debug)]
struct Begun {
    /// So many files had been read to their ends.
    read: usize,
    /// Lines before it in all files.
    line: u64,
    /// In the file at hand.
    file: Option<FilePosition>,
}

impl EpochOffsets {
    /// `most` epochs are open at most, and those before them are forgotten. `read` are the files that a
    /// run before this one read to their ends.
    pub(super) fn new(most: usize, read: Vec<FilePosition>) -> Self {
        EpochOffsets(Mutex::new(Inner { begun: BTreeMap::new(), most, read }))
    }

    /// `epoch` begins after `line` lines, at `file` in the file at hand.
    pub(super) fn begin(&self, epoch: u64, line: u64, file: Option<FilePosition>) {
        let mut inner = self.lock();
        let read = inner.read.len();
        inner.begun.insert(epoch, Begun { read, line, file });
        while inner.begun.len() > inner.most {
            inner.begun.pop_first();
        }
    }

    /// The file at hand was read to its end.
    pub(super) fn finish(&self, file: FilePosition) {
        self.lock().read.push(file);
    }

    /// Where everything of epochs before `epoch` had been read; none if that has not come yet. Earlier
    /// epochs are forgotten.
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
