//! Answers the requests of a partial aggregate.

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::function::modelled;
use super::{Context, Function, FunctionError};
use crate::merge::Merge;
use crate::task::{self, Code, Rows};
use crate::wire::{Request, answer_values};

/// Each record of a request is the array of the records of a chunk.
impl<F, T, K, V> Function for task::Aggregate<F, T, K, V>
where
    F: Fn(&T, &mut Rows<K, V>) -> Result<(), Code> + Send + Sync + 'static,
    T: DeserializeOwned + 'static,
    K: Hash + Eq + Serialize + 'static,
    V: Merge + Serialize + 'static,
{
    fn invoke(&self, event: &[u8], context: &mut Context) -> Result<Vec<u8>, FunctionError> {
        let request: Request<'_, Vec<Vec<T>>> =
            serde_json::from_slice(event).map_err(|error| FunctionError::event(&error))?;
        FunctionError::check(request.v, &request.task, request.task == self.name())?;
        context.work = modelled(request.work_us, request.records.len())?;
        let results = self.of_chunks(request.records.iter().map(Vec::as_slice));
        let ids: Vec<u32> = (0..request.records.len() as u32).collect();
        let version = context.version.as_deref();
        answer_values(self.name(), &results, &ids, &[], context.cold, version)
            .map_err(|error| FunctionError::result(&error))
    }
}
