//! Lines as a source.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use timely::dataflow::Scope;

use super::{Input, Lines, LinesSettings, Sharing};
use crate::batch::Note;
use crate::source::stream::read;
use crate::source::{OpenContext, OpenSource, Source, SourceError, Streams, WorkerContext};

/// The name of a commit's position of lines.
const POSITION: &str = "lines";

impl Source for Input {
    fn kind(&self) -> &'static str {
        "lines"
    }

    fn open(&self, context: OpenContext) -> Result<Arc<dyn OpenSource>, SourceError> {
        let from = context.position(POSITION)?;
        let OpenContext { read, failed, .. } = context;
        let sharing = Sharing::of(&read.pace);
        let settings = LinesSettings { input: self.clone(), from, sharing, read };
        let lines = Lines::start(settings, move |error| failed(SourceError::input(error)));
        Ok(Arc::new(lines.map_err(SourceError::input)?))
    }

    fn check(&self, is_resumed: bool) -> Result<(), String> {
        Input::check(self, is_resumed)
    }

    fn waits(&self) -> bool {
        !matches!(self, Input::Files { follow: false, .. })
    }

    fn how_to_end(&self) -> Option<String> {
        match self {
            Input::Files { path, follow: true } => {
                Some(format!("following {} until Ctrl-C", Path::display(path)))
            }
            _ => None,
        }
    }

    fn why_not_repeatable(&self, _: bool) -> Option<&'static str> {
        let is_once = matches!(self, Input::Stdin);
        is_once.then_some("can be read only once, and each policy reads all of it: name a file")
    }

    fn files(&self) -> Option<&Input> {
        Some(self)
    }
}

impl OpenSource for Lines {
    fn build<'scope>(&self, scope: &Scope<'scope, u64>, worker: WorkerContext) -> Streams<'scope> {
        let messages = self.worker(worker.local_index);
        // How far they were read is known in the process that commits.
        Streams { notes: None, ..read(scope, "Lines", messages, worker) }
    }

    fn position(&self, epoch: u64, _: Vec<Note>) -> Result<Value, SourceError> {
        Ok(match Lines::position(self, epoch).map_err(SourceError::input)? {
            Some(position) => json!({ POSITION: position }),
            None => json!({}),
        })
    }

    fn stop_after(&self, last: u64) {
        Lines::stop_after(self, last);
    }

    fn fingerprint(&self) -> u64 {
        Lines::fingerprint(self)
    }
}
