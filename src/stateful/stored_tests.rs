//! Stored rows are read as they were written, and anything else is refused.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::merge_rows::merge_rows;
use crate::merge::Count;
use crate::state_file::{BlockWriter, MAGIC, StateFileError, StateReader, merge_files};
use crate::window::{EventFrontier, Lateness, Row, Totals, shard};

type Counts = Vec<(u64, u64)>;

fn frontier() -> EventFrontier {
    EventFrontier::new(Lateness::default())
}

/// Writes a file of these blocks, each of a stage with keys and counts. Returns its length.
fn write(path: &Path, blocks: &[(&str, &[(u64, u64)])]) -> u64 {
    let mut bytes = MAGIC.to_vec();
    for (stage, counts) in blocks {
        let mut block = BlockWriter::new();
        for (key, count) in *counts {
            block.add(key, &Row { key, first: 0, last: 0, value: Count(*count) }).unwrap();
        }
        block.finish(stage, frontier(), &mut bytes).unwrap();
    }
    fs::write(path, &bytes).unwrap();
    bytes.len() as u64
}

/// Returns the rows of `stage`, sorted.
fn read(path: &Path, length: u64, stage: &str) -> Result<Counts, StateFileError> {
    let mut reader = StateReader::open(path, length)?;
    let mut found = Vec::new();
    while let Some(block) = reader.next_block()? {
        for (at, header) in block.shards().filter(|_| block.header.stage == stage) {
            for row in reader.rows::<Row<u64, Count>>(at, header)? {
                assert_eq!(shard(&row.key), header.number);
                found.push((row.key, row.value.0));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[test]
fn rows_are_read_as_they_were_written_by_stage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let counts: Counts = (0..5_000).map(|key| (key, key + 1)).collect();
    let length = write(
        &path,
        &[("a", &counts[..3_000]), ("b", &[(7, 7)]), ("a", &counts[3_000..]), ("c", &[])],
    );
    assert_eq!(read(&path, length, "a").unwrap(), counts);
    assert_eq!(read(&path, length, "b").unwrap(), [(7, 7)]);
    assert_eq!(read(&path, length, "c").unwrap(), []);
}

#[test]
fn a_file_that_is_cut_off_or_changed_at_any_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let length = write(&path, &[("a", &[(1, 10), (2, 20)]), ("b", &[(3, 30)])]);
    let whole = fs::read(&path).unwrap();
    let all = |length| read(&path, length, "a").and_then(|a| Ok((a, read(&path, length, "b")?)));
    all(length).unwrap();
    for at in 0..whole.len() {
        // As long as the manifest says, and shorter than it says.
        fs::write(&path, &whole[..at]).unwrap();
        assert!(all(length).is_err(), "cut at {at}");
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(&path, &changed).unwrap();
        assert!(all(length).is_err(), "changed at {at}");
    }
}

#[test]
fn rows_of_another_type_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let length = write(&path, &[("a", &[(300, 10)])]);
    let mut reader = StateReader::open(&path, length).unwrap();
    let block = reader.next_block().unwrap().unwrap();
    let (at, header) = block.shards().next().unwrap();
    let error = reader.rows::<Row<String, Count>>(at, header).unwrap_err();
    assert!(error.to_string().contains("not one of this program's"), "{error}");
}

#[test]
fn merged_files_hold_each_key_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, blocks: &[(&str, &[(u64, u64)])]| {
        (name.to_owned(), write(&folder.path().join(name), blocks))
    };
    let many: Counts = (0..2_000).map(|key| (key, 1)).collect();
    let files = [
        file("1", &[("a", &many), ("b", &[(1, 1)])]),
        file("2", &[("a", &many[..1_000])]),
        file("3", &[("b", &[(1, 2), (2, 2)]), ("a", &[])]),
    ];
    let merge = merge_rows("a", Totals::<u64, Count>::for_ever);
    let mut out = Vec::new();
    let of = |_: &str| Some(Arc::clone(&merge));
    let rows = merge_files::<StateFileError>(folder.path(), &files, true, of, &mut out, |error| {
        panic!("{error}")
    });
    assert_eq!(rows.unwrap(), 2_002);
    let path = folder.path().join("merged");
    fs::write(&path, &out).unwrap();
    let length = out.len() as u64;
    let expected: Counts = (0..2_000).map(|key| (key, 1 + u64::from(key < 1_000))).collect();
    assert_eq!(read(&path, length, "a").unwrap(), expected);
    assert_eq!(read(&path, length, "b").unwrap(), [(1, 3), (2, 2)]);
}
