//! Reads the blocks of files.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::block::{BlockHeader, MAGIC, SHARDS, ShardHeader};

/// A file of state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The system failed.
    #[error("cannot read the state in {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("the state in {} is damaged: {why}. Restore the file, or remove the output and the state's folder to start over", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A key or a value cannot be written.
    #[error("the state of {stage} cannot be written: serde cannot serialize a key or a value of it")]
    Row {
        /// The name of the stage.
        stage: String,
        /// Why.
        #[source]
        source: postcard::Error,
    },
}

/// The longest header. A block has at most 1,024 shards.
const MAX_HEADER: u32 = 1 << 20;

/// Calls `header` with the header of each block of a file, and `rows` with the rows of those shards for which it then
/// returns true. The file has the length that was committed.
///
/// # Errors
/// If the file cannot be read, or is not whole.
pub(crate) fn blocks<R: DeserializeOwned>(
    path: &Path,
    length: u64,
    mut wants: impl FnMut(&BlockHeader, u64) -> bool,
    mut header: impl FnMut(&BlockHeader),
    mut rows: impl FnMut(Vec<R>),
) -> Result<(), StateFileError> {
    let failed = |source| StateFileError::Io { path: path.to_path_buf(), source };
    let damaged = |why: String| StateFileError::Damaged { path: path.to_path_buf(), why };
    let file = File::open(path).map_err(failed)?;
    let is = file.metadata().map_err(failed)?.len();
    if is != length {
        return Err(damaged(format!("it has {is} bytes, and {length} were committed")));
    }
    let mut file = BufReader::with_capacity(1 << 18, file);
    let mut magic = vec![0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(failed)?;
    if magic != MAGIC {
        return Err(damaged("it does not begin as version 1 of the format does".to_owned()));
    }
    let mut at = MAGIC.len() as u64;
    let mut bytes = Vec::new();
    while at < length {
        let block = read_header(&mut file, &mut bytes)
            .map_err(|error| damaged(format!("the block at byte {at} has no valid header ({error})")))?;
        at += 8 + bytes.len() as u64;
        header(&block);
        for shard in &block.shards {
            let end = at.checked_add(shard.bytes).filter(|end| *end <= length);
            let end = end.ok_or_else(|| damaged("a shard is longer than the file".to_owned()))?;
            if wants(&block, shard.number) {
                bytes.resize(shard.bytes as usize, 0);
                file.read_exact(&mut bytes).map_err(failed)?;
                let decoded = decode(shard, &bytes);
                rows(decoded.map_err(|why| damaged(format!("the shard at byte {at}: {why}")))?);
            } else {
                file.seek_relative(shard.bytes as i64).map_err(failed)?;
            }
            at = end;
        }
    }
    Ok(())
}

fn read_header(file: &mut BufReader<File>, bytes: &mut Vec<u8>) -> io::Result<BlockHeader> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut word = [0; 4];
    file.read_exact(&mut word)?;
    let length = u32::from_le_bytes(word);
    file.read_exact(&mut word)?;
    if length > MAX_HEADER {
        return Err(invalid("it would be longer than a header can be"));
    }
    bytes.resize(length as usize, 0);
    file.read_exact(bytes)?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(word) {
        return Err(invalid("its checksum differs"));
    }
    let header: BlockHeader = postcard::from_bytes(bytes).map_err(|error| invalid(&error.to_string()))?;
    let is_shard = |shard: &ShardHeader| shard.number < SHARDS && shard.bytes <= i64::MAX as u64;
    match header.shards.iter().all(is_shard) {
        true => Ok(header),
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
