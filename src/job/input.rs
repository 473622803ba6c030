//! What a stage needs to know of the containers that it takes.

use timely::Container;

use crate::batch::{Batch, Chunks, Items, JsonBatch, Records, Span, TextRecord};
use crate::task::Bad;

/// A container that a stage takes: its schedule, and what its bad records look like as dead letters.
pub(crate) trait StageInput: Container + Records {
    /// Returns when the records were scheduled, if the container says so.
    fn scheduled(&self) -> Option<Span>;

    /// Returns the dead letter of a record that `stage` found to be bad.
    fn dead_letter(bad: Bad<Self::Record>, stage: &str) -> Bad<TextRecord>;
}

impl StageInput for Batch {
    fn scheduled(&self) -> Option<Span> {
        Some(self.span)
    }

    /// A line is its own dead letter: it has its number.
    fn dead_letter(bad: Bad<TextRecord>, _: &str) -> Bad<TextRecord> {
        bad
    }
}

impl StageInput for JsonBatch {
    fn scheduled(&self) -> Option<Span> {
        self.0.scheduled()
    }

    fn dead_letter(bad: Bad<TextRecord>, _: &str) -> Bad<TextRecord> {
        bad
    }
}

impl<T> StageInput for Vec<T>
where
    Vec<T>: Records<Record = T>,
    T: serde::Serialize + Clone + Send + Sync + 'static,
{
    fn scheduled(&self) -> Option<Span> {
        None
    }

    /// A record has no number behind the first stage: the dead letter has the stage, and the record as JSON.
    fn dead_letter(Bad { record, code }: Bad<T>, stage: &str) -> Bad<TextRecord> {
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        Bad { record: TextRecord { label: Some(stage.into()), number: None, bytes }, code }
    }
}

impl<C: StageInput + Items> StageInput for Chunks<C> {
    fn scheduled(&self) -> Option<Span> {
        self.0.scheduled()
    }

    fn dead_letter(bad: Bad<C::Record>, stage: &str) -> Bad<TextRecord> {
        C::dead_letter(bad, stage)
    }
}
