//! Where a reader begins.

use std::collections::VecDeque;

use super::LinesError;
use super::input::{FoundFile, Skipped};
use super::offsets::LineOffset;
use super::opened::Opened;
use super::position::FilePosition;

/// Where reading begins.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// The file at hand.
    pub first: Option<Opened>,
    /// Where in it, and in all files.
    pub offset: LineOffset,
    /// Lines that were read under its path from files that were there before it.
    pub before: u64,
    /// What its path named later and names no more: rotated after it, and not read.
    pub between: Vec<Opened>,
    /// The files after it.
    pub ahead: VecDeque<FoundFile>,
    /// The files that were read to their ends.
    pub read: Vec<FilePosition>,
    /// The file at hand was read by a run before this one.
    pub is_resumed: bool,
    /// What is not read.
    pub skipped: Skipped,
}

impl Start {
    /// At the start of files that were not read, after `line` lines of others.
    pub(super) fn new(files: Vec<FoundFile>, line: u64) -> Result<Self, LinesError> {
        let offset = LineOffset { line, ..LineOffset::default() };
        let mut start = Start { offset, ahead: files.into(), ..Start::default() };
        start.first = start.next()?;
        Ok(start)
    }

    /// The next file of those ahead.
    pub(super) fn next(&mut self) -> Result<Option<Opened>, LinesError> {
        while let Some(found) = self.ahead.pop_front() {
            if let Some(opened) = Opened::if_there(&found)? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }
}
