//! Where a run begins: at its start, or after what a run before it has committed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RunError, Settings, Target};
use crate::batch::Nanos;
use crate::made::Made;
use crate::place::Place;
use crate::sink::{self, Hold, MANIFEST, Positions, Standing};
#[cfg(feature = "kafka")]
use crate::source::TopicPosition;
use crate::source::{Lines, Pace, Position};
use crate::state::{Spent, State, StateError};
use crate::whole;

/// Where a run keeps what ties it to its output, and what that output depends on.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// The folder.
    pub folder: PathBuf,
    /// By option, the settings that the output depends on.
    pub output_depends_on: BTreeMap<String, String>,
}

/// Where the run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beginning {
    /// The first epoch that is not committed.
    pub epoch: u64,
    /// Where the sources stand then, as JSON; nothing at the start of the input.
    pub sources: Option<String>,
}

/// Where the sources stand, in a commit.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sources {
    /// Generated events that were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    /// How far lines had been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lines: Option<Position>,
    /// How far a topic had been read.
    #[cfg(feature = "kafka")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kafka: Option<TopicPosition>,
}

impl Beginning {
    fn after(standing: &Standing) -> Self {
        let sources = standing.last.as_ref().map(|_| standing.sources.to_string());
        Beginning { epoch: standing.next_epoch(), sources }
    }

    /// The run's time at which it begins, where epochs are of this length.
    pub(super) fn time(&self, epoch: Option<Duration>) -> Nanos {
        let length = epoch.unwrap_or_default().as_nanos() as Nanos;
        self.epoch.saturating_mul(length)
    }

    /// How far lines had been read.
    ///
    /// # Errors
    /// If the commit does not say.
    pub(super) fn lines(&self) -> Result<Option<Position>, RunError> {
        let Some(json) = &self.sources else { return Ok(None) };
        let sources: Sources = serde_json::from_str(json).unwrap_or_default();
        sources.lines.map(Some).ok_or(RunError::NoPosition)
    }

    /// How far a topic had been read.
    ///
    /// # Errors
    /// If the commit does not say.
    #[cfg(feature = "kafka")]
    pub(super) fn kafka(&self) -> Result<Option<TopicPosition>, RunError> {
        let Some(json) = &self.sources else { return Ok(None) };
        let sources: Sources = serde_json::from_str(json).unwrap_or_default();
        sources.kafka.map(Some).ok_or(RunError::NoPosition)
    }
}

/// The output as it is before the run, and what ties the run to it.
#[derive(Default)]
pub(super) struct Output {
    /// What was made for it and its state; it goes before the state's lock does.
    made: Made,
    /// Nobody else has it while it is held: process 0 holds it.
    state: Option<State>,
    /// The same of its folder.
    hold: Option<Hold>,
    /// Whose output it is.
    pub id: String,
    /// What is committed.
    pub committed: Option<Arc<Standing>>,
    /// Runs that have begun, this one among them.
    pub runs: u64,
    /// What they have spent, where there is a state to keep it.
    pub spent: Option<Spent>,
}

impl Output {
    /// Looks at the output, and changes nothing.
    ///
    /// # Errors
    /// If it cannot be gone on with.
    pub(super) fn look(settings: &Settings) -> Result<Output, RunError> {
        let (Some(files), Some(asked)) = (settings.target.files(), &settings.state) else {
            return Ok(Output { id: sink::new_id(), runs: 1, ..Output::default() });
        };
        let state = if settings.timely.process == 0 {
            let version = env!("CARGO_PKG_VERSION");
            let opened =
                State::open(&asked.folder, version, &asked.output_depends_on, sink::new_id);
            Some(opened.map_err(|source| asked.failed(source))?)
        } else {
            None
        };
        let id = match &state {
            Some(state) => Some(state.output().to_owned()),
            None => State::output_in(&asked.folder),
        };
        let spent = Spent::read(&asked.folder, settings.timely.process);
        let spent = Some(spent.map_err(|source| asked.failed(source))?);
        let mut output = Output { state, id: id.unwrap_or_default(), spent, ..Output::default() };
        if files.dir.exists() && !output.id.is_empty() {
            let standing = Standing::read(&files.dir);
            // One that is not ours may be anything.
            let standing = standing.ok().filter(|standing| standing.id == output.id);
            output.committed = standing.map(Arc::new);
        }
        Ok(output)
    }

