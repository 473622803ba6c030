//! Records of a collection, and how often each is in it.

use std::collections::HashMap;
use std::hash::Hash;

use rustc_hash::FxBuildHasher;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Row, Store};
use crate::merge::Merge;

/// How often a record is in a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Difference(pub isize);

impl Merge for Difference {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// The records of a collection. Those whose changes cancel out are not stored.
pub(crate) struct Differences<D>(HashMap<D, Difference, FxBuildHasher>);

impl<D> Default for Differences<D> {
    fn default() -> Self {
        Differences(HashMap::default())
    }
}

impl<D> Differences<D>
where
    D: Clone + Eq + Hash,
{
    /// Adds changes of a record.
    pub(crate) fn add(&mut self, record: D, difference: isize) {
        self.0.entry(record).or_default().merge(Difference(difference));
    }

    /// Takes all records that have changed.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (D, Difference)> {
        self.0.drain().filter(|(_, difference)| difference.0 != 0)
    }
}

/// It only merges what is stored: the operators of differential dataflow hold the collection.
impl<D> Store for Differences<D>
where
    D: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + 'static,
{
    type Key = D;
    type Value = Difference;
    type Out = ();

    fn merge(&mut self, record: D, _: i64, value: Difference) {
        self.add(record, value.0);
    }

    fn longest(&self) -> i64 {
        0
    }

    fn end_epoch(&mut self, _: u64, _: i64, _: &mut dyn FnMut(())) {}

    fn pane(&self, _: i64) -> (i64, i64) {
        (0, 1)
    }

    fn value(&self, record: &D, _: i64) -> Option<&Difference> {
        self.0.get(record)
    }

    fn restore(&mut self, row: Row<D, Difference>) {
        self.add(row.key, row.value.0);
    }

    fn forget(&mut self, _: i64) {}

    fn clear(&mut self) {
        self.0.clear();
    }

    fn rows(&self, each: &mut dyn FnMut(&D, i64, i64, &Difference)) {
        let changed = self.0.iter().filter(|(_, difference)| difference.0 != 0);
        changed.for_each(|(record, difference)| each(record, 0, 0, difference));
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
