//! Answers the requests of a partial aggregate: each record of a request is the array of the records of a chunk.

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::function::modelled;
use super::{Context, Function, FunctionError};
use crate::batch::{Batch, Strings};
use crate::merge::Merge;
use crate::task::{self, Code, Partials, Rows};
use crate::wire::{Request, answer_values};

impl<F, T, K, V> Function for task::Aggregate<F, Vec<T>, K, V>
where
    F: Fn(&T, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
    T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    K: Hash + Eq + Serialize + 'static,
    V: Merge + Serialize + 'static,
{
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        answer(self.name(), event, context, Vec::len, |chunks: &[Vec<T>]| self.of_chunks(chunks))
    }
}

impl<F, K, V> Function for task::Aggregate<F, Batch, K, V>
where
    F: Fn(&str, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
    K: Hash + Eq + Serialize + 'static,
    V: Merge + Serialize + 'static,
{
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        answer(self.name(), event, context, Strings::len, |chunks: &[Strings]| {
            self.of_chunks(chunks.iter().map(|chunk| (0..chunk.len()).map(|at| chunk.text(at))))
        })
    }
}

/// Answers a request of the task `name` whose chunks are read as `C`. `records` returns the number of records of a chunk,
/// each of which takes the modelled time.
fn answer<C: DeserializeOwned, K: Serialize, V: Serialize>(
    name: &str,
    event: &[u8],
    context: &mut Context,
    records: impl Fn(&C) -> usize,
    combine: impl Fn(&[C]) -> Partials<K, V>,
) -> Result<Vec<u8>, FunctionError> {
    let request: Request<'_, Vec<C>> =
        serde_json::from_slice(event).map_err(|error| FunctionError::event(&error))?;
    FunctionError::check(request.v, &request.task, request.task == name)?;
    context.work = modelled(request.work_us, request.records.iter().map(records).sum())?;
    let ids: Vec<u32> = (0..request.records.len() as u32).collect();
    let (results, version) = (combine(&request.records), context.version.as_deref());
    answer_values(name, &results, &ids, &[], context.cold, version)
        .map_err(|error| FunctionError::result(&error))
}
