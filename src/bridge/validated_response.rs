//! A response that was checked, and how its results reach the workers.

use std::sync::Arc;

use super::body_memory::MemoryPermit;
use super::{Failure, Outcome, WorkItem};
use crate::task::{Code, Task};
use crate::wire::{Answer, RemoteError, Slots};

/// What became of the results of a response.
pub(crate) struct Delivered {
    /// Records that have a result by it.
    pub done: usize,
    /// Records that had a result before.
    pub superseded: usize,
}

/// A valid response.
pub(crate) struct ValidatedResponse<K: Task> {
    values: K::Answers,
    slots: Slots<'static>,
    /// Whether the function reports that its environment was started for this request.
    pub cold: bool,
    /// The records that the function refused, by their positions in the request and in order, and why.
    refused: Vec<(usize, Code)>,
    /// Length in bytes, and the memory permit for those beyond the expected ones.
    bytes: usize,
    permit: Option<MemoryPermit>,
}

impl<K: Task> ValidatedResponse<K> {
    /// Checks the response to a request of `records` records, and that the function's version is compatible with
    /// `needs`.
    pub(crate) fn read(
        task: &K,
        answer: &[u8],
        records: usize,
        needs: Option<&str>,
    ) -> Result<Self, Failure> {
        let bytes = answer.len();
        let answer: Answer<'_, K::Answers> =
            serde_json::from_slice(answer).map_err(|error| Failure::Answer(error.to_string()))?;
        Failure::unless_compatible(answer.version.as_deref(), needs)?;
        let slots = answer
            .check(task.name(), records, task.answered(&answer.results))
            .map_err(|refused| Failure::Answer(refused.to_string()))?;
        if !task.are_well_formed(&answer.results) {
            return Err(Failure::Answer("a result has a line break in it".to_owned()));
        }
        let mut refused: Vec<(usize, Code)> = answer.errors.iter().map(refusal).collect();
        refused.sort_unstable_by_key(|(id, _)| *id);
        let (values, cold) = (answer.results, answer.cold);
        Ok(ValidatedResponse { values, slots, cold, refused, bytes, permit: None })
    }

    /// Adds the permit that was needed to read the response.
    pub(super) fn with_permit(mut self, permit: MemoryPermit) -> Self {
        self.permit = Some(permit);
        self
    }

    /// Gives each work item the results of its pending records. `usd` is the cost per record. `permit` covers
    /// the request and the response, and is held until the workers have taken the results.
    pub(crate) fn deliver(
        mut self,
        items: Vec<WorkItem<K>>,
        task: &K,
        usd: f64,
        hedged: bool,
        permit: Option<MemoryPermit>,
    ) -> Delivered {
        let permits = permit.into_iter().chain(self.permit.take());
        let permit = permits.reduce(MemoryPermit::merge).map(|mut permit| {
            permit.shrink(self.bytes);
            Arc::new(permit)
        });
        let (mut base, mut done, mut superseded) = (0, 0, 0);
        for item in items {
            let (all, input) = (item.range(), Arc::clone(item.input()));
            let answered = item.answer(usd, permit.clone(), |range| {
                let first = base + range.start - all.start;
                let slots = self.slots.from(first);
                let mut out = task.results(&input, range);
                task.assemble(&input, range.clone(), &mut self.values, &slots, &mut out);
                let from = self.refused.partition_point(|(id, _)| *id < first);
                let until = self.refused.partition_point(|(id, _)| *id < first + range.len());
                let refused: Vec<(usize, Code)> = self.refused[from..until]
                    .iter()
                    .map(|(id, code)| (range.start + id - first, code.clone()))
                    .collect();
                done += range.len() - refused.len();
                Outcome::Done { out, refused, hedged }
            });
            base += all.len();
            superseded += all.len() - answered;
        }
        Delivered { done, superseded }
    }
}

/// Returns the position of a record that the function refused, and why. Only the beginning of a long code is kept.
fn refusal(error: &RemoteError<'_>) -> (usize, Code) {
    const LONGEST: usize = 100;
    (error.id as usize, Code(error.code.chars().take(LONGEST).collect()))
}