    /// Makes the output ready in process 0: an empty folder, or one that holds what is committed of this
    /// output and nothing else.
    ///
    /// # Errors
    /// If it is somebody else's, or cannot be written.
    pub(super) fn prepare(&mut self, settings: &Settings) -> Result<(), RunError> {
        #[cfg(feature = "kafka")]
        if let Target::Kafka { outbox, .. } = &settings.target {
            self.made.add(whole::make_folder(&outbox.dir).unwrap_or_default());
            self.committed = sink::resume_outbox(&outbox.dir, &self.id)?.map(Arc::new);
            if self.committed.is_none() {
                self.made.note(outbox.dir.join(MANIFEST));
            }
        }
        if let Target::Files { files, overwrite } = &settings.target {
            // One that cannot be made is the sink's to tell.
            self.made.add(whole::make_folder(&files.dir).unwrap_or_default());
            self.hold = Some(sink::hold(&files.dir)?);
            self.committed = match &self.state {
                Some(state) if !state.is_new() => {
                    sink::resume(&files.dir, &self.id, *overwrite)?.map(Arc::new)
                }
                _ => {
                    sink::prepare(&files.dir, *overwrite)?;
                    None
                }
            };
            if self.committed.is_none() {
                self.made.note(files.dir.join(MANIFEST));
            }
        }
        if let Some(letters) = &settings.dead_letter
            && self.committed.is_none()
            && !letters.exists()
            && matches!(Place::of(letters), Place::File(_))
        {
            self.made.note(letters);
        }
        if let (Some(asked), Some(state)) = (&settings.state, &mut self.state) {
            // From here on the output is this state's, whenever the process ends.
            self.runs = state.begin().map_err(|source| asked.failed(source))?;
            // But not if it is refused yet.
            let mut made = Made::default();
            made.add(state.made());
            made.add(std::mem::take(&mut self.made));
            self.made = made;
        }
        Ok(())
    }

    /// What was made for it and its state: it is removed again if the run does not begin.
    pub(super) fn made(&mut self) -> Made {
        std::mem::take(&mut self.made)
    }

    /// US dollars that the runs before this one have spent.
    pub(super) fn spent(&self) -> f64 {
        self.spent.as_ref().map_or(0.0, Spent::usd)
    }

    /// Where the run begins.
    pub(super) fn beginning(&self) -> Beginning {
        self.committed.as_deref().map(Beginning::after).unwrap_or_default()
    }
}

impl StateSettings {
    pub(super) fn failed(&self, source: StateError) -> RunError {
        RunError::State { folder: self.folder.display().to_string(), source }
    }
}

/// What says where the sources stand, for the commits.
pub(super) fn positions(pace: &Arc<Pace>, lines: Option<&Arc<Lines>>) -> Positions {
    let (pace, lines) = (Arc::clone(pace), lines.cloned());
    Arc::new(move |epoch, _| {
        let sources = match &lines {
            Some(lines) => Sources { lines: lines.position(epoch), ..Sources::default() },
            None => Sources { events: Some(pace.first(epoch)), ..Sources::default() },
        };
        // Numbers and paths can be written.
        serde_json::to_value(sources).unwrap_or_default()
    })
}

/// The same for a topic of Kafka's, which had been read so far before.
#[cfg(feature = "kafka")]
pub(super) fn topic_positions(position: TopicPosition) -> Positions {
    let position = std::sync::Mutex::new(position);
    Arc::new(move |_, notes| {
        let mut position = position.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        position.advance(&notes);
        let sources = Sources { kafka: Some(position.clone()), ..Sources::default() };
        // Numbers and names can be written.
        serde_json::to_value(sources).unwrap_or_default()
    })
}
