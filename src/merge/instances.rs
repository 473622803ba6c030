//! Numbers, extremes, sets, and the best of many.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Merge;

/// A number of records.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Count(pub u64);

/// Counts of records cannot overflow: at 10 billion records a second they would in 58 years.
impl Merge for Count {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// A sum of integers of up to 64 bits with a sign. It has 128 bits, so that it does not overflow.
///
/// # Examples
/// ```
/// use floodway::merge::{Merge, Sum};
///
/// let mut sum = Sum::from(i64::MAX);
/// sum.merge(Sum::from(i64::MAX));
/// assert_eq!(sum.total(), 2 * i128::from(i64::MAX));
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Sum(i128);

impl Sum {
    /// Returns the sum of one number, of at most 64 bits and a sign.
    pub fn of(number: i128) -> Self {
        Sum(number)
    }

    /// Returns the sum of all that were merged.
    pub fn total(self) -> i128 {
        self.0
    }
}

impl<N: Into<i64>> From<N> for Sum {
    fn from(number: N) -> Self {
        Sum(i128::from(number.into()))
    }
}

impl Merge for Sum {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// The smallest value.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Min<T>(pub T);

impl<T: Ord> Merge for Min<T> {
    fn merge(&mut self, other: Self) {
        if other.0 < self.0 {
            self.0 = other.0;
        }
    }
}

/// The largest value.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Max<T>(pub T);

impl<T: Ord> Merge for Max<T> {
    fn merge(&mut self, other: Self) {
        if other.0 > self.0 {
            self.0 = other.0;
        }
    }
}

/// The value with the smallest number, such as the first bid by its number. No two values may have the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct First<N, T> {
    /// The number, by which values are ordered.
    pub number: N,
    /// The value.
    pub value: T,
}

impl<N: Ord, T> Merge for First<N, T> {
    fn merge(&mut self, other: Self) {
        if other.number < self.number {
            *self = other;
        }
    }
}

/// The value with the largest number, such as the last bid by its time and number. No two values may have the same
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Last<N, T> {
    /// The number, by which values are ordered.
    pub number: N,
    /// The value.
    pub value: T,
}

impl<N: Ord, T> Merge for Last<N, T> {
    fn merge(&mut self, other: Self) {
        if other.number > self.number {
            *self = other;
        }
    }
}

/// A set of distinct items.
///
/// # Examples
/// ```
/// use floodway::merge::{Merge, Set};
///
/// let mut colours = Set::of("red");
/// colours.merge(Set::of("blue"));
/// colours.merge(Set::of("red"));
/// assert_eq!(colours.0.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Set<T: Ord>(pub BTreeSet<T>);

impl<T: Ord> Default for Set<T> {
    fn default() -> Self {
        Set(BTreeSet::new())
    }
}

impl<T: Ord> Set<T> {
    /// Returns a set of one item.
    pub fn of(item: T) -> Self {
        Set(BTreeSet::from([item]))
    }
}

impl<T: Ord> Merge for Set<T> {
    fn merge(&mut self, mut other: Self) {
        // The smaller one is inserted into the larger one.
        if other.0.len() > self.0.len() {
            std::mem::swap(&mut self.0, &mut other.0);
        }
        self.0.extend(other.0);
    }
}

/// The `K` largest, the largest first. Equal ones are all kept, as far as there is room.
///
/// # Examples
/// ```
/// use floodway::merge::{Merge, TopK};
///
/// let mut prices = TopK::<u32, 2>::of(30);
/// prices.merge(TopK::of(50));
/// prices.merge(TopK::of(40));
/// assert_eq!(prices.items(), [50, 40]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopK<T, const K: usize>(Vec<T>);

impl<T, const K: usize> Default for TopK<T, K> {
    fn default() -> Self {
        TopK(Vec::new())
    }
}

impl<T: Ord, const K: usize> TopK<T, K> {
    /// Returns the best of one item.
    pub fn of(item: T) -> Self {
        let mut items = vec![item];
        items.truncate(K);
        TopK(items)
    }

    /// Returns the largest ones, the largest first.
    pub fn items(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord, const K: usize> Merge for TopK<T, K> {
    fn merge(&mut self, other: Self) {
        // Most of what comes is worse than all that are kept.
        let is_full = self.0.len() == K;
        let worst = self.0.last();
        if is_full && other.0.first().zip(worst).is_none_or(|(best, worst)| best <= worst) {
            return;
        }
        self.0.extend(other.0);
        self.0.sort_by(|a, b| b.cmp(a));
        self.0.truncate(K);
    }
}
