//! A file of keyed state.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::in_folder;
use crate::engine::Target;
use crate::merge::{Count, Set};
use crate::state_file::{
    BlockHeader, BlockWriter, MAGIC, StateFileError, StateReader, merge_files,
};
use crate::stateful::merge_rows;
use crate::window::{EventFrontier, Lateness, Panes, Row};

type Value = (Count, Set<u8>);
/// A row as it is compared and sorted.
type Plain = (String, i64, i64, u64, BTreeSet<u8>);
/// The blocks of a file: the name of the stage, and the rows.
type Blocks = Vec<(String, Vec<Plain>)>;

pub fn target() -> Target {
    let words = ["floodway state 1\n", "floodway state 2\n", "a", "b", "\0", "\u{1}", "\u{7f}"];
    let check =
        in_folder(|folder, bytes| check(folder, bytes).replace(&*folder.to_string_lossy(), ""));
    Target::new("keyed_state", &words, check)
}

fn check(folder: &Path, bytes: &[u8]) -> String {
    let path = folder.join("file");
    written_is_read_and_nothing_else(&path, bytes);
    let as_it_is = read(&path, bytes);
    // A checksum refuses nearly all changes. With right ones, the rest of the reader sees them.
    let read = read(&path, &with_checksums(bytes));
    if let Ok(blocks) = &as_it_is {
        assert_eq!(read.as_ref().ok(), Some(blocks), "the checksums were right");
    }
    match read {
        Ok(blocks) => {
            merges(folder, &blocks);
            let rows: usize = blocks.iter().map(|(_, rows)| rows.len()).sum();
            let kind = if rows > 0 { "rows" } else { "no rows" };
            format!("{kind} in {} blocks", "x".repeat(blocks.len().min(4)))
        }
        Err(error) => error.to_string(),
    }
}

/// Reads a file as a run does that resumes.
fn read(path: &Path, bytes: &[u8]) -> Result<Blocks, StateFileError> {
    fs::write(path, bytes).unwrap();
    let mut reader = StateReader::open(path, bytes.len() as u64)?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        let mut all = Vec::new();
        for (at, shard) in block.shards() {
            let rows: Vec<Row<String, Value>> = reader.rows(at, shard)?;
            assert_eq!(rows.len() as u64, shard.rows);
            // No row is shorter than its fields.
            assert!(rows.len() * 5 <= bytes.len());
            all.extend(rows.into_iter().map(plain));
        }
        all.sort();
        blocks.push((block.header.stage.clone(), all));
    }
    Ok(blocks)
}

fn plain(Row { key, first, last, value }: Row<String, Value>) -> Plain {
    let (Count(count), Set(items)) = value;
    (key, first, last, count, items)
}

fn row((key, first, last, count, items): &Plain) -> Row<String, Value> {
    let value = (Count(*count), Set(items.clone()));
    Row { key: key.clone(), first: *first, last: *last, value }
}

fn write(blocks: &Blocks) -> Vec<u8> {
    let (mut bytes, mut block) = (MAGIC.to_vec(), BlockWriter::new());
    for (stage, rows) in blocks {
        rows.iter().for_each(|plain| block.add(&plain.0, &row(plain)).unwrap());
        let frontier = EventFrontier::new(Lateness::default());
        block.finish(stage, frontier, &mut bytes).unwrap();
    }
    bytes
}

/// Rows that `bytes` name are read as they were written. If a byte of the file is another one, it is refused.
fn written_is_read_and_nothing_else(path: &Path, bytes: &[u8]) {
    let rows = |bytes: &[u8]| -> Vec<Plain> {
        let number = |piece: &[u8], at: usize| piece.get(at).map_or(0, |byte| i64::from(*byte));
        let row = |piece: &[u8]| {
            let key = String::from_utf8_lossy(piece).into_owned();
            let time = (number(piece, 0) - 128) << (number(piece, 1) % 50);
            (key, time, time, number(piece, 2) as u64, Set::of(piece[0]).0)
        };
        let mut rows: Vec<Plain> = bytes.chunks(5).map(row).collect();
        rows.sort();
        rows
    };
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let blocks = vec![("a".to_owned(), rows(one)), ("b".to_owned(), rows(other))];
    let mut file = write(&blocks);
    assert_eq!(read(path, &file).expect("a file as it was written"), blocks);
    let sum = crc32fast::hash(bytes) as usize;
    let at = sum % file.len();
    file[at] ^= 1 << (sum >> 29);
    assert!(read(path, &file).is_err(), "bit {} of byte {at} is another one", sum >> 29);
}

/// Returns the file with the checksums that its content has, as far as it is one.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = MAGIC.len();
    while let Some(end) = repair(&mut bytes, at) {
        at = end;
    }
    bytes
}

/// Sets the checksums of the block at `at`, and returns its end.
fn repair(bytes: &mut [u8], at: usize) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
    let header = at.checked_add(8)?..at.checked_add(8)?.checked_add(length)?;
    let mut parsed: Option<BlockHeader> = postcard::from_bytes(bytes.get(header.clone())?).ok();
    let mut end = header.end;
    if let Some(parsed) = &mut parsed {
        for shard in &mut parsed.shards {
            let next = end.checked_add(usize::try_from(shard.bytes).ok()?);
            let rows = next.and_then(|next| bytes.get(end..next));
            (shard.crc, end) = (crc32fast::hash(rows?), next?);
        }
        let written = postcard::to_stdvec(parsed).ok()?;
        // Checksums of another length would move what follows.
        if written.len() == length {
            bytes[header.clone()].copy_from_slice(&written);
        }
    }
    let sum = crc32fast::hash(&bytes[header]);
    bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
    Some(end)
}

/// Files that are merged hold what they held together.
fn merges(folder: &Path, blocks: &Blocks) {
    // Panes begin at multiples of a slide, and shards belong to their keys.
    let mut fitting = blocks.clone();
    for (_, rows) in &mut fitting {
        rows.iter_mut().for_each(|row| (row.1, row.2) = (row.1 / 10 * 10, row.1 / 10 * 10));
        rows.iter_mut().for_each(|row| row.3 >>= 8);
    }
    let file = |name: &str| {
        let bytes = write(&fitting);
        fs::write(folder.join(name), &bytes).unwrap();
        (name.to_owned(), bytes.len() as u64)
    };
    let of = |stage: &str| Some(merge_rows(stage, || Panes::<String, Value>::new(10, 10)));
    let mut merged = Vec::new();
    let files = [file("one"), file("two")];
    let wrote = |error| panic!("{error}");
    merge_files::<StateFileError>(folder, &files, false, of, &mut merged, wrote).unwrap();
    let merged = read(&folder.join("file"), &merged).expect("merged files");
    let sum = |blocks: &Blocks| -> u128 {
        blocks.iter().flat_map(|(_, rows)| rows).map(|row| u128::from(row.3)).sum()
    };
    assert_eq!(sum(&merged), 2 * sum(&fitting));
    for (stage, rows) in &merged {
        let keys: BTreeSet<_> = rows.iter().map(|row| (&row.0, row.1)).collect();
        assert_eq!(keys.len(), rows.len(), "a key of {stage} is there twice");
    }
}
