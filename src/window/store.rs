//! What a stateful operator holds by key, whatever its windows are.

use std::borrow::Cow;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EventFrontier;
use crate::merge::Merge;

/// What is stored of a key: its value in an interval of event time. Rows of the same key and interval merge, and so do
/// sessions that meet. All times are 0 where there are no windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct Row<K, V> {
    pub key: K,
    /// The first and the last event time, in milliseconds since 1970.
    pub first: i64,
    pub last: i64,
    pub value: V,
}

/// A change of a collection: the row, the epoch and the difference.
pub(crate) type Change<K, V> = ((K, V), u64, isize);

/// What a key had before an epoch, and what it has after it. They differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update<K, V> {
    pub key: K,
    pub epoch: u64,
    pub before: Option<V>,
    pub after: Option<V>,
}

/// The frontier before and after an epoch.
pub(crate) struct Apply<'a> {
    /// No record of this epoch should be earlier.
    pub before: i64,
    pub after: &'a EventFrontier,
}

/// The state of an operator on one worker, by key. It is the same whatever the order in which rows are merged.
pub(crate) trait Store: Send + 'static {
    /// What a record belongs to.
    type Key: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + 'static;
    /// What is known of it.
    type Value: Merge + Clone + Serialize + DeserializeOwned + Send + 'static;
    /// What the operator emits.
    type Out: Clone + 'static;

    /// Whether a row of the epoch comes too late, or is too far ahead to be believed. Its time is the first of its pane.
    fn is_late(&self, _time: i64, _apply: &Apply<'_>) -> bool {
        false
    }

    /// Merges a row of the epoch that is not late, with the first time of its pane. A key and pane come once an
    /// epoch.
    fn merge(&mut self, key: Self::Key, time: i64, value: Self::Value);

    /// Returns what has to be stored of a row that is about to be merged, if anything has.
    fn kept<'a>(&self, _key: &Self::Key, value: &'a Self::Value) -> Option<Cow<'a, Self::Value>> {
        Some(Cow::Borrowed(value))
    }

    /// Returns how long after a record the last of its windows can end, in milliseconds.
    fn longest(&self) -> i64;

    /// Emits what the end of the epoch makes final, and forgets what is over.
    fn end_epoch(&mut self, epoch: u64, frontier: i64, emit: &mut dyn FnMut(Self::Out));

    /// Returns the first time and the end of the times that belong to the same row as this one.
    fn pane(&self, time: i64) -> (i64, i64);

    /// Returns what is stored of a key at a time.
    fn value(&self, key: &Self::Key, time: i64) -> Option<&Self::Value>;

    /// Merges a row that was stored.
    fn restore(&mut self, row: Row<Self::Key, Self::Value>);

    /// Forgets what is over at this event-time frontier, which has been emitted.
    fn forget(&mut self, frontier: i64);

    /// Whether a row of this time, which was stored, is needed no more at this event-time frontier, whatever the other
    /// rows of its key are.
    fn is_over(&self, _time: i64, _frontier: i64) -> bool {
        false
    }

    /// Forgets all that is stored. What has closed stays closed.
    fn clear(&mut self);

    /// Calls `each` with all that is stored.
    fn rows(&self, each: &mut dyn FnMut(&Self::Key, i64, i64, &Self::Value));

    /// Returns the number of keys, each counted once for each of its panes.
    fn len(&self) -> usize;
}
