//! A hash map whose tables stay small.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hash};

use rustc_hash::FxBuildHasher;

use crate::merge::Merge;

/// The number of shards. More make workers more equal where there are many, and the blocks of small groups longer.
pub(crate) const SHARDS: u64 = 1_024;

/// Returns the shard of a key, which decides which worker has it.
pub(crate) fn shard<K: Hash>(key: &K) -> u64 {
    // A table goes by the hash's low bits, which must not be alike in all of its keys.
    FxBuildHasher.hash_one(key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SHARDS.ilog2())
}

/// A map that has so many keys gets a table for each shard. A table that grows is copied at once: this one takes about a
/// millisecond.
const MOST_IN_ONE: usize = 1 << 15;

type Table<K, V> = HashMap<K, V, FxBuildHasher>;

/// Values by key.
///
/// A map of many keys has a table for each shard: each is copied on its own when it grows, which takes a worker little
/// time, and what goes by shards, such as the rows of an epoch and what is read of the stored state, finds a table that
/// the processor's caches hold.
pub(crate) struct KeyMap<K, V> {
    /// One, or as many as there are shards.
    tables: Vec<Table<K, V>>,
    len: usize,
    shard: fn(&K) -> u64,
}

impl<K: Eq + Hash, V> KeyMap<K, V> {
    /// Creates an empty map. `shard` returns the shard of a key.
    pub(crate) fn new(shard: fn(&K) -> u64) -> Self {
        KeyMap { tables: vec![Table::default()], len: 0, shard }
    }

    fn index(&self, key: &K) -> usize {
        if self.tables.len() == 1 { 0 } else { (self.shard)(key) as usize }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.tables[self.index(key)].get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let index = self.index(key);
        self.tables[index].get_mut(key)
    }

    /// Adds a key that the map does not have.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let index = self.index(&key);
        self.tables[index].insert(key, value);
        self.added();
    }

    /// Merges a value into that of its key.
    pub(crate) fn merge(&mut self, key: K, value: V)
    where
        V: Merge,
    {
        let index = self.index(&key);
        match self.tables[index].entry(key) {
            Entry::Occupied(mut merged) => merged.get_mut().merge(value),
            Entry::Vacant(vacant) => {
                vacant.insert(value);
                self.added();
            }
        }
    }

    fn added(&mut self) {
        self.len += 1;
        if self.tables.len() == 1 && self.len > MOST_IN_ONE {
            let each = 2 * self.len / SHARDS as usize;
            let table = || Table::with_capacity_and_hasher(each, FxBuildHasher);
            let all = std::mem::replace(&mut self.tables, (0..SHARDS).map(|_| table()).collect());
            for (key, value) in all.into_iter().flatten() {
                let index = self.index(&key);
                self.tables[index].insert(key, value);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.tables.iter().flatten()
    }

    /// Removes all keys, and keeps the memory for others.
    pub(crate) fn clear(&mut self) {
        self.tables.iter_mut().for_each(HashMap::clear);
        self.len = 0;
    }

    /// Takes all keys out, and keeps the memory for others.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        self.len = 0;
        self.tables.iter_mut().flat_map(HashMap::drain)
    }
}

impl<K, V> IntoIterator for KeyMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Table<K, V>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.tables.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Count;

    #[test]
    fn a_map_holds_what_was_merged_whether_it_is_small_or_large() {
        for keys in [0_u64, 10, MOST_IN_ONE as u64, 3 * MOST_IN_ONE as u64] {
            let mut map = KeyMap::new(shard::<u64>);
            (0..2 * keys).for_each(|at| map.merge(at % keys, Count(at)));
            assert_eq!(map.len() as u64, keys);
            assert!((0..keys).all(|key| map.get(&key) == Some(&Count(2 * key + keys))));
            assert_eq!(map.get(&keys), None);
            let mut all: Vec<_> = map.iter().map(|(key, _)| *key).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..keys));
            assert_eq!(map.drain().count() as u64, keys);
            assert_eq!((map.len(), map.iter().count()), (0, 0));
            map.merge(1, Count(1));
            assert_eq!(map.into_iter().collect::<Vec<_>>(), [(1, Count(1))]);
        }
    }
}
