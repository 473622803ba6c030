//! The files of keyed state: rows by stage and shard, in blocks with checksums. `docs/state.md` has the format.
//!
//! A stateful operator writes a block for each commit group: the rows that were merged in it. All blocks of a stage,
//! merged, are its state. A key belongs to one of `window::SHARDS` shards, and a shard to one worker, so that a run with
//! another number of workers finds the rows of each.

mod block;
mod error;
mod merge;
mod read;

pub(crate) use block::{BlockWriter, MAGIC, ShardHeader};
pub use error::StateFileError;
pub(crate) use merge::{MergeRows, MergeShard, Over, Parts, merge_files};
pub(crate) use read::StateReader;

/// A block for the files of a commit group, with the number of its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateBlock {
    pub bytes: Vec<u8>,
    pub rows: u64,
}
