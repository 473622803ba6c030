//! Session windows: intervals of a key's activity.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use rustc_hash::FxBuildHasher;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Apply, Row, Store, Window};
use crate::merge::{Intervals, Merge};

/// The open sessions of a key.
struct Open<V> {
    intervals: Intervals<V>,
    /// When the earliest session ends, or an earlier time.
    due: i64,
}

/// The open sessions of all keys.
pub(crate) struct Sessions<K, V> {
    gap: i64,
    keys: HashMap<K, Open<V>, FxBuildHasher>,
    /// The keys to look at when the event-time frontier passes a time.
    due: BTreeMap<i64, Vec<K>>,
}

impl<K, V> Sessions<K, V> {
    /// Creates sessions that end `gap` milliseconds after their last record.
    pub(crate) fn new(gap: i64) -> Self {
        Sessions { gap, keys: HashMap::default(), due: BTreeMap::new() }
    }
}

impl<K, V> Sessions<K, V>
where
    K: Clone + Eq + Hash,
    V: Merge,
{
    fn add(&mut self, key: K, intervals: Intervals<V>) {
        let Some(last) = intervals.iter().next().map(|(_, last, _)| last) else { return };
        let due = last.saturating_add(self.gap);
        match self.keys.get_mut(&key) {
            Some(open) => {
                open.intervals.merge(intervals);
                if due >= open.due {
                    return;
                }
                open.due = due;
            }
            None => {
                self.keys.insert(key.clone(), Open { intervals, due });
            }
        }
        self.due.entry(due).or_default().push(key);
    }

    /// Takes the sessions that end at or before the frontier.
    fn take_over(&mut self, frontier: i64, each: &mut dyn FnMut(&K, i64, i64, V)) {
        let gap = self.gap;
        while let Some(entry) = self.due.first_entry().filter(|entry| *entry.key() <= frontier) {
            let (due, keys) = entry.remove_entry();
            for key in keys {
                // An earlier time has taken the place of this one.
                let Some(open) = self.keys.get_mut(&key).filter(|open| open.due == due) else {
                    continue;
                };
                let over = open.intervals.take_while(|last| last.saturating_add(gap) <= frontier);
                for (first, last, value) in over {
                    each(&key, first, last, value);
                }
                let next =
                    open.intervals.iter().next().map(|(_, last, _)| last.saturating_add(gap));
                match next {
                    Some(next) => {
                        open.due = next;
                        self.due.entry(next).or_default().push(key);
                    }
                    None => {
                        self.keys.remove(&key);
                    }
                }
            }
        }
    }
}

impl<K, V> Store for Sessions<K, V>
where
    K: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + 'static,
    V: Merge + Clone + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = K;
    type Value = V;
    type Out = Window<K, V>;

    fn is_late(&self, time: i64, apply: &Apply<'_>) -> bool {
        // An earlier record could belong to a session that has ended.
        time < apply.before || !apply.after.believes(time)
    }

    fn merge(&mut self, key: K, time: i64, value: V) {
        self.add(key, Intervals::of(self.gap, time, value));
    }

    fn longest(&self) -> i64 {
        self.gap
    }

    fn end_epoch(&mut self, _: u64, frontier: i64, emit: &mut dyn FnMut(Window<K, V>)) {
        let gap = self.gap;
        self.take_over(frontier, &mut |key, start, last, value| {
            emit(Window { start, end: last.saturating_add(gap), key: key.clone(), value });
        });
    }

    fn pane(&self, time: i64) -> (i64, i64) {
        (time, time.saturating_add(1))
    }

    fn value(&self, key: &K, _: i64) -> Option<&V> {
        self.keys.get(key)?.intervals.iter().next().map(|(_, _, value)| value)
    }

    fn restore(&mut self, Row { key, first, last, value }: Row<K, V>) {
        self.add(key, Intervals::between(self.gap, first, last, value));
    }

    fn forget(&mut self, frontier: i64) {
        self.take_over(frontier, &mut |_, _, _, _| {});
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.due.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&K, i64, i64, &V)) {
        for (key, open) in &self.keys {
            open.intervals.iter().for_each(|(first, last, value)| each(key, first, last, value));
        }
    }

    fn len(&self) -> usize {
        self.keys.len()
    }
}
