//! Collects the rows of records, and merges those of the same key.

use std::hash::{BuildHasher as _, Hash};

use rustc_hash::FxBuildHasher;

use crate::merge::Merge;

/// Rows of a key and a value, to which a function adds those of a record. The values of a key are merged.
///
/// # Examples
/// ```
/// use floodway::merge::Count;
/// use floodway::task::{Code, Rows};
///
/// fn count(line: &String, rows: &mut Rows<String, Count>) -> Result<(), Code> {
///     for word in line.split(' ') {
///         rows.add(word.to_owned(), Count(1));
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Rows<K, V> {
    /// Rows that are final, then those that are combined, then those of the present record.
    rows: Vec<(K, V)>,
    /// Where the combined rows begin.
    first: usize,
    /// Where the rows of the present record begin.
    kept: usize,
    /// Where each key is among the combined rows, by open addressing: a hash in the upper half, and the position from
    /// `first` plus 1 in the lower half. 0 is a free slot. At most half of the slots are used.
    table: Vec<u64>,
    /// Rows of records that were kept, before they were combined.
    made: usize,
}

/// Number of slots of the first table.
const SLOTS: usize = 64;

impl<K, V> Rows<K, V> {
    /// Adds a row. If the function then returns a code for the record, its rows do not count.
    #[inline]
    pub fn add(&mut self, key: K, value: V) {
        self.rows.push((key, value));
    }

    /// Creates a collector that appends to `rows`, which are final.
    pub(super) fn after(rows: Vec<(K, V)>) -> Self {
        let first = rows.len();
        Rows { rows, first, kept: first, table: Vec::new(), made: 0 }
    }

    /// Makes all rows final: what is added later is combined by itself.
    pub(super) fn begin_chunk(&mut self) {
        self.first = self.rows.len();
        self.kept = self.first;
        self.table.fill(0);
    }

    /// Drops the rows of the present record.
    pub(super) fn discard(&mut self) {
        self.rows.truncate(self.kept);
    }

    /// Keeps the rows of the present record as they are.
    pub(super) fn keep(&mut self) {
        self.kept = self.rows.len();
    }

    /// Returns how many rows were added and combined, and how many of them are left.
    pub(super) fn combined(&self) -> (usize, usize) {
        (self.made, self.kept - self.first)
    }

    /// Returns the rows.
    pub(super) fn into_rows(self) -> Vec<(K, V)> {
        self.rows
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<K: Hash + Eq, V: Merge> Rows<K, V> {
    /// Merges the rows of the present record with the combined ones.
    pub(super) fn combine(&mut self) {
        self.made += self.rows.len() - self.kept;
        while self.kept < self.rows.len() {
            let used = self.kept - self.first;
            if 2 * used >= self.table.len() {
                self.grow();
            }
            // The hasher's lower bits are its best ones.
            let hash = FxBuildHasher.hash_one(&self.rows[self.kept].0) as u32;
            let mask = self.table.len() - 1;
            let mut slot = hash as usize & mask;
            loop {
                let entry = self.table[slot];
                if entry == 0 {
                    self.table[slot] = u64::from(hash) << 32 | (used as u64 + 1);
                    self.kept += 1;
                    break;
                }
                let at = self.first + (entry as u32 as usize) - 1;
                if (entry >> 32) as u32 == hash && self.rows[at].0 == self.rows[self.kept].0 {
                    let (_, value) = self.rows.swap_remove(self.kept);
                    self.rows[at].1.merge(value);
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
    }

    /// Doubles the table.
    fn grow(&mut self) {
        let slots = (2 * self.table.len()).max(SLOTS);
        let before = std::mem::replace(&mut self.table, vec![0; slots]);
        for entry in before.into_iter().filter(|entry| *entry != 0) {
            let mut slot = (entry >> 32) as usize & (slots - 1);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.table[slot] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::merge::{Count, Max};

    proptest! {
        /// Each record has some rows of a few or of many keys, and may be refused.
        #[test]
        fn the_rows_of_all_good_records_are_merged_by_key(
            records in prop::collection::vec(
                (any::<bool>(), prop::collection::vec((0_u32..300, any::<u8>()), 0..6)), 0..400),
        ) {
            let mut rows = Rows::after(vec![(7, (Count(100), Max(0)))]);
            let mut expected = BTreeMap::new();
            for (is_good, record) in &records {
                for (key, value) in record {
                    rows.add(*key, (Count(1), Max(*value)));
                }
                if !is_good {
                    rows.discard();
                    continue;
                }
                rows.combine();
                for (key, value) in record {
                    let (count, most) = expected.entry(*key).or_insert((0, 0));
                    (*count, *most) = (*count + 1, (*most).max(*value));
                }
            }
            let (made, left) = rows.combined();
            prop_assert_eq!(made as u64, expected.values().map(|(count, _)| count).sum::<u64>());
            prop_assert_eq!(left, expected.len());
            let rows = rows.into_rows();
            prop_assert_eq!(rows[0], (7, (Count(100), Max(0))), "what was final stays");
            let found: BTreeMap<_, _> = rows[1..]
                .iter()
                .map(|(key, (count, most))| (*key, (count.0, most.0)))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn each_chunk_is_combined_by_itself() {
        let mut rows = Rows::after(Vec::new());
        for _ in 0..2 {
            rows.begin_chunk();
            for _ in 0..3 {
                rows.add("a", Count(1));
                rows.combine();
            }
        }
        assert_eq!(rows.into_rows(), [("a", Count(3)), ("a", Count(3))]);
    }
}
