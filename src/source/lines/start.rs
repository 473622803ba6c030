//! The file and the offset at which a reader begins.

use std::collections::VecDeque;

use super::LinesError;
use super::input::{FoundFile, Skipped};
use super::offsets::LineOffset;
use super::opened::Opened;
use super::position::FilePosition;

/// The point at which a reader begins.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The first file.
    pub first: Option<Opened>,
    /// The offset in it, and in all files.
    pub offset: LineOffset,
    /// The number of lines that were read from other files that had its path before.
    pub before: u64,
    /// Files that had its path later, were rotated too, and have not been read.
    pub between: Vec<Opened>,
    /// The files that come after it.
    pub ahead: VecDeque<FoundFile>,
    /// The files that earlier runs read to their ends.
    pub read: Vec<FilePosition>,
    /// Whether an earlier run has read a part of the first file.
    pub is_resumed: bool,
    /// The files that are not read.
    pub skipped: Skipped,
}

impl Start {
    /// Begins at the start of `files`, after `line` lines of other files.
    pub(super) fn new(files: Vec<FoundFile>, line: u64) -> Result<Self, LinesError> {
        let offset = LineOffset { line, ..LineOffset::default() };
        let mut start = Start { offset, ahead: files.into(), ..Start::default() };
        start.first = start.next()?;
        Ok(start)
    }

    /// Takes and opens the next file, of those that come after the first one.
    pub(super) fn next(&mut self) -> Result<Option<Opened>, LinesError> {
        while let Some(found) = self.ahead.pop_front() {
            if let Some(opened) = Opened::if_there(&found)? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }
}
