//! The first and the last bytes of a file, as they were read. The checksums of a position are made from them, because the
//! file may have been truncated by the time at which the position is noted.

use std::io;
use std::os::unix::fs::FileExt as _;

use crc32fast::Hasher;

use super::LinesError;
use super::globs::text_of;
use super::offsets::LineOffset;
use super::opened::{CHECKED, Opened};
use super::position::{FilePosition, checksum};

/// A file that is read, with the bytes that a reader keeps of it.
#[derive(Debug)]
pub(super) struct TrackedFile {
    pub opened: Opened,
    /// The number of lines that were read from other files with the same path.
    pub before: u64,
    /// The first bytes of the file.
    head: Vec<u8>,
    /// The last bytes before the current line.
    tail: Vec<u8>,
    /// The last bytes that were read, which may contain a part of the current line.
    recent: Vec<u8>,
    /// The checksum of all bytes before the current line, after decompression.
    read: Hasher,
    /// The checksum of all bytes that were read.
    all: Hasher,
}

impl TrackedFile {
    /// Creates it for a file that was read up to `from` before.
    pub(super) fn new(opened: Opened, before: u64, from: LineOffset) -> io::Result<Self> {
        let (head, tail) = match opened.is_plain() {
            true => opened.ends(from.bytes)?,
            // A compressed file does not grow, and its middle cannot be read by itself, so these are the ends of the file.
            false => opened.ends(opened.found.size)?,
        };
        let read = Hasher::new_with_initial(from.checksum);
        Ok(TrackedFile {
            opened,
            before,
            head,
            recent: tail.clone(),
            tail,
            all: read.clone(),
            read,
        })
    }

    /// Adds bytes that were read. If `lines` is not 0, a line begins after the first `lines` bytes.
    pub(super) fn extend(&mut self, bytes: &[u8], lines: usize) {
        if lines > 0 {
            self.read.clone_from(&self.all);
            self.read.update(&bytes[..lines]);
            self.all.clone_from(&self.read);
        }
        self.all.update(&bytes[lines..]);
        if !self.opened.is_plain() {
            return;
        }
        let room = CHECKED as usize - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if lines > 0 {
            self.tail.clear();
            self.tail.extend_from_slice(&self.recent);
            keep_last(&mut self.tail, &bytes[..lines]);
        }
        keep_last(&mut self.recent, bytes);
    }

    /// Ends the current line, which has no line break.
    pub(super) fn end_line(&mut self) {
        self.read.clone_from(&self.all);
        if self.opened.is_plain() {
            self.tail.clone_from(&self.recent);
        }
    }

    /// Whether the file still has the first bytes, and the last bytes before byte `at`, that were read.
    pub(super) fn is_there(&self, at: u64) -> bool {
        let is_same = |(head, tail)| head == self.head && tail == self.recent;
        !self.opened.is_plain() || self.opened.ends(at).is_ok_and(is_same)
    }

    /// Fails if the file was replaced, has lost bytes, or has other bytes before byte `at` than were read. `is_end` says
    /// that it was read to its end.
    pub(super) fn is_unchanged(&self, at: u64, is_end: bool) -> Result<(), LinesError> {
        self.opened.is_unchanged()?;
        let path = &self.opened.found.path;
        // The ends are read fast, so they are compared first.
        if !self.is_there(at) {
            return Err(self.opened.overwritten());
        }
        let checksum = self.all.clone().finalize();
        match self.opened.is_overwritten(at, checksum, is_end) {
            Ok(true) => Err(self.opened.overwritten()),
            Ok(false) => Ok(()),
            Err(error) => Err(LinesError::read(path, error)),
        }
    }

    /// Fails if the file has lost bytes and still begins with the same ones, which would be read twice.
    pub(super) fn is_begun_anew(&self, at: u64) -> Result<(), LinesError> {
        let path = &self.opened.found.path;
        let failed = |error| LinesError::read(path, error);
        let size = self.opened.size().map_err(failed)?;
        let first = size.min(self.head.len() as u64);
        let mut bytes = vec![0; first as usize];
        if first == 0 || self.opened.file.read_exact_at(&mut bytes, 0).is_err() {
            return Ok(());
        }
        if bytes != self.head[..first as usize] {
            return Ok(());
        }
        let why = match size < at {
            true => format!("it shrank from {at} to {size} bytes while it was followed"),
            false => {
                "it was overwritten while it was followed: what was read is not there".to_owned()
            }
        };
        Err(failed(io::Error::other(why)))
    }

    /// Returns the position of a line that begins at byte `bytes`, after `lines` lines.
    pub(super) fn position(&self, bytes: u64, lines: u64) -> FilePosition {
        let head = &self.head[..self.head.len().min(bytes.max(self.least_head()) as usize)];
        FilePosition {
            path: text_of(&self.opened.found.path),
            bytes,
            lines,
            size: self.opened.size().unwrap_or(0).max(bytes * u64::from(self.opened.is_plain())),
            head: checksum(head),
            tail: checksum(&self.tail),
            read: Some(self.read.clone().finalize()),
            changed: self.opened.found.changed,
            before: self.before,
            id: Some(self.opened.found.id),
            real: self.opened.real.as_deref().map(text_of),
        }
    }

    /// Returns the position of a file that was read to its end, at byte `bytes`. Bytes after that count as added later,
    /// even if the file has them already.
    pub(super) fn end(&self, bytes: u64, lines: u64) -> FilePosition {
        let position = self.position(bytes, lines);
        let size = if self.opened.is_plain() { bytes } else { position.size };
        FilePosition { size, ..position }
    }

    /// Returns the least number of first bytes that a checksum covers. For a compressed file, that is all that are kept.
    fn least_head(&self) -> u64 {
        if self.opened.is_plain() { 0 } else { CHECKED }
    }
}

/// Appends `bytes` to `kept`, and keeps only the last `CHECKED` bytes.
fn keep_last(kept: &mut Vec<u8>, bytes: &[u8]) {
    let most = CHECKED as usize;
    let bytes = &bytes[bytes.len().saturating_sub(most)..];
    let old = (most - bytes.len()).min(kept.len());
    kept.drain(..kept.len() - old);
    kept.extend_from_slice(bytes);
}
