//! Reads the blocks of a file.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::StateFileError;
use super::block::{BlockHeader, MAGIC, ShardHeader, VERSION};
use crate::window::SHARDS;

/// The longest header. A block has at most 1,024 shards.
const MAX_HEADER: u32 = 1 << 20;

/// A file of state, open for reading.
pub(crate) struct StateReader {
    file: BufReader<File>,
    path: PathBuf,
    /// Where the next header is.
    at: u64,
    length: u64,
    /// The rows of a shard, as they were read.
    rows: Vec<u8>,
}

/// A block, and where the rows of its shards begin.
pub(crate) struct Block {
    pub header: BlockHeader,
    pub rows_at: u64,
}

impl Block {
    /// Iterates over the shards, with the position of their rows.
    pub(crate) fn shards(&self) -> impl Iterator<Item = (u64, &ShardHeader)> {
        let mut at = self.rows_at;
        self.header.shards.iter().map(move |shard| {
            at += shard.bytes;
            (at - shard.bytes, shard)
        })
    }
}

impl StateReader {
    /// Opens a file of the length that was committed.
    ///
    /// # Errors
    /// If it cannot be read, or is another one.
    pub(crate) fn open(path: &Path, length: u64) -> Result<Self, StateFileError> {
        let path = path.to_path_buf();
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (is, file) = opened.map_err(|source| StateFileError::io(&path, source))?;
        let file = BufReader::with_capacity(1 << 14, file);
        let at = MAGIC.len() as u64;
        let mut reader = StateReader { file, path, at, length, rows: Vec::new() };
        if is != length {
            return Err(reader.damaged(format!("it has {is} bytes, and {length} were committed")));
        }
        // A later version may have more digits.
        let mut first = Vec::with_capacity(2 * MAGIC.len());
        let begun = reader.file.by_ref().take(first.capacity() as u64).read_to_end(&mut first);
        begun.map_err(|source| StateFileError::io(&reader.path, source))?;
        if first.starts_with(MAGIC) {
            return Ok(reader);
        }
        Err(match version_of(&first) {
            Some(version) => StateFileError::Version { path: reader.path, version, reads: VERSION },
            None => reader.damaged("it does not begin as a file of state does".to_owned()),
        })
    }

    fn damaged(&self, why: String) -> StateFileError {
        StateFileError::Damaged { path: self.path.clone(), why }
    }

    fn seek(&mut self, to: u64) -> Result<(), StateFileError> {
        let at = self.file.stream_position();
        // A short way stays within the buffer.
        let moved = at.and_then(|at| match i64::try_from(i128::from(to) - i128::from(at)) {
            Ok(by) => self.file.seek_relative(by),
            Err(_) => self.file.seek(SeekFrom::Start(to)).map(drop),
        });
        moved.map_err(|source| StateFileError::io(&self.path, source))
    }

    /// Returns the next block.
    ///
    /// # Errors
    /// If it cannot be read, or is not whole.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>, StateFileError> {
        if self.at >= self.length {
            return Ok(None);
        }
        let at = self.at;
        self.seek(at)?;
        let (header, bytes) = read_header(&mut self.file).map_err(|error| {
            self.damaged(format!("the block at byte {at} has no valid header ({error})"))
        })?;
        let rows_at = at + 8 + bytes;
        let end = header.shards.iter().try_fold(rows_at, |end, shard| end.checked_add(shard.bytes));
        match end.filter(|end| *end <= self.length) {
            Some(end) => self.at = end,
            None => {
                return Err(self.damaged(format!("the block at byte {at} is longer than the file")));
            }
        }
        Ok(Some(Block { header, rows_at }))
    }

    /// Returns the rows of a shard, which are at `at`.
    ///
    /// # Errors
    /// If they cannot be read, or are not what was written.
    pub(crate) fn rows<R: DeserializeOwned>(
        &mut self,
        at: u64,
        shard: &ShardHeader,
    ) -> Result<Vec<R>, StateFileError> {
        // No row is believed to be there before it is read.
        let mut rows = Vec::with_capacity(shard.rows.min(shard.bytes / 2) as usize);
        self.each_row(at, shard, |row| rows.push(row))?;
        Ok(rows)
    }

    /// Calls `each` with the rows of a shard, which are at `at`.
    ///
    /// # Errors
    /// If they cannot be read, or are not what was written. Some rows may have been passed on before.
    pub(crate) fn each_row<R: DeserializeOwned>(
        &mut self,
        at: u64,
        shard: &ShardHeader,
        each: impl FnMut(R),
    ) -> Result<(), StateFileError> {
        let mut bytes = std::mem::take(&mut self.rows);
        bytes.resize(shard.bytes as usize, 0);
        // Without the buffer, of which a shard elsewhere in the file would use a small part.
        let read = self.file.get_ref().read_exact_at(&mut bytes, at);
        read.map_err(|source| StateFileError::io(&self.path, source))?;
        let decoded = decode(shard, &bytes, each);
        self.rows = bytes;
        decoded.map_err(|why| self.damaged(format!("the shard at byte {at}: {why}")))
    }
}

/// Returns the version of the format that a file begins with.
fn version_of(first: &[u8]) -> Option<u64> {
    let (line, _) = first.split_at(memchr::memchr(b'\n', first)?);
    std::str::from_utf8(line)
        .ok()?
        .strip_prefix("floodway state ")?
        .parse()
        .ok()
        .filter(|version| *version != VERSION)
}

/// Returns a header, and its length.
fn read_header(file: &mut BufReader<File>) -> io::Result<(BlockHeader, u64)> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut word = [0; 4];
    file.read_exact(&mut word)?;
    let length = u32::from_le_bytes(word);
    file.read_exact(&mut word)?;
    if length > MAX_HEADER {
        return Err(invalid("it would be longer than a header can be"));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes)?;
    if crc32fast::hash(&bytes) != u32::from_le_bytes(word) {
        return Err(invalid("its checksum differs"));
    }
    let header: BlockHeader =
        postcard::from_bytes(&bytes).map_err(|error| invalid(&error.to_string()))?;
    match header.shards.iter().all(|shard| shard.number < SHARDS) {
        true => Ok((header, u64::from(length))),
        false => Err(invalid("it has a shard that there is not")),
    }
}

fn decode<R: DeserializeOwned>(
    shard: &ShardHeader,
    mut bytes: &[u8],
    mut each: impl FnMut(R),
) -> Result<(), String> {
    if crc32fast::hash(bytes) != shard.crc {
        return Err("its checksum differs".to_owned());
    }
    let mut rows = 0;
    while !bytes.is_empty() {
        let (row, rest) = postcard::take_from_bytes(bytes)
            .map_err(|error| format!("a row is not one of this program's ({error})"))?;
        each(row);
        rows += 1;
        bytes = rest;
    }
    match rows == shard.rows {
        true => Ok(()),
        false => Err(format!("it has {rows} rows, and {} were written", shard.rows)),
    }
}
