//! The sink of a process: its threads, and the handle that workers hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};

use super::committer::{CommitRequest, Committer};
use super::manifest_log::ManifestLog;
use super::outbox::{Outbox, PublishRequest};
use super::syncer::Syncer;
use super::writer::{Writer, WriterMessage};
use super::{CommitStep, Publish, Settings, SinkError};
use crate::state_file::MergeRows;

/// What the threads and the workers of a sink share.
pub(super) struct SinkContext {
    pub settings: Settings,
    /// Bytes that wait for the writer.
    pub waiting: AtomicU64,
    /// Nanoseconds for which the writer was busy, including waits for the disk.
    pub busy: AtomicU64,
    /// Bytes that are committed and not published. Process 0 knows them.
    pub unpublished: AtomicU64,
    /// Why the publisher refuses lines at the moment, while the sink waits for it.
    pub refused: Mutex<Option<String>>,
    /// Held during a commit.
    pub committing: Mutex<()>,
    /// The manifest, in the process that commits. None if there are no files.
    pub manifest: Mutex<Option<ManifestLog>>,
    /// The number of lines that this run committed. Process 0 knows it.
    pub committed: AtomicU64,
    /// The number of bad records that this run committed. Process 0 knows it.
    pub committed_bad: AtomicU64,
    /// The run's last epoch, if it was stopped. A group may extend past it.
    pub last_epoch: AtomicU64,
    /// What merges the stored rows of each stage with state.
    pub merge_rows: Mutex<BTreeMap<String, Arc<dyn MergeRows>>>,
    /// The line that each file of results begins with, if the format has one.
    pub header: OnceLock<Vec<u8>>,
    failed: AtomicBool,
    on_failure: Arc<dyn Fn(SinkError) + Send + Sync>,
}

