//! A block: the rows of a stage that one worker has merged in one commit group.

use std::hash::Hash;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::window::{EventFrontier, SHARDS, shard};

/// The version of the format.
pub(crate) const VERSION: u64 = 1;

/// The first bytes of a file. They name the version of the format.
pub(crate) const MAGIC: &[u8] = b"floodway state 1\n";

/// What a block begins with, after the header's length and checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BlockHeader {
    /// The name of the stage.
    pub stage: String,
    /// The event-time frontier at the end of the group.
    pub frontier: EventFrontier,
    /// The shards that have rows, in order. Their rows follow the header in the same order.
    pub shards: Vec<ShardHeader>,
}

/// The rows of a shard in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShardHeader {
    pub number: u64,
    pub rows: u64,
    pub bytes: u64,
    pub crc: u32,
}

/// Collects the rows of a block.
pub(crate) struct BlockWriter {
    /// By shard: the number of rows, and the rows.
    shards: Vec<(u64, Vec<u8>)>,
    rows: u64,
    bytes: usize,
}

impl BlockWriter {
    pub(crate) fn new() -> Self {
        BlockWriter { shards: (0..SHARDS).map(|_| (0, Vec::new())).collect(), rows: 0, bytes: 0 }
    }

    /// Adds a row of the key's shard.
    ///
    /// # Errors
    /// If the row's own serialization fails.
    pub(crate) fn add<K: Hash>(&mut self, key: &K, row: &impl Serialize) -> postcard::Result<()> {
        self.add_to(shard(key), row)
    }

    /// Adds a row of this shard.
    ///
    /// # Errors
    /// If the row's own serialization fails.
    pub(crate) fn add_to(&mut self, shard: u64, row: &impl Serialize) -> postcard::Result<()> {
        let (rows, bytes) = &mut self.shards[shard as usize];
        let before = bytes.len();
        postcard::serialize_with_flavor(row, Appended(bytes))?;
        self.bytes += bytes.len() - before;
        *rows += 1;
        self.rows += 1;
        Ok(())
    }

    /// Returns the number of bytes of the rows.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the block to `out`, and is empty afterwards.
    ///
    /// # Errors
    /// If the header cannot be serialized.
    pub(crate) fn finish(
        &mut self,
        stage: &str,
        frontier: EventFrontier,
        out: &mut Vec<u8>,
    ) -> postcard::Result<()> {
        let filled = self.shards.iter().enumerate().filter(|(_, (rows, _))| *rows > 0);
        let shards = filled.map(|(number, (rows, bytes))| ShardHeader {
            number: number as u64,
            rows: *rows,
            bytes: bytes.len() as u64,
            crc: crc32fast::hash(bytes),
        });
        let header = BlockHeader { stage: stage.to_owned(), frontier, shards: shards.collect() };
        let header = postcard::to_stdvec(&header)?;
        out.extend_from_slice(&(header.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        out.extend_from_slice(&header);
        for (rows, bytes) in &mut self.shards {
            out.append(bytes);
            *rows = 0;
        }
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// Bytes to which serialized values are appended.
struct Appended<'a>(&'a mut Vec<u8>);

impl Flavor for Appended<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
