//! Running totals: the value of a key, whose changes are emitted, for ever or in windows.

use std::collections::BTreeMap;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Apply, KeyMap, Row, Store, Update, shard};
use crate::merge::Merge;

/// The value of each key. At the end of an epoch, each key whose value has changed is emitted, with the value that it had
/// when the epoch began. Totals in windows begin anew in each window. A window that has closed is forgotten, and its last
/// values stay what they are.
pub(crate) struct Totals<K, V> {
    /// The length of a window. None if there are no windows.
    size: Option<i64>,
    /// The values by the beginning of their window.
    windows: BTreeMap<i64, KeyMap<K, V>>,
    /// The keys that have rows in the epoch, with their windows and what their values were when it began.
    before: Vec<((K, i64), Option<V>)>,
}

impl<K, V> Totals<K, V> {
    /// Creates totals of all records.
    pub(crate) fn for_ever() -> Self {
        Totals { size: None, windows: BTreeMap::new(), before: Vec::new() }
    }

    /// Creates totals of the records of each window of `size` milliseconds.
    pub(crate) fn in_windows(size: i64) -> Self {
        Totals { size: Some(size), ..Totals::for_ever() }
    }
}

impl<K, V> Store for Totals<K, V>
where
    K: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + 'static,
    V: Merge + Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = K;
    type Value = V;
    type Out = Update<(K, i64), V>;

    fn is_late(&self, time: i64, apply: &Apply<'_>) -> bool {
        let is_windowed = self.size.is_some();
        is_windowed && (self.is_over(time, apply.before) || !apply.after.believes(time))
    }

    fn merge(&mut self, key: K, time: i64, value: V) {
        let window = self.pane(time).0;
        let values = self.windows.entry(window).or_insert_with(|| KeyMap::new(shard));
        match values.get_mut(&key) {
            Some(total) => {
                self.before.push(((key, window), Some(total.clone())));
                total.merge(value);
            }
            None => {
                self.before.push(((key.clone(), window), None));
                values.insert(key, value);
            }
        }
    }

    fn longest(&self) -> i64 {
        self.size.unwrap_or_default()
    }

    fn end_epoch(&mut self, epoch: u64, frontier: i64, emit: &mut dyn FnMut(Self::Out)) {
        for ((key, window), before) in self.before.drain(..) {
            let Some(now) = self.windows.get(&window).and_then(|values| values.get(&key)) else {
                continue;
            };
            if before.as_ref() != Some(now) {
                emit(Update { key: (key, window), epoch, before, after: Some(now.clone()) });
            }
        }
        self.forget(frontier);
    }

    fn pane(&self, time: i64) -> (i64, i64) {
        let Some(size) = self.size else { return (0, 1) };
        let window = time.saturating_sub(time.rem_euclid(size));
        (window, window.saturating_add(size))
    }

    fn value(&self, key: &K, time: i64) -> Option<&V> {
        self.windows.get(&self.pane(time).0)?.get(key)
    }

    fn restore(&mut self, row: Row<K, V>) {
        let values = self.windows.entry(row.first).or_insert_with(|| KeyMap::new(shard));
        values.merge(row.key, row.value);
    }

    fn forget(&mut self, frontier: i64) {
        while let Some(window) = self.windows.first_entry()
            && self.size.is_some_and(|size| window.key().saturating_add(size) <= frontier)
        {
            window.remove();
        }
    }

    fn is_over(&self, time: i64, frontier: i64) -> bool {
        self.size.is_some_and(|size| self.pane(time).0.saturating_add(size) <= frontier)
    }

    fn clear(&mut self) {
        self.windows.values_mut().for_each(KeyMap::clear);
        self.before.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&K, i64, i64, &V)) {
        for (window, values) in &self.windows {
            values.iter().for_each(|(key, value)| each(key, *window, *window, value));
        }
    }

    fn len(&self) -> usize {
        self.windows.values().map(KeyMap::len).sum()
    }
}