impl SinkContext {
    /// Reports the first failure. Nothing is committed after it.
    pub(super) fn fail(&self, error: SinkError) {
        if !self.failed.swap(true, Relaxed) {
            (self.on_failure)(error);
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    pub(super) fn step(&self, step: CommitStep) {
        if let Some(on_step) = &self.settings.on_step {
            on_step(step);
        }
    }
}

/// Locks a mutex whose content is consistent even after a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sink of a process. Clones share it, and its threads end with the last clone.
#[derive(Clone)]
pub struct SinkHandle {
    pub(super) shared: Arc<SinkContext>,
    pub(super) writer: Sender<WriterMessage>,
    /// The channel to the committer of the run. Only process 0 uses it.
    pub(super) committer: Sender<CommitRequest>,
    /// The channel to the publisher, if earlier runs have left lines to publish.
    pub(super) leftover: Option<Sender<PublishRequest>>,
}

impl SinkHandle {
    /// Starts the threads. `on_failure` is called with the first error, on the thread that it happened on.
    ///
    /// # Errors
    /// If the system has no threads, or the manifest cannot be opened.
    pub fn start(
        settings: Settings,
        on_failure: Arc<dyn Fn(SinkError) + Send + Sync>,
    ) -> Result<SinkHandle, SinkError> {
        SinkHandle::start_with(settings, None, on_failure)
    }

    /// Starts the sink of an outbox: process 0 publishes committed lines, and then removes them. Only
    /// uncompressed lines of text can be published.
    ///
    /// # Errors
    /// Those of [`SinkHandle::start`], and if nothing can be published.
    pub fn start_publishing(
        settings: Settings,
        publish: Box<dyn Publish>,
        on_failure: Arc<dyn Fn(SinkError) + Send + Sync>,
    ) -> Result<SinkHandle, SinkError> {
        SinkHandle::start_with(settings, Some(publish), on_failure)
    }

    fn start_with(
        settings: Settings,
        publish: Option<Box<dyn Publish>>,
        on_failure: Arc<dyn Fn(SinkError) + Send + Sync>,
    ) -> Result<SinkHandle, SinkError> {
        let folder = settings.folder();
        let process = settings.process;
        let shared = Arc::new(SinkContext {
            settings,
            waiting: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            unpublished: AtomicU64::new(0),
            refused: Mutex::default(),
            committing: Mutex::default(),
            manifest: Mutex::default(),
            committed: AtomicU64::new(0),
            committed_bad: AtomicU64::new(0),
            last_epoch: AtomicU64::new(u64::MAX),
            merge_rows: Mutex::default(),
            header: OnceLock::new(),
            failed: AtomicBool::new(false),
            on_failure,
        });
        let (writer, to_writer) = unbounded();
        let (syncer, to_syncer) = unbounded();
        let (committer, to_committer) = unbounded();
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(format!("floodway-{name}")).spawn(run);
            thread.map(drop).map_err(|error| SinkError::io("start a thread for", &folder, error))
        };
        let writing = Writer::new(Arc::clone(&shared), to_writer, syncer);
        spawn("writer", Box::new(move || writing.run()))?;
        let syncing = Syncer::new(Arc::clone(&shared), to_syncer);
        spawn("syncer", Box::new(move || syncing.run()))?;
        let mut leftover = None;
        if process == 0 {
            let mut to_outbox = None;
            if let Some(publish) = publish {
                let resumed = shared.settings.resumed.clone();
                let (sender, inbox) = unbounded();
                let outbox = Outbox::open(Arc::clone(&shared), inbox, publish, resumed.as_deref())?;
                leftover = outbox.has_leftover().then(|| sender.clone());
                spawn("publisher", Box::new(move || outbox.run()))?;
                to_outbox = Some(sender);
            }
            let committing = Committer::open(Arc::clone(&shared), to_committer, to_outbox)?;
            spawn("committer", Box::new(move || committing.run()))?;
        }
        Ok(SinkHandle { shared, writer, committer, leftover })
    }

    /// Ends the run with `epoch`, although its input continues. No commit says that it has come further.
    pub fn stop_after(&self, epoch: u64) {
        self.shared.last_epoch.store(epoch, Relaxed);
    }

    /// Stops committing, and gives up what is not committed. Waits up to `wait` for a commit that has begun; one that
    /// takes longer may still be completed.
    ///
    /// # Errors
    /// If committed lines could not be published.
    pub fn give_up(&self, wait: Duration) -> Result<(), SinkError> {
        self.shared.failed.store(true, Relaxed);
        let began = Instant::now();
        while self.shared.committing.try_lock().is_err() && began.elapsed() < wait {
            thread::sleep(Duration::from_millis(1));
        }
        let why = lock(&self.shared.refused).take();
        if why.is_none() && self.shared.unpublished.load(Relaxed) == 0 {
            return Ok(());
        }
        let why = why.unwrap_or_else(|| "it takes longer than the end may".to_owned());
        Err(SinkError::Unpublished { why })
    }

    /// Checks at the end of a run that the manifest still is what the run wrote, because no later commit checks it.
    /// It is not checked while a commit is writing to it.
    ///
    /// # Errors
    /// If somebody else has removed, replaced, cut or written to it.
    pub fn is_intact(&self) -> Result<(), SinkError> {
        match self.shared.manifest.try_lock().as_deref() {
            Ok(Some(manifest)) => manifest.is_intact(),
            _ => Ok(()),
        }
    }

    /// Whether sources should wait, because too many bytes wait for the writer or to be published.
    pub fn is_full(&self) -> bool {
        let settings = &self.shared.settings;
        self.waiting_bytes() > settings.max_waiting_bytes
            || self.shared.unpublished.load(Relaxed) > settings.max_unpublished_bytes
    }

    /// Adds a stage with state. `merge_rows` merges what is stored of it.
    pub(crate) fn add_state(&self, stage: &str, merge_rows: Arc<dyn MergeRows>) {
        // All workers add the same.
        lock(&self.shared.merge_rows).insert(stage.to_owned(), merge_rows);
    }

    /// Ends the run with an error. Nothing is committed after it.
    pub(crate) fn fail(&self, error: SinkError) {
        self.shared.fail(error);
    }

    /// Sets the line that each file begins with. Called before the first results are written.
    pub(crate) fn set_header(&self, header: Vec<u8>) {
        // All workers set the same one.
        let _ = self.shared.header.set(header);
    }

    /// Whether each line has a key before a tab.
    pub(crate) fn is_keyed(&self) -> bool {
        self.shared.settings.files.as_ref().is_some_and(|files| files.keyed)
    }

    /// Returns the number of lines that this run committed, in the process that commits.
    pub fn committed_records(&self) -> u64 {
        self.shared.committed.load(Relaxed)
    }

    /// Returns the number of bad records in the epochs that this run committed, in the process that commits.
    pub fn committed_bad(&self) -> u64 {
        self.shared.committed_bad.load(Relaxed)
    }

    /// Returns the number of bytes that wait for the writer.
    pub fn waiting_bytes(&self) -> u64 {
        self.shared.waiting.load(Relaxed)
    }

    /// Returns the number of bytes that are committed and not published, and whether the publisher refuses
    /// lines at the moment. Only the process that publishes knows them.
    pub fn unpublished(&self) -> (u64, bool) {
        (self.shared.unpublished.load(Relaxed), lock(&self.shared.refused).is_some())
    }

    /// Returns the nanoseconds for which the writer was busy, including waits for the disk.
    pub fn writer_busy_ns(&self) -> u64 {
        self.shared.busy.load(Relaxed)
    }
}
