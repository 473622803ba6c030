//! A task from a user's own function on typed records.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Range;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use super::{Code, Task, panics};
use crate::batch::{Records as _, describe_record};
use crate::wire::Slots;

/// A closure as a task. It is made by [`function`].
pub struct Function<F, T, U> {
    name: String,
    compute: F,
    /// Writes a result for an error, if that is known to be possible.
    show: Option<fn(&U) -> String>,
    types: PhantomData<fn(T) -> U>,
}

/// Creates the task `name`, which computes `compute` for each record. The remote side must compute the same.
///
/// # Examples
/// ```
/// use floodway::task::{self, Code, Task};
///
/// let square = task::function("square", |n: &u32| {
///     n.checked_mul(*n).ok_or(Code("too_large".into()))
/// });
/// let (mut out, mut bad) = (Vec::new(), Vec::new());
/// square.compute(&vec![3, u32::MAX, 4], 0..3, &mut out, &mut bad);
/// assert_eq!((out, bad), (vec![9, 16], vec![(1, Code("too_large".into()))]));
/// ```
pub fn function<F, T, U>(name: impl Into<String>, compute: F) -> Function<F, T, U>
where
    F: Fn(&T) -> Result<U, Code> + Send + Sync + 'static,
    T: Serialize + Clone + Send + Sync + 'static,
    U: DeserializeOwned + Clone + PartialEq + Send + 'static,
{
    Function { name: name.into(), compute, show: None, types: PhantomData }
}

impl<F, T, U> Function<F, T, U>
where
    F: Fn(&T) -> Result<U, Code>,
{
    /// Lets errors show results as JSON.
    pub fn shown_as_json(self) -> Self
    where
        U: Serialize,
    {
        let show =
            |value: &U| serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
        Function { show: Some(show), ..self }
    }

    /// Names the code and a record, for an error.
    fn named(&self, record: String) -> (String, String) {
        (format!("the code of the stage {}", self.name), record)
    }

    /// Returns the result of a record.
    ///
    /// # Errors
    /// The code that says why the record is bad.
    pub fn of(&self, record: &T) -> Result<U, Code>
    where
        T: Serialize,
    {
        panics::naming(|| self.named(describe_record(record)), || (self.compute)(record))
    }
}

/// The values of a response. Each is taken once. Any JSON value is possible, including `null`.
pub struct Values<U>(Vec<Option<U>>);

impl<'de, U: Deserialize<'de>> Deserialize<'de> for Values<U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<U>::deserialize(deserializer)?;
        Ok(Values(values.into_iter().map(Some).collect()))
    }
}

impl<F, T, U> Task for Function<F, T, U>
where
    F: Fn(&T) -> Result<U, Code> + Send + Sync + 'static,
    T: Serialize + Clone + Send + Sync + 'static,
    U: DeserializeOwned + Clone + PartialEq + Send + 'static,
{
    type In = Vec<T>;
    type Out = Vec<U>;
    type Answers = Values<U>;

    fn name(&self) -> &str {
        &self.name
    }

    fn results(&self, _: &Vec<T>, range: &Range<usize>) -> Vec<U> {
        Vec::with_capacity(range.len())
    }

    fn compute(
        &self,
        input: &Vec<T>,
        range: Range<usize>,
        out: &mut Vec<U>,
        bad: &mut Vec<(usize, Code)>,
    ) {
        let current = Cell::new(range.start);
        let compute = || {
            for index in range {
                current.set(index);
                match (self.compute)(&input[index]) {
                    Ok(value) => out.push(value),
                    Err(code) => bad.push((index, code)),
                }
            }
        };
        panics::naming(|| self.named(input.describe(current.get())), compute);
    }

    fn answered(&self, answers: &Values<U>) -> usize {
        answers.0.len()
    }

    fn is_same(&self, results: &Vec<U>, index: usize, one: &Vec<U>) -> bool {
        one.len() == 1 && results[index] == one[0]
    }

    fn show(&self, results: &Vec<U>, index: usize) -> String {
        self.show.map_or("a result that cannot be shown".to_owned(), |show| show(&results[index]))
    }

    fn assemble(
        &self,
        _: &Vec<T>,
        range: Range<usize>,
        answers: &mut Values<U>,
        slots: &Slots<'_>,
        out: &mut Vec<U>,
    ) {
        let values = (0..range.len()).filter_map(|index| answers.0[slots.get(index)?].take());
        out.extend(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Answer;

    #[test]
    fn null_is_a_value_of_a_response() {
        let half = function("half", |n: &u32| Ok(n.is_multiple_of(2).then_some(n / 2)));
        let json = r#"{"v":1,"task":"half","results":[null,2],"ids":[0,2],
                       "errors":[{"id":1,"code":"x"}]}"#;
        let mut answer: Answer<Values<Option<u32>>> = serde_json::from_str(json).unwrap();
        let slots = answer.check("half", 3, half.answered(&answer.results)).unwrap();
        let mut out = Vec::new();
        half.assemble(&vec![3, 5, 4], 0..3, &mut answer.results, &slots, &mut out);
        assert_eq!(out, [None, Some(2)]);
    }
}
