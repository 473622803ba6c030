//! Reads the blocks of a file.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::StateFileError;
use super::block::{BlockHeader, MAGIC, SHARDS, ShardHeader};

/// The longest header. A block has at most 1,024 shards.
const MAX_HEADER: u32 = 1 << 20;

/// A file of state, open for reading.
pub(crate) struct StateReader {
    file: BufReader<File>,
    path: PathBuf,
    /// Where the next header is.
    at: u64,
    length: u64,
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
        let file = BufReader::with_capacity(1 << 18, file);
        let at = MAGIC.len() as u64;
        let mut reader = StateReader { file, path, at, length };
        if is != length {
            return Err(reader.damaged(format!("it has {is} bytes, and {length} were committed")));
        }
        let mut magic = vec![0; MAGIC.len()];
        match reader.file.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => Ok(reader),
            _ => {
                Err(reader.damaged("it does not begin as version 1 of the format does".to_owned()))
            }
        }
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
        self.seek(at)?;
        let mut bytes = vec![0; shard.bytes as usize];
        self.file
            .read_exact(&mut bytes)
            .map_err(|source| StateFileError::io(&self.path, source))?;
        decode(shard, &bytes).map_err(|why| self.damaged(format!("the shard at byte {at}: {why}")))
    }
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

fn decode<R: DeserializeOwned>(shard: &ShardHeader, mut bytes: &[u8]) -> Result<Vec<R>, String> {
    if crc32fast::hash(bytes) != shard.crc {
        return Err("its checksum differs".to_owned());
    }
    let mut rows = Vec::with_capacity((shard.rows as usize).min(bytes.len()));
    while !bytes.is_empty() {
        let (row, rest) = postcard::take_from_bytes(bytes)
            .map_err(|error| format!("a row is not one of this program's ({error})"))?;
        rows.push(row);
        bytes = rest;
    }
    match rows.len() as u64 == shard.rows {
        true => Ok(rows),
        false => Err(format!("it has {} rows, and {} were written", rows.len(), shard.rows)),
    }
}
