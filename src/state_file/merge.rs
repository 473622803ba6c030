//! Merges several files into one, so that their number and length do not grow with time.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::StateFileError;
use super::block::{BlockWriter, MAGIC, ShardHeader};
use super::read::StateReader;
use crate::window::{EventFrontier, SHARDS};

/// Merges the rows of a stage. The stage's operator knows their types.
pub(crate) trait MergeRows: Send + Sync {
    /// Begins to merge, shard by shard.
    fn begin(&self) -> Box<dyn MergeShard>;
}

/// Merges the rows of one shard after the other.
pub(crate) trait MergeShard {
    /// Reads the rows of a shard from the files, merges them, and adds them to `block`, but for those that are over.
    ///
    /// # Errors
    /// If rows cannot be read or written.
    fn merge(
        &mut self,
        shard: &Parts,
        files: &mut [StateReader],
        over: Over,
        block: &mut BlockWriter,
    ) -> Result<(), StateFileError>;
}

/// The rows of a shard in all files: the file, the position, and what the block says of them.
pub(crate) struct Parts {
    pub number: u64,
    pub parts: Vec<(usize, u64, ShardHeader)>,
}

/// Which rows are over.
#[derive(Clone, Copy)]
pub(crate) struct Over {
    /// The event-time frontier.
    pub frontier: EventFrontier,
    /// Whether the files are all that there are: a part of a session may be over without the rest.
    pub are_all: bool,
}

/// The shards of a stage in all files: the file, the position of the rows, and what the block says of them.
struct Stage {
    shards: BTreeMap<u64, Vec<(usize, u64, ShardHeader)>>,
    frontier: EventFrontier,
}

/// The number of bytes of rows in a block.
const BLOCK_BYTES: usize = 4 << 20;

/// Merges files, which have these names and lengths, into `out`. Rows of windows that have closed are left out; those of
/// sessions only if the files are all that there are. Returns the number of rows.
///
/// # Errors
/// If a file cannot be read or is damaged, or `out` cannot be written (`wrote`).
pub(crate) fn merge_files<E: From<StateFileError>>(
    folder: &Path,
    files: &[(String, u64)],
    are_all: bool,
    merge_rows: impl Fn(&str) -> Option<std::sync::Arc<dyn MergeRows>>,
    out: &mut impl Write,
    wrote: impl Fn(std::io::Error) -> E,
) -> Result<u64, E> {
    let mut readers = Vec::new();
    let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
    for (index, (name, length)) in files.iter().enumerate() {
        let mut reader = StateReader::open(&folder.join(name), *length)?;
        while let Some(block) = reader.next_block()? {
            let frontier = block.header.frontier;
            let stage = stages
                .entry(block.header.stage.clone())
                .or_insert_with(|| Stage { shards: BTreeMap::new(), frontier });
            stage.frontier.restore(frontier);
            for (at, shard) in block.shards() {
                stage.shards.entry(shard.number).or_default().push((index, at, *shard));
            }
        }
        readers.push(reader);
    }
    out.write_all(MAGIC).map_err(&wrote)?;
    let (mut rows, mut bytes) = (0, Vec::new());
    let mut block = BlockWriter::new();
    for (name, Stage { mut shards, frontier }) in stages {
        // A state of another dataflow is refused before it is opened.
        let no_stage = || StateFileError::NoStage { stage: name.clone() };
        let mut merge_rows = merge_rows(&name).ok_or_else(no_stage)?.begin();
        for number in 0..SHARDS {
            if let Some(parts) = shards.remove(&number) {
                let over = Over { frontier, are_all };
                merge_rows.merge(&Parts { number, parts }, &mut readers, over, &mut block)?;
            }
            if block.bytes() < BLOCK_BYTES && number + 1 < SHARDS {
                continue;
            }
            rows += block.rows();
            let failed = |source| StateFileError::Row { stage: name.clone(), source };
            block.finish(&name, frontier, &mut bytes).map_err(failed)?;
            out.write_all(&bytes).map_err(&wrote)?;
            bytes.clear();
        }
    }
    Ok(rows)
}
