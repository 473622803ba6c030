//! What every sink is: a description that the command line makes, and what a run asks of it.

use std::fmt::Debug;
use std::path::Path;

use super::{CommittedState, DirLock, Files, MANIFEST, Publish, SinkError, resume_outbox};
use crate::atomic_file::create_dir_durable;
use crate::cleanup_guard::CleanupGuard;

/// A kind of sink with its options. It is all that a run knows of its output.
///
/// All sinks share one commit, that of files: [`SinkHandle`](super::SinkHandle) writes, commits and recovers
/// them. A sink says where these files are, and what happens with their lines once they are committed.
pub trait Sink: Debug + Send + Sync {
    /// Returns the name of the output for messages, such as its folder. None if results are not kept.
    fn name(&self) -> Option<String>;

    /// Returns the files in which results are committed, with their format. None if results are counted and
    /// not kept.
    fn files(&self) -> Option<&Files>;

    /// Returns where the output is and what it is like, as far as all processes of a run must agree on it.
    fn description(&self) -> String;

    /// Returns what must be the same when the run is resumed, besides the output itself: a name, as errors say
    /// it, and the value.
    fn output_depends_on(&self) -> Option<(&'static str, String)> {
        None
    }

    /// Returns what is committed of the output `id`: the position from which a run resumes. Nothing is changed.
    fn committed(&self, id: &str) -> Option<CommittedState> {
        let dir = &self.files()?.dir;
        if id.is_empty() || !dir.exists() {
            return None;
        }
        // One that is not ours may be anything.
        CommittedState::read(dir).ok().filter(|committed| committed.id == id)
    }

    /// Opens the destination to which the committed lines of the output `id` are published, if there is one.
    /// Process 0 calls it before [`Sink::prepare`].
    ///
    /// # Errors
    /// If lines cannot be published there.
    fn open(&self, id: &str) -> Result<Option<Box<dyn Publish>>, SinkError> {
        let _ = id;
        Ok(None)
    }

    /// Whether a new output may replace what another one has left.
    fn replaces(&self) -> bool {
        false
    }

    /// Makes the folder of the files ready in process 0. It holds what is committed of the output `id` and
    /// nothing else, or no output yet. No earlier run has begun an output that `is_new`.
    ///
    /// # Errors
    /// If the folder cannot be used, or belongs to another run.
    fn prepare(&self, id: &str, is_new: bool) -> Result<Prepared, SinkError>;
}

/// What a sink has prepared.
#[derive(Default)]
pub struct Prepared {
    /// What was created. It is removed if the run is refused, and before the folder's lock is released.
    pub(crate) created: CleanupGuard,
    /// The lock on the folder, if another run may use it.
    pub(crate) lock: Option<DirLock>,
    /// What is committed, if an earlier run has begun the output.
    pub(crate) committed: Option<CommittedState>,
}

impl Prepared {
    /// Creates the folder of files. One that cannot be created is reported by what is done with it next.
    pub(super) fn folder(dir: &Path) -> Self {
        Prepared { created: create_dir_durable(dir).unwrap_or_default(), ..Prepared::default() }
    }

    /// Sets what is committed. The manifest of an output that begins now is the run's to create.
    pub(super) fn committed(mut self, dir: &Path, committed: Option<CommittedState>) -> Self {
        if committed.is_none() {
            self.created.track(dir.join(MANIFEST));
        }
        Prepared { committed, ..self }
    }

    /// Prepares the files of a sink that publishes their lines and then removes them.
    ///
    /// # Errors
    /// If the folder cannot be used, or belongs to another output.
    pub fn outbox(files: &Files, id: &str) -> Result<Prepared, SinkError> {
        let prepared = Prepared::folder(&files.dir);
        let committed = resume_outbox(&files.dir, id)?;
        Ok(prepared.committed(&files.dir, committed))
    }
}
