//! The results of chunks: rows, and records that are bad.

use std::ops::Range;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use crate::task::Code;

/// Rows of chunks, and which of their records are bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partials<K, V> {
    /// Keys and values. A key may be there several times.
    pub rows: Vec<(K, V)>,
    /// The records without rows, by their positions among the records of the batch, and why they are bad. Without a code,
    /// the remote side has refused the record, and the worker computes it.
    pub(super) bad: Vec<(usize, Option<Code>)>,
    /// For each chunk that was computed by itself, where its rows and its bad records end.
    pub(super) ends: Vec<(usize, usize)>,
}

impl<K, V> Default for Partials<K, V> {
    fn default() -> Self {
        Partials { rows: Vec::new(), bad: Vec::new(), ends: Vec::new() }
    }
}

impl<K, V> Partials<K, V> {
    /// Returns the positions of the rows and of the bad records of a chunk that was computed by itself.
    pub(super) fn of(&self, chunk: usize) -> (Range<usize>, Range<usize>) {
        let (rows, bad) = chunk.checked_sub(1).map_or((0, 0), |before| self.ends[before]);
        let (rows_end, bad_end) = self.ends[chunk];
        (rows..rows_end, bad..bad_end)
    }

    /// Ends a chunk that was computed by itself.
    pub(super) fn end_chunk(&mut self) {
        self.ends.push((self.rows.len(), self.bad.len()));
    }
}

/// The `results` of an answer: one for each chunk that was computed by itself. Positions are within the chunk.
impl<K: Serialize, V: Serialize> Serialize for Partials<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut results = serializer.serialize_seq(Some(self.ends.len()))?;
        for chunk in 0..self.ends.len() {
            let (rows, bad) = self.of(chunk);
            results.serialize_element(&Chunk { rows: &self.rows[rows], bad: &self.bad[bad] })?;
        }
        results.end()
    }
}

struct Chunk<'a, K, V> {
    rows: &'a [(K, V)],
    bad: &'a [(usize, Option<Code>)],
}

impl<K: Serialize, V: Serialize> Serialize for Chunk<'_, K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.bad.is_empty() {
            return self.rows.serialize(serializer);
        }
        let code = |code: &Option<Code>| code.as_ref().map_or("", |code| &*code.0).to_owned();
        let bad: Vec<_> = self.bad.iter().map(|(at, why)| (at, code(why))).collect();
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("rows", self.rows)?;
        map.serialize_entry("bad", &bad)?;
        map.end()
    }
}
