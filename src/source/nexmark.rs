//! Nexmark's events as a source.

use std::sync::Arc;

use serde_json::{Value, json};
use timely::dataflow::Scope;

use super::{
    EventSource, OpenContext, OpenSource, Pace, ReadSettings, Source, SourceError, Streams,
    WorkerContext, events, nominal,
};
use crate::batch::{Batch, Note};
use crate::nexmark::{Config, Generator};

/// Generated events.
#[derive(Clone, Debug)]
pub struct Nexmark {
    /// The generator's options.
    pub config: Config,
    /// The seed of the generator.
    pub seed: u64,
    /// The share of the events that the first worker generates, if the shares are not equal.
    pub skew: Option<f64>,
    /// Whether the events have no text, but only numbers, because whoever reads them draws the fields that it needs.
    pub only_numbers: bool,
}

impl Source for Nexmark {
    fn kind(&self) -> &'static str {
        "nexmark"
    }

    fn open(&self, context: OpenContext) -> Result<Arc<dyn OpenSource>, SourceError> {
        let ReadSettings { pace, max_record, first_epoch, .. } = context.read;
        Ok(Arc::new(OpenNexmark { options: self.clone(), pace, max_record, first_epoch }))
    }

    fn is_generated(&self) -> bool {
        true
    }

    fn how_to_end(&self) -> Option<String> {
        let how = "Nexmark events come until Ctrl-C; with --duration 10s or --events 100k the run ends by itself";
        Some(how.to_owned())
    }
}

struct OpenNexmark {
    options: Nexmark,
    pace: Arc<Pace>,
    max_record: usize,
    first_epoch: u64,
}

impl OpenSource for OpenNexmark {
    fn build<'scope>(&self, scope: &Scope<'scope, u64>, worker: WorkerContext) -> Streams<'scope> {
        let Nexmark { config, seed, skew, only_numbers } = self.options.clone();
        let schedule = self.pace.schedule().cloned().unwrap_or_else(nominal);
        let generator = Generator::new(config, seed, schedule);
        let fill = move |range, batch: &mut Batch| match only_numbers {
            true => generator.fill_numbers(range, batch),
            false => generator.fill(range, batch),
        };
        let (from, max_record) = (self.pace.first(self.first_epoch), self.max_record);
        events(scope, EventSource { worker, from, skew, max_record, fill })
    }

    fn position(&self, epoch: u64, _: Vec<Note>) -> Result<Value, SourceError> {
        Ok(json!({ "events": self.pace.first(epoch) }))
    }
}
