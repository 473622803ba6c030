//! A join of records with the only record of their key.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxBuildHasher;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::rows::{Row as Text, RowChange};
use crate::merge::Merge;
use crate::window::{Row, Store};

/// Records of a key, of which a new row has one.
type Many<M> = SmallVec<[M; 1]>;

/// What is known of a key: its only record, and those that are joined with it. The record is None if it is known that the
/// others have no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "L: Serialize, M: Serialize",
    deserialize = "L: Deserialize<'de>, M: Deserialize<'de>"
))]
pub(super) struct Matches<L, M> {
    one: Option<Option<L>>,
    many: Many<M>,
}

impl<L, M> Matches<L, M> {
    pub(super) fn of_one(one: Option<L>) -> Self {
        Matches { one: Some(one), many: Many::new() }
    }

    pub(super) fn of_many(record: M) -> Self {
        Matches { one: None, many: Many::from_iter([record]) }
    }
}

impl<L, M> Merge for Matches<L, M> {
    fn merge(&mut self, mut other: Self) {
        self.one = self.one.take().or(other.one);
        if self.many.is_empty() {
            self.many = other.many;
        } else {
            self.many.append(&mut other.many);
        }
    }
}

/// The records that others are joined with, and those that wait for theirs.
pub(super) struct Lookup<L, M> {
    row: fn(&L, &M) -> Text,
    keys: HashMap<u64, Matches<L, M>, FxBuildHasher>,
    /// The rows of the epoch.
    rows: Vec<Text>,
}

impl<L, M> Lookup<L, M> {
    /// Creates a join with these rows.
    pub(super) fn new(row: fn(&L, &M) -> Text) -> Self {
        Lookup { row, keys: HashMap::default(), rows: Vec::new() }
    }

    /// Merges what is known of a key. Calls `joined` with its record and those that are joined with it, which are not needed
    /// any more.
    fn add(&mut self, key: u64, value: Matches<L, M>, joined: impl FnOnce(&L, Many<M>)) {
        let known = match self.keys.entry(key) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.merge(value);
                known
            }
            Entry::Vacant(new) => new.insert(value),
        };
        if let Some(one) = &known.one {
            let many = std::mem::take(&mut known.many);
            if let Some(one) = one {
                joined(one, many);
            }
        }
    }
}

impl<L, M> Store for Lookup<L, M>
where
    L: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static,
    M: Clone + PartialEq + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = u64;
    type Value = Matches<L, M>;
    type Out = RowChange;

    fn merge(&mut self, key: u64, _: i64, value: Matches<L, M>) {
        let (row, mut rows) = (self.row, std::mem::take(&mut self.rows));
        self.add(key, value, |one, many| rows.extend(many.iter().map(|record| row(one, record))));
        self.rows = rows;
    }

    /// Records whose counterpart is there are joined at once.
    fn kept<'a>(&self, key: &u64, value: &'a Matches<L, M>) -> Option<Cow<'a, Matches<L, M>>> {
        let is_known = self.keys.get(key).is_some_and(|known| known.one.is_some());
        match (is_known, &value.one) {
            (true, _) => None,
            (false, Some(one)) => Some(Cow::Owned(Matches::of_one(one.clone()))),
            (false, None) => Some(Cow::Borrowed(value)),
        }
    }

    fn longest(&self) -> i64 {
        0
    }

    fn end_epoch(&mut self, epoch: u64, _: i64, emit: &mut dyn FnMut(RowChange)) {
        self.rows.drain(..).for_each(|row| emit((row, epoch, 1)));
    }

    fn pane(&self, _: i64) -> (i64, i64) {
        (0, 1)
    }

    fn value(&self, key: &u64, _: i64) -> Option<&Matches<L, M>> {
        self.keys.get(key)
    }

    fn restore(&mut self, row: Row<u64, Matches<L, M>>) {
        // The rows are committed already.
        self.add(row.key, row.value, |_, _| {});
    }

    fn forget(&mut self, _: i64) {}

    fn clear(&mut self) {
        self.keys.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&u64, i64, i64, &Matches<L, M>)) {
        self.keys.iter().for_each(|(key, known)| each(key, 0, 0, known));
    }

    fn len(&self) -> usize {
        self.keys.len()
    }
}
