//! Merges several files into one, so that their number and length do not grow with time.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::StateFileError;
use super::block::{BlockWriter, MAGIC, SHARDS, ShardHeader};
use super::read::StateReader;
use crate::window::EventFrontier;

/// Merges the rows of one shard of a stage. The stage's operator knows their types.
pub(crate) trait MergeRows: Send + Sync {
    /// Reads the rows of a shard from the files, merges them, and adds them to `block`, but for those that are over at the
    /// event-time frontier `over`.
    ///
    /// # Errors
    /// If rows cannot be read or written.
    fn merge(
        &self,
        parts: &mut dyn Iterator<Item = (usize, u64, ShardHeader)>,
        files: &mut [StateReader],
        over: Option<EventFrontier>,
        block: &mut BlockWriter,
    ) -> Result<(), StateFileError>;
}

/// The shards of a stage in all files: the file, the position of the rows, and what the block says of them.
struct Stage {
    shards: BTreeMap<u64, Vec<(usize, u64, ShardHeader)>>,
    frontier: EventFrontier,
}

/// The number of bytes of rows in a block.
const BLOCK_BYTES: usize = 4 << 20;

/// Merges files, which have these names and lengths, into `out`. If they are all that there are, rows of windows that have
/// closed are left out: a part of a session may be over without the rest. Returns the number of rows.
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
        let merge_rows = merge_rows(&name).ok_or_else(no_stage)?;
        for number in 0..SHARDS {
            let parts = shards.remove(&number).unwrap_or_default();
            if !parts.is_empty() {
                let over = are_all.then_some(frontier);
                merge_rows.merge(&mut parts.into_iter(), &mut readers, over, &mut block)?;
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
