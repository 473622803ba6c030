//! The task of a function that makes rows of records.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::DeserializeOwned;

use super::shrinkage::Shrinkage;
use super::{PartialAnswers, Partials, Rows};
use crate::batch::{Batch, Chunks, Items};
use crate::merge::Merge;
use crate::task::{Code, Task};
use crate::wire::Slots;

/// A closure that makes rows of the records of containers `C`, as a task. It is made by [`aggregate`] and
/// [`aggregate_text`].
pub struct Aggregate<F, C, K, V> {
    name: String,
    compute: F,
    shrinkage: Shrinkage,
    types: PhantomData<fn(C) -> (K, V)>,
}

/// Creates the task `name`, which adds the rows that `compute` makes of each record, and merges those of a key. If
/// `compute` returns a code, the record is bad, and the rows that it has added for it do not count. The remote side must
/// compute the same.
///
/// # Examples
/// ```
/// use floodway::batch::Chunks;
/// use floodway::merge::Count;
/// use floodway::task::{self, Code, Rows, Task};
///
/// let parity = task::aggregate("parity", |number: &u32, rows: &mut Rows<bool, Count>| {
///     rows.add(number % 2 == 0, Count(1));
///     if *number < 100 { Ok(()) } else { Err(Code("too_large".into())) }
/// });
/// let (chunks, mut bad) = (Chunks(vec![1, 3, 5, 500, 2]), Vec::new());
/// let mut out = parity.results(&chunks, &(0..1));
/// parity.compute(&chunks, 0..1, &mut out, &mut bad);
/// parity.finish(&chunks, &mut out, &mut bad);
/// assert_eq!(out.rows, [(false, Count(3)), (true, Count(1))]);
/// assert_eq!(bad, [(3, Code("too_large".into()))]);
/// ```
pub fn aggregate<F, T, K, V>(name: impl Into<String>, compute: F) -> Aggregate<F, Vec<T>, K, V>
where
    F: Fn(&T, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
{
    Aggregate { name: name.into(), compute, shrinkage: Shrinkage::default(), types: PhantomData }
}

/// Does the same as [`aggregate`] for flat batches of text.
pub fn aggregate_text<F, K, V>(name: impl Into<String>, compute: F) -> Aggregate<F, Batch, K, V>
where
    F: Fn(&str, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
{
    Aggregate { name: name.into(), compute, shrinkage: Shrinkage::default(), types: PhantomData }
}

impl<F, C, K, V> Aggregate<F, C, K, V> {
    /// Returns the task's name on the wire.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rows of each chunk, with the positions of bad records within it: what a function answers.
    pub fn of_chunks<'a, I>(&self, chunks: impl IntoIterator<Item = I>) -> Partials<K, V>
    where
        C: Items,
        C::Item: 'a,
        F: Fn(&C::Item, &mut Rows<K, V>) -> Result<(), Code>,
        I: IntoIterator<Item = &'a C::Item>,
        K: Hash + Eq,
        V: Merge,
    {
        let (mut rows, mut made) = (Rows::after(Vec::new()), Partials::default());
        for chunk in chunks {
            rows.begin_chunk();
            self.add(chunk, 0, &mut rows, true, &mut made.bad);
            made.ends.push((rows.len(), made.bad.len()));
        }
        made.rows = rows.into_rows();
        made
    }

    /// Adds the rows of records, of which the first one is at `first`.
    fn add<'a>(
        &self,
        records: impl IntoIterator<Item = &'a C::Item>,
        first: usize,
        rows: &mut Rows<K, V>,
        combines: bool,
        bad: &mut Vec<(usize, Option<Code>)>,
    ) where
        C: Items,
        C::Item: 'a,
        F: Fn(&C::Item, &mut Rows<K, V>) -> Result<(), Code>,
        K: Hash + Eq,
        V: Merge,
    {
        for (index, record) in records.into_iter().enumerate() {
            match (self.compute)(record, rows) {
                Ok(()) if combines => rows.combine(),
                Ok(()) => rows.keep(),
                Err(code) => {
                    rows.discard();
                    bad.push((first + index, Some(code)));
                }
            }
        }
    }
}

impl<F, C, K, V> Task for Aggregate<F, C, K, V>
where
    F: Fn(&C::Item, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
    C: Items,
    K: Hash + Eq + DeserializeOwned + Clone + Send + 'static,
    V: Merge + PartialEq + DeserializeOwned + Clone + Send + 'static,
{
    type In = Chunks<C>;
    type Out = Partials<K, V>;
    type Answers = PartialAnswers<K, V>;

    fn name(&self) -> &str {
        &self.name
    }

    fn results(&self, _: &Chunks<C>, _: &Range<usize>) -> Partials<K, V> {
        Partials::default()
    }

    /// Combines all chunks of the range, unless that merges almost nothing.
    fn compute(
        &self,
        input: &Chunks<C>,
        range: Range<usize>,
        out: &mut Partials<K, V>,
        _: &mut Vec<(usize, Code)>,
    ) {
        let mut rows = Rows::after(std::mem::take(&mut out.rows));
        let (first, combines) = (input.positions(&range).start, self.shrinkage.is_worth_it());
        self.add(input.records(range), first, &mut rows, combines, &mut out.bad);
        if combines {
            self.shrinkage.record(rows.combined());
        }
        out.rows = rows.into_rows();
        // The rows may have needed more room before they were merged, and the container lives longer than this.
        if out.rows.capacity() > 4 * out.rows.len() {
            out.rows.shrink_to_fit();
        }
    }

    fn answered(&self, answers: &PartialAnswers<K, V>) -> usize {
        answers.len()
    }

    /// A result that refuses a position that its chunk does not have, or the same one twice, refuses the whole chunk.
    fn assemble(
        &self,
        input: &Chunks<C>,
        range: Range<usize>,
        answers: &mut PartialAnswers<K, V>,
        slots: &Slots<'_>,
        out: &mut Partials<K, V>,
    ) {
        for (index, chunk) in range.enumerate() {
            let Some(slot) = slots.get(index) else { continue };
            let positions = input.positions(&(chunk..chunk + 1));
            let (rows, refused) = answers.take(slot);
            let is_rising = refused.windows(2).all(|pair| pair[0] < pair[1]);
            if is_rising && refused.last().is_none_or(|last| *last < positions.len()) {
                out.rows.extend(rows);
                let refused = refused.iter().map(|position| (positions.start + position, None));
                out.bad.extend(refused);
            } else {
                out.bad.extend(positions.map(|position| (position, None)));
            }
            out.end_chunk();
        }
    }

    /// Compares the merged rows, whatever their order is.
    fn is_same(&self, results: &Partials<K, V>, index: usize, one: &Partials<K, V>) -> bool {
        let (rows, bad) = results.of(index);
        let bad = results.bad[bad].iter().map(|(position, _)| position);
        bad.eq(one.bad.iter().map(|(position, _)| position))
            && merged(&results.rows[rows]) == merged(&one.rows)
    }

    fn finish(&self, input: &Chunks<C>, out: &mut Partials<K, V>, bad: &mut Vec<(usize, Code)>) {
        out.ends = Vec::new();
        if out.bad.is_empty() {
            return;
        }
        let mut rows = Rows::after(std::mem::take(&mut out.rows));
        for (position, code) in std::mem::take(&mut out.bad) {
            let code = code.map_or_else(|| (self.compute)(input.0.item(position), &mut rows), Err);
            match code {
                Ok(()) => rows.keep(),
                Err(code) => {
                    rows.discard();
                    bad.push((position, code));
                }
            }
        }
        out.rows = rows.into_rows();
    }
}

/// Merges the values of each key.
fn merged<K: Hash + Eq + Clone, V: Merge + Clone>(rows: &[(K, V)]) -> HashMap<K, V> {
    let mut merged = HashMap::new();
    for (key, value) in rows {
        let value = Some(value.clone());
        merged.entry(key.clone()).or_insert(None).merge(value);
    }
    merged.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::Records as _;
    use crate::merge::{Count, Sum};
    use crate::wire::{Answer, answer_values};

    type Value = (Count, Sum);

    /// Counts numbers by their last digit. Multiples of 13 are bad.
    fn count()
    -> impl Task<In = Chunks<Vec<u32>>, Out = Partials<u32, Value>, Answers = PartialAnswers<u32, Value>>
    {
        task()
    }

    fn task() -> Aggregate<
        impl Fn(&u32, &mut Rows<u32, Value>) -> Result<(), Code> + Send + Sync,
        Vec<u32>,
        u32,
        Value,
    > {
        aggregate("count", |number: &u32, rows: &mut Rows<u32, Value>| {
            rows.add(number % 10, (Count(1), Sum::from(*number)));
            if number.is_multiple_of(13) { Err(Code("thirteen".into())) } else { Ok(()) }
        })
    }

    /// The answer of a function to a request with these chunks.
    fn answer(input: &Chunks<Vec<u32>>, range: Range<usize>) -> String {
        let results = task().of_chunks(range.clone().map(|at| input.records(at..at + 1)));
        let ids: Vec<u32> = (0..range.len() as u32).collect();
        let json = answer_values("count", &results, &ids, &[], false, None).unwrap();
        String::from_utf8(json).unwrap()
    }

    fn assembled(
        input: &Chunks<Vec<u32>>,
        range: Range<usize>,
        json: &str,
    ) -> Partials<u32, Value> {
        let count = count();
        let mut answer: Answer<PartialAnswers<u32, Value>> = serde_json::from_str(json).unwrap();
        let slots = answer.check("count", range.len(), count.answered(&answer.results)).unwrap();
        let mut out = count.results(input, &range);
        count.assemble(input, range, &mut answer.results, &slots, &mut out);
        out
    }

    fn computed(input: &Chunks<Vec<u32>>, range: Range<usize>) -> Partials<u32, Value> {
        let (count, mut bad) = (count(), Vec::new());
        let mut out = count.results(input, &range);
        count.compute(input, range, &mut out, &mut bad);
        assert_eq!(bad, [], "only records are bad, and no chunk");
        out
    }

    fn sum(rows: impl IntoIterator<Item = (u32, Value)>) -> BTreeMap<u32, Value> {
        let mut sums = BTreeMap::new();
        for (key, value) in rows {
            sums.entry(key).or_insert((Count(0), Sum::default())).merge(value);
        }
        sums
    }

    proptest! {
        #[test]
        fn whoever_computes_which_chunks_the_sum_and_the_bad_records_are_the_same(
            records in prop::collection::vec(0_u32..10_000, 1..600),
            parts in prop::collection::vec((1_usize..5, any::<bool>()), 10),
        ) {
            let input = Chunks(records.clone());
            let (mut rows, mut bad, mut from) = (Vec::new(), Vec::new(), 0);
            for (chunks, is_remote) in parts.into_iter().chain([(10, true)]) {
                let range = from..(from + chunks).min(input.len());
                from = range.end;
                let mut out = match is_remote {
                    true => assembled(&input, range.clone(), &answer(&input, range)),
                    false => computed(&input, range),
                };
                count().finish(&input, &mut out, &mut bad);
                rows.extend(out.rows);
            }
            let (unlucky, good): (Vec<_>, Vec<_>) =
                (0..records.len()).partition(|at| records[*at].is_multiple_of(13));
            bad.sort_by_key(|(position, _)| *position);
            let positions: Vec<usize> = bad.iter().map(|(position, _)| *position).collect();
            prop_assert_eq!(positions, unlucky);
            prop_assert!(bad.iter().all(|(_, code)| code.name() == "thirteen"));
            let one = |at: usize| (records[at] % 10, (Count(1), Sum::from(records[at])));
            prop_assert_eq!(sum(rows), sum(good.into_iter().map(one)));
        }
    }

    #[test]
    fn an_answer_has_an_array_of_rows_or_an_object_with_bad_records() {
        let input = Chunks([vec![21; 32], vec![31; 32], vec![3; 63], vec![26]].concat());
        let json = answer(&input, 0..2);
        let results =
            r#""results":[[[1,[64,1664]]],{"rows":[[3,[63,189]]],"bad":[[63,"thirteen"]]}]"#;
        assert!(json.contains(results), "{json}");
    }

    #[test]
    fn a_function_may_refuse_any_record_and_the_worker_computes_it() {
        let input = Chunks((0..20).collect());
        let begin = r#"{"v":1,"task":"count","ids":[0],"results":[{"bad":"#;
        let nineteen = r#"[[0,""],[13,"x"],[18,"no"]],"rows":[[1,[1,1]]],"more":[{}]}]}"#;
        let mut out = assembled(&input, 0..1, &format!("{begin}{nineteen}"));
        let mut bad = Vec::new();
        count().finish(&input, &mut out, &mut bad);
        let codes: Vec<_> = bad.iter().map(|(at, code)| (*at, code.name())).collect();
        assert_eq!(codes, [(0, "thirteen"), (13, "thirteen")]);
        assert_eq!(out.rows, [(1, (Count(1), 1.into())), (8, (Count(1), 18.into()))]);
        // Positions that are not those of a chunk: nothing of its result counts.
        for wrong in [r#"[[20,"x"]]"#, r#"[[3,"x"],[3,"x"]]"#] {
            let json = format!(r#"{begin}{wrong},"rows":[[1,[500,500]]]}}]}}"#);
            let (mut out, mut bad) = (assembled(&input, 0..1, &json), Vec::new());
            count().finish(&input, &mut out, &mut bad);
            assert_eq!(sum(out.rows).values().map(|(count, _)| count.0).sum::<u64>(), 18);
            assert_eq!(bad.len(), 2);
        }
    }

    #[test]
    fn results_are_the_same_if_their_merged_rows_and_bad_records_are() {
        let input = Chunks((0..200).collect());
        let one = computed(&input, 1..2);
        let good = answer(&input, 0..4);
        let is_same = |json: &str| count().is_same(&assembled(&input, 0..4, json), 1, &one);
        assert!(is_same(&good));
        let split = good.replacen(r#"{"rows":[[0,["#, r#"{"rows":[[0,[0,0]],[0,["#, 4);
        assert!(split != good && is_same(&split), "{split}");
        let more = good.replacen(r#"{"rows":[[0,["#, r#"{"rows":[[0,[1,0]],[0,["#, 4);
        assert!(!is_same(&more), "another count");
        let fewer = good.replace(r#"[2,"thirteen"],"#, "");
        assert!(fewer != good && !is_same(&fewer), "{fewer}");
    }
}
