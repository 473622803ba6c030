//! Aggregates without a window: one value a key, whose changes are emitted.

use std::collections::HashMap;
use std::hash::Hash;

use rustc_hash::FxBuildHasher;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Change, KeyMap, Row, Store, shard};
use crate::merge::Merge;

/// The value of each key. At the end of an epoch, each key whose value has changed loses the value that it had when the
/// epoch began, and has its new one.
pub(crate) struct Totals<K, V> {
    values: KeyMap<K, V>,
    /// What the values were when the epoch began, of the keys that have rows in it.
    before: HashMap<K, Option<V>, FxBuildHasher>,
}

impl<K: Eq + Hash, V> Default for Totals<K, V> {
    fn default() -> Self {
        Totals { values: KeyMap::new(shard), before: HashMap::default() }
    }
}

impl<K, V> Store for Totals<K, V>
where
    K: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + 'static,
    V: Merge + Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = K;
    type Value = V;
    type Out = Change<K, V>;

    fn merge(&mut self, key: K, _: i64, value: V) {
        match self.values.get_mut(&key) {
            Some(total) => {
                self.before.entry(key).or_insert_with(|| Some(total.clone()));
                total.merge(value);
            }
            None => {
                self.before.insert(key.clone(), None);
                self.values.insert(key, value);
            }
        }
    }

    fn longest(&self) -> i64 {
        0
    }

    fn end_epoch(&mut self, epoch: u64, _: i64, emit: &mut dyn FnMut(Change<K, V>)) {
        for (key, before) in self.before.drain() {
            let Some(now) = self.values.get(&key) else { continue };
            if before.as_ref() == Some(now) {
                continue;
            }
            if let Some(before) = before {
                emit(((key.clone(), before), epoch, -1));
            }
            emit(((key, now.clone()), epoch, 1));
        }
    }

    fn pane(&self, _: i64) -> (i64, i64) {
        (0, 1)
    }

    fn value(&self, key: &K, _: i64) -> Option<&V> {
        self.values.get(key)
    }

    fn restore(&mut self, row: Row<K, V>) {
        match self.values.get_mut(&row.key) {
            Some(total) => total.merge(row.value),
            None => {
                self.values.insert(row.key, row.value);
            }
        }
    }

    fn forget(&mut self, _: i64) {}

    fn clear(&mut self) {
        self.values.clear();
        self.before.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&K, i64, i64, &V)) {
        self.values.iter().for_each(|(key, value)| each(key, 0, 0, value));
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}
