//! Tumbling and sliding windows, by panes.

use std::collections::BTreeMap;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Apply, KeyMap, Row, Store, Window, shard};
use crate::merge::Merge;

/// Windows of `size` that begin at multiples of `slide`. A pane is as long as the slide, so that a record is merged into
/// one pane, in however many windows it is.
pub(crate) struct Panes<K, V> {
    size: i64,
    slide: i64,
    /// The values by the beginning of their pane.
    panes: BTreeMap<i64, KeyMap<K, V>>,
    /// Windows that end at or before this are closed.
    closed: i64,
}

impl<K, V> Panes<K, V> {
    /// Creates windows whose size is a multiple of the slide, both in milliseconds.
    pub(crate) fn new(size: i64, slide: i64) -> Self {
        Panes { size, slide, panes: BTreeMap::new(), closed: i64::MIN }
    }

    fn pane_of(&self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.slide))
    }
}

impl<K, V> Panes<K, V>
where
    K: Clone + Eq + Hash,
    V: Merge + Clone,
{
    fn add(&mut self, pane: i64, key: K, value: V) {
        self.panes.entry(pane).or_insert_with(|| KeyMap::new(shard)).merge(key, value);
    }

    /// Emits the window that ends at `end`.
    fn close(&mut self, end: i64, emit: &mut dyn FnMut(Window<K, V>)) {
        let start = end.saturating_sub(self.size);
        let mut each = |(key, value)| emit(Window { start, end, key, value });
        // What the first pane holds is in no later window.
        let first = match self.panes.first_key_value() {
            Some((pane, _)) if *pane <= start => self.panes.pop_first().map(|(_, values)| values),
            _ => None,
        };
        let mut later = self.panes.range(start..end).peekable();
        let mut values = first.unwrap_or_else(|| KeyMap::new(shard));
        if later.peek().is_none() {
            return values.into_iter().for_each(each);
        }
        for (_, pane) in later {
            for (key, value) in pane.iter() {
                match values.get_mut(key) {
                    Some(merged) => merged.merge(value.clone()),
                    None => values.insert(key.clone(), value.clone()),
                }
            }
        }
        values.drain().for_each(&mut each);
    }
}

impl<K, V> Store for Panes<K, V>
where
    K: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + 'static,
    V: Merge + Clone + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = K;
    type Value = V;
    type Out = Window<K, V>;

    fn is_late(&self, time: i64, apply: &Apply<'_>) -> bool {
        // The last window with this pane has closed.
        self.is_over(self.pane_of(time), apply.before) || !apply.after.believes(time)
    }

    fn merge(&mut self, key: K, time: i64, value: V) {
        self.add(self.pane_of(time), key, value);
    }

    fn longest(&self) -> i64 {
        self.size
    }

    fn end_epoch(&mut self, _: u64, frontier: i64, emit: &mut dyn FnMut(Window<K, V>)) {
        // The earliest pane decides which windows there are. All that end before its own were closed or are empty.
        while let Some((&pane, _)) = self.panes.first_key_value() {
            let earliest = pane.saturating_add(self.slide);
            let end = match self.closed {
                i64::MIN => earliest,
                closed => earliest.max(closed.saturating_add(self.slide)),
            };
            if end > frontier {
                break;
            }
            self.close(end, emit);
            self.closed = end;
        }
        self.closed = self.closed.max(match frontier {
            i64::MIN | i64::MAX => self.closed,
            frontier => self.pane_of(frontier),
        });
    }

    fn pane(&self, time: i64) -> (i64, i64) {
        let pane = self.pane_of(time);
        (pane, pane.saturating_add(self.slide))
    }

    fn value(&self, key: &K, time: i64) -> Option<&V> {
        self.panes.get(&self.pane_of(time))?.get(key)
    }

    fn restore(&mut self, row: Row<K, V>) {
        self.add(row.first, row.key, row.value);
    }

    fn forget(&mut self, frontier: i64) {
        let size = self.size;
        self.panes.retain(|pane, _| pane.saturating_add(size) > frontier);
        self.closed = match frontier {
            i64::MIN => i64::MIN,
            frontier => self.pane_of(frontier),
        };
    }

    fn is_over(&self, time: i64, frontier: i64) -> bool {
        time.saturating_add(self.size) <= frontier
    }

    fn clear(&mut self) {
        self.panes.values_mut().for_each(KeyMap::clear);
    }

    fn rows(&self, each: &mut dyn FnMut(&K, i64, i64, &V)) {
        for (pane, values) in &self.panes {
            values.iter().for_each(|(key, value)| each(key, *pane, *pane, value));
        }
    }

    fn len(&self) -> usize {
        self.panes.values().map(KeyMap::len).sum()
    }
}
