//! Where a run begins: at its start, or after what a run before it has committed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{RunError, Settings, Source, Target};
use crate::batch::Nanos;
use crate::sink::{self, Manifest, Positions};
use crate::source::Pace;
use crate::state::State;

/// Where a run keeps what ties it to its output, and what that output depends on.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// The folder.
    pub folder: PathBuf,
    /// By option, the settings that the output depends on.
    pub output_depends_on: BTreeMap<String, String>,
}

/// What process 0 finds, and tells the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Beginning {
    /// The first epoch that is not committed.
    pub epoch: u64,
    /// Where the sources stand then, as JSON; nothing at the start of the input.
    pub sources: Option<String>,
}

impl Beginning {
    /// The time of the run's schedule at which it begins.
    pub(super) fn time(&self, pace: &Pace) -> Nanos {
        let length = pace.epoch_length().unwrap_or_default().as_nanos() as Nanos;
        self.epoch.saturating_mul(length)
    }
}

/// The output, made ready in process 0.
#[derive(Default)]
pub(super) struct Output {
    /// Nobody else has it while it is held.
    pub _state: Option<State>,
    /// Whose output it is.
    pub id: String,
    /// What is committed.
    pub committed: Option<Arc<Manifest>>,
    /// Runs that have begun, this one among them.
    pub runs: u64,
}

impl Output {
    /// Makes the output ready: an empty folder, or one that holds what is committed of this output and
    /// nothing else.
    ///
    /// # Errors
    /// If it is somebody else's, or cannot be written.
    pub(super) fn prepare(settings: &Settings) -> Result<Output, RunError> {
        let Target::Files { dir, overwrite, .. } = &settings.target else {
            return Ok(Output { runs: 1, ..Output::default() });
        };
        let Some(asked) = &settings.state else {
            sink::prepare(dir, *overwrite)?;
            return Ok(Output { id: sink::new_id(), runs: 1, ..Output::default() });
        };
        let version = env!("CARGO_PKG_VERSION");
        let opened = State::open(&asked.folder, version, &asked.output_depends_on, sink::new_id);
        let failed =
            |source| RunError::State { folder: asked.folder.display().to_string(), source };
        let mut state = opened.map_err(failed)?;
        let id = state.output().to_owned();
        let committed = if state.is_new() {
            sink::prepare(dir, *overwrite)?;
            None
        } else {
            sink::resume(dir, &id, *overwrite)?
        };
        // From here on the output is this state's, whenever the process ends.
        let runs = state.begin().map_err(failed)?;
        Ok(Output { _state: Some(state), id, committed: committed.map(Arc::new), runs })
    }

    /// Where the run begins.
    pub(super) fn beginning(&self) -> Beginning {
        let Some(manifest) = &self.committed else { return Beginning::default() };
        let sources = manifest.commits.last().map(|last| last.sources.to_string());
        Beginning { epoch: manifest.next_epoch(), sources }
    }
}

/// What says where the sources stand, for the commits.
pub(super) fn positions(settings: &Settings, pace: &Arc<Pace>) -> Option<Positions> {
    match settings.source {
        Source::Nexmark { .. } => {
            let pace = Arc::clone(pace);
            Some(Arc::new(move |epoch| serde_json::json!({ "events": pace.first_of(epoch) })))
        }
        Source::Lines(_) => None,
    }
}
