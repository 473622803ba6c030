//! Where a run begins: at the start of its input, or after the last commit of the run before it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RunError, Settings};
use crate::batch::Nanos;
use crate::cleanup_guard::CleanupGuard;
use crate::destination::Destination;
use crate::sink::{self, CommittedState, DirLock, Prepared};
use crate::state::{Spent, State, StateError};

/// The state folder, and the settings that it protects.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// The folder that holds the lock and the fingerprint.
    pub folder: PathBuf,
    /// The settings that the output depends on, by option.
    pub output_depends_on: BTreeMap<String, String>,
    /// A fingerprint of the function that computes the task, if one does.
    pub code: Option<String>,
}

/// The point at which the run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResumePoint {
    /// The first epoch that is not committed.
    pub epoch: u64,
    /// The positions of the sources at that epoch, as JSON. None at the start of the input.
    pub sources: Option<String>,
}

impl ResumePoint {
    fn after(committed_state: &CommittedState) -> Self {
        let sources = committed_state.last.as_ref().map(|_| committed_state.sources.to_string());
        ResumePoint { epoch: committed_state.next_epoch(), sources }
    }

    /// Returns the run's time at which it begins, if epochs have this length.
    pub(super) fn time(&self, epoch: Option<Duration>) -> Nanos {
        let length = epoch.unwrap_or_default().as_nanos() as Nanos;
        self.epoch.saturating_mul(length)
    }

    /// Returns the positions of the sources. None at the start of the input.
    pub(super) fn positions(&self) -> Option<Value> {
        // It was JSON when it was read.
        Some(serde_json::from_str(self.sources.as_deref()?).unwrap_or_default())
    }
}

/// The output as the run finds it, and the locks that protect it.
#[derive(Default)]
pub(super) struct Output {
    /// What was created for the output and its state. It is removed before the state's lock is released.
    created: CleanupGuard,
    /// The locked state folder. Process 0 holds it.
    state: Option<State>,
    /// The lock on the output folder. Process 0 holds it.
    dir_lock: Option<DirLock>,
    /// The identifier of the output.
    pub id: String,
    /// What is committed.
    pub committed: Option<Arc<CommittedState>>,
    /// The number of runs that have begun, with this one.
    pub runs: u64,
    /// What the runs have spent, if there is a state that records it.
    pub spent: Option<Spent>,
}

impl Output {
    /// Reads the output, and changes nothing.
    ///
    /// # Errors
    /// If the run cannot continue it.
    pub(super) fn inspect(settings: &Settings) -> Result<Output, RunError> {
        let Some(asked) = &settings.state else {
            return Ok(Output { id: sink::new_id(), runs: 1, ..Output::default() });
        };
        let state = if settings.timely.process == 0 {
            let version = env!("CARGO_PKG_VERSION");
            let opened =
                State::open(&asked.folder, version, &asked.output_depends_on, sink::new_id);
            let mut state = opened.map_err(|source| asked.failed(source))?;
            if state.set_code(asked.code.as_deref()) {
                tracing::warn!(
                    "the function has changed since the last run of the state in {}: what was committed stays as it \
                     is, and the rest is computed by the new one. To compute everything anew, name another --out and \
                     --state",
                    asked.folder.display()
                );
            }
            Some(state)
        } else {
            None
        };
        let id = match &state {
            Some(state) => Some(state.output().to_owned()),
            None => State::output_in(&asked.folder),
        };
        let spent = Spent::read(&asked.folder, settings.timely.process);
        let spent = Some(spent.map_err(|source| asked.failed(source))?);
        let id = id.unwrap_or_default();
        let committed = settings.sink.committed(&id).map(Arc::new);
        Ok(Output { state, id, committed, spent, ..Output::default() })
    }

    /// Prepares the output in process 0: it holds what is committed of it and nothing else.
    ///
    /// # Errors
    /// If the output belongs to another run, or cannot be written.
    pub(super) fn prepare(&mut self, settings: &Settings) -> Result<(), RunError> {
        let is_new = self.state.as_ref().is_none_or(State::is_new);
        if let (Some(file), None) = (&settings.options.dead_letter, &self.committed) {
            sink::check_dead_letters(file, settings.sink.replaces())?;
        }
        let Prepared { created, lock, committed } = settings.sink.prepare(&self.id, is_new)?;
        self.created.append(created);
        self.dir_lock = lock;
        self.committed = committed.map(Arc::new);
        if let Some(file) = &settings.options.dead_letter
            && self.committed.is_none()
            && !file.exists()
            && matches!(Destination::of(file), Destination::File(_))
        {
            self.created.track(file);
        }
        if let (Some(asked), Some(state)) = (&settings.state, &mut self.state) {
            // From here on the output is this state's, whenever the process ends.
            self.runs = state.begin().map_err(|source| asked.failed(source))?;
            // But not if it is refused yet.
            let mut created = CleanupGuard::default();
            created.append(state.created());
            created.append(std::mem::take(&mut self.created));
            self.created = created;
        }
        Ok(())
    }

    /// Takes the guard over what was created for the output and its state.
    pub(super) fn created(&mut self) -> CleanupGuard {
        std::mem::take(&mut self.created)
    }

    /// Returns the US dollars that earlier runs have spent.
    pub(super) fn spent(&self) -> f64 {
        self.spent.as_ref().map_or(0.0, Spent::usd)
    }

    /// Returns where the run begins.
    pub(super) fn resume_point(&self) -> ResumePoint {
        self.committed.as_deref().map(ResumePoint::after).unwrap_or_default()
    }
}

impl StateSettings {
    pub(super) fn failed(&self, source: StateError) -> RunError {
        RunError::State { folder: self.folder.display().to_string(), source }
    }
}
