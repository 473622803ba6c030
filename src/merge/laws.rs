//! The laws of each kind of value: however records are divided and in whatever order their values are merged, the result is
//! the same. And a value that was sent as JSON is the same.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::Strategy;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Count, First, Intervals, Last, Max, Merge, Min, Set, Sum, TopK};

/// Merges all values, the first one first.
fn all<V: Merge>(values: impl IntoIterator<Item = V>) -> Option<V> {
    values.into_iter().map(Some).fold(None, |mut merged, value| {
        merged.merge(value);
        merged
    })
}

/// The values in the order of `keys`.
fn ordered<V: Clone>(values: &[V], keys: &[u16]) -> Vec<V> {
    let mut positions: Vec<usize> = (0..values.len()).collect();
    positions.sort_by_key(|at| keys[at % keys.len()] as usize * (at + 1) % 1_009);
    positions.into_iter().map(|at| values[at].clone()).collect()
}

/// Checks the laws for values of this strategy.
fn hold<V>(values: impl Strategy<Value = Vec<V>>)
where
    V: Merge + Clone + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let chunks = prop::collection::vec(1_usize..9, 1..8);
    let keys = prop::collection::vec(any::<u16>(), 1..20);
    let strategy = (values, chunks, keys.clone(), keys);
    proptest!(|((values, chunks, records, parts) in strategy)| {
        if let [a, b, c, ..] = &values[..] {
            let merged = |values: &[&V]| all(values.iter().map(|value| (*value).clone()));
            prop_assert_eq!(merged(&[a, b]), merged(&[b, a]), "commutative");
            let right = merged(&[b, c]);
            prop_assert_eq!(merged(&[a, b, c]), all(Some(a.clone()).into_iter().chain(right)), "associative");
        }
        let expected = all(values.clone());
        // Records in another order, in chunks of any size, whose values are merged in another order and travel as JSON.
        let (mut rest, mut partials) = (&ordered(&values, &records)[..], Vec::new());
        for size in chunks.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            let Some(partial) = all(chunk.to_vec()) else { break };
            let json = serde_json::to_string(&partial).unwrap();
            let read: V = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read, &partial, "{}", json);
            partials.push(read);
            rest = after;
        }
        prop_assert_eq!(all(ordered(&partials, &parts)), expected);
    });
}

/// Up to 60 values.
fn many<V: Debug>(value: impl Strategy<Value = V>) -> impl Strategy<Value = Vec<V>> {
    prop::collection::vec(value, 0..60)
}

/// Values with different numbers.
fn numbered<V: Debug>(make: fn(u32, u8) -> V) -> impl Strategy<Value = Vec<V>> {
    let numbers = prop::collection::btree_map(any::<u32>(), any::<u8>(), 0..60);
    numbers.prop_map(move |numbers| {
        numbers.into_iter().map(|(number, value)| make(number, value)).collect()
    })
}

#[test]
fn numbers_and_extremes_keep_the_laws() {
    hold(many((0_u64..1 << 40).prop_map(Count)));
    hold(many(any::<i64>().prop_map(Sum::from)));
    hold(many(any::<u8>().prop_map(Min)));
    hold(many("[a-c]{0,2}".prop_map(Max)));
}

#[test]
fn firsts_and_lasts_keep_the_laws() {
    hold(numbered(|number, value| First { number, value }));
    hold(numbered(|number, value| Last { number, value }));
}

#[test]
fn sets_and_the_best_keep_the_laws() {
    hold(many((0_u8..20).prop_map(Set::of)));
    hold(many("[a-c]{0,2}".prop_map(Set::of)));
    hold(many((0_u8..20).prop_map(TopK::<u8, 3>::of)));
    hold(many((0_u8..20).prop_map(TopK::<u8, 0>::of)));
}

#[test]
fn intervals_keep_the_laws() {
    // Close together, so that most merge, and far apart, so that most do not.
    for times in [40_i64, 400, 40_000] {
        let time = (0..times).prop_map(|time| Intervals::of(5, time, Count(1)));
        hold(many(time));
    }
    hold(many(any::<i64>().prop_map(|time| Intervals::of(0, time, Count(1)))));
}

#[test]
fn tuples_and_options_keep_the_laws() {
    let number = || any::<u8>();
    hold(many((number(), number()).prop_map(|(a, b)| (Count(1), Max(a), Set::of(b)))));
    hold(many(prop::option::of(number()).prop_map(|value| value.map(Min))));
}

#[test]
fn a_sum_beyond_64_bits_is_exact_as_json() {
    let sum = all([i64::MAX, i64::MAX, 1].map(Sum::from)).unwrap();
    let json = serde_json::to_string(&sum).unwrap();
    assert_eq!(json, "18446744073709551615");
    let least = all([i64::MIN, i64::MIN].map(Sum::from)).unwrap();
    let read: Sum = serde_json::from_str(&serde_json::to_string(&least).unwrap()).unwrap();
    assert_eq!(read.total(), 2 * i128::from(i64::MIN));
}
