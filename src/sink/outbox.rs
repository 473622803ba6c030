//! The outbox publishes the lines of committed files, each once, in the order of the manifest.
//!
//! The destination records how many lines it has taken, in the transaction that takes them. The manifest says which
//! lines there are. So a run that resumes, whatever ended the one before, continues after that many lines. Published
//! files are removed, except those of the newest commit that has any: a resumed run recognises its folder by them.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use memchr::{memchr, memchr_iter, memrchr};
use timely::scheduling::SyncActivator;

use super::handle::{SinkContext, lock};
use super::manifest::CommittedFile;
use super::prepare::{names, remove};
use super::{CommittedState, Publish, PublishError, SinkError};

/// A request of the committer to publish a commit.
pub(super) struct PublishRequest {
    pub files: Vec<CommittedFile>,
    pub up_to_epoch: u64,
    /// The channel that receives the published epoch, and the waker of its worker.
    pub done: Sender<u64>,
    pub wake: Arc<SyncActivator>,
}

/// The thread that publishes committed lines.
pub(super) struct Outbox {
    shared: Arc<SinkContext>,
    inbox: Receiver<PublishRequest>,
    folder: PathBuf,
    publish: Box<dyn Publish>,
    /// Files of earlier runs with lines that are not published.
    pending: VecDeque<CommittedFile>,
    /// The number of lines in earlier files.
    before: u64,
    /// The number of lines that were published.
    taken: u64,
    /// Files that are published. They stay until another commit is published.
    published: Vec<CommittedFile>,
    /// Whole lines for the next transaction.
    lines: Vec<u8>,
    last_warning: Option<Instant>,
}

/// The approximate number of bytes in one transaction. A smaller one makes more transactions, each of which
/// takes some milliseconds; a larger one takes more memory.
const TRANSACTION_BYTES: usize = 8 << 20;

/// The number of bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// The first and the longest wait before another try.
const BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The interval of calls to [`Publish::idle`].
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// The interval of warnings that nothing can be published.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

impl Outbox {
    /// Finds the first line that is not published, among those that `resumed` has.
    pub(super) fn open(
        shared: Arc<SinkContext>,
        inbox: Receiver<PublishRequest>,
        mut publish: Box<dyn Publish>,
        resumed: Option<&CommittedState>,
    ) -> Result<Self, SinkError> {
        let folder = shared.settings.folder();
        let taken = publish.taken();
        let taken = taken.map_err(|error| SinkError::publish(publish.name(), error))?;
        let has = resumed.map_or(0, CommittedState::records);
        if taken > has {
            let to = publish.name();
            return Err(SinkError::Outrun { folder, to, taken, has });
        }
        let mut outbox = Outbox {
            shared,
            inbox,
            folder,
            publish,
            pending: VecDeque::new(),
            before: 0,
            taken,
            published: Vec::new(),
            lines: Vec::new(),
            last_warning: None,
        };
        if let Some(resumed) = resumed {
            outbox.find_leftover(resumed)?;
        }
        Ok(outbox)
    }

    /// Reads the commits of earlier runs: removes published files, except those of the newest commit that has
    /// any, and collects the others.
    fn find_leftover(&mut self, resumed: &CommittedState) -> Result<(), SinkError> {
        let folder = self.folder.clone();
        let there: HashSet<String> = names(&folder)?.into_iter().collect();
        CommittedState::fold(&folder, |commit| {
            if commit.commit >= resumed.commits {
                return Ok(());
            }
            let records = commit.files.iter().map(|file| file.records).sum::<u64>();
            if self.pending.is_empty() {
                // Commits before it may have been left out of the manifest.
                self.before = commit.total_records.saturating_sub(records);
            }
            for file in &commit.files {
                if !self.pending.is_empty() || self.before + file.records > self.taken {
                    self.unpublished(file.bytes);
                    self.pending.push_back(file.clone());
                } else {
                    self.before += file.records;
                    if Some(commit.commit) == resumed.newest {
                        self.published.push(file.clone());
                    } else if there.contains(&file.name) {
                        self.remove(file)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Whether earlier runs have left lines to publish.
    pub(super) fn has_leftover(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn run(mut self) {
        if let Err(error) = self.run_until_done() {
            self.shared.fail(error);
        }
    }

    fn run_until_done(&mut self) -> Result<(), SinkError> {
        let pending: Vec<_> = self.pending.drain(..).collect();
        self.publish_files(&pending)?;
        // Some of them may be of the newest commit, as those may be that are kept already.
        self.published.extend(pending);
        self.pause()?;
        loop {
            let PublishRequest { files, up_to_epoch, done, wake } =
                match self.inbox.recv_timeout(IDLE_INTERVAL) {
                    Ok(commit) => commit,
                    Err(RecvTimeoutError::Timeout) => {
                        self.publish.idle();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                };
            self.publish_files(&files)?;
            if !files.is_empty() {
                for file in std::mem::replace(&mut self.published, files) {
                    self.remove(&file)?;
                }
            }
            if self.inbox.is_empty() {
                self.pause()?;
            }
            // A worker that has ended needs no message.
            let _ = done.send(up_to_epoch);
            let _ = wake.activate();
        }
    }

    /// Publishes the lines of the next files that are not published.
    fn publish_files(&mut self, files: &[CommittedFile]) -> Result<(), SinkError> {
        for file in files {
            let skip = self.taken.saturating_sub(self.before).min(file.records);
            self.read(&self.folder.join(&file.name), skip)?;
            self.before += file.records;
        }
        self.flush()?;
        let published = files.iter().map(|file| file.bytes).sum();
        self.shared.unpublished.fetch_sub(published, Relaxed);
        Ok(())
    }

    /// Reads a file's lines except the first `skip`, and publishes a transaction whenever there are enough.
    fn read(&mut self, path: &Path, mut skip: u64) -> Result<(), SinkError> {
        let failed = |error| SinkError::io("read", path, error);
        let mut file = File::open(path).map_err(failed)?;
        let mut block = vec![0; READ_BYTES];
        loop {
            let mut bytes = match file.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(read) => &block[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            while skip > 0 && !bytes.is_empty() {
                let end = memchr(b'\n', bytes);
                skip -= u64::from(end.is_some());
                bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
            }
            self.lines.extend_from_slice(bytes);
            if self.lines.len() >= TRANSACTION_BYTES {
                self.flush()?;
            }
        }
    }

    /// Publishes the whole lines that were read.
    fn flush(&mut self) -> Result<(), SinkError> {
        let Some(last) = memrchr(b'\n', &self.lines) else { return Ok(()) };
        let rest = self.lines.split_off(last + 1);
        let lines = std::mem::replace(&mut self.lines, rest);
        let up_to = self.taken + memchr_iter(b'\n', &lines).count() as u64;
        let mut wait = BACKOFF;
        while let Err(error) = self.publish.publish(&lines, up_to) {
            self.handle_error(error)?;
            let taken = loop {
                thread::sleep(wait);
                wait = (2 * wait).min(MAX_BACKOFF);
                match self.publish.taken() {
                    Ok(taken) => break taken,
                    Err(error) => self.handle_error(error)?,
                }
            };
            if taken == up_to {
                break;
            }
            if taken != self.taken {
                let (folder, to) = (self.folder.clone(), self.publish.name());
                return Err(SinkError::Outrun { folder, to, taken, has: self.taken });
            }
        }
        self.last_warning = None;
        *lock(&self.shared.refused) = None;
        self.taken = up_to;
        Ok(())
    }

    /// Waits after a transient error, for as long as the run lasts.
    fn handle_error(&mut self, error: PublishError) -> Result<(), SinkError> {
        let to = self.publish.name();
        let why = match error {
            PublishError::Transient(why) => why,
            error => return Err(SinkError::publish(to, error)),
        };
        *lock(&self.shared.refused) = Some(format!("{to}: {why}"));
        if self.last_warning.is_none_or(|last_warning| last_warning.elapsed() >= WARN_INTERVAL) {
            self.last_warning = Some(Instant::now());
            tracing::warn!("{to} is waited for: {why}");
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), SinkError> {
        let rested = self.publish.pause();
        rested.map_err(|error| SinkError::publish(self.publish.name(), error))
    }

    fn unpublished(&self, bytes: u64) {
        self.shared.unpublished.fetch_add(bytes, Relaxed);
    }

    fn remove(&self, file: &CommittedFile) -> Result<(), SinkError> {
        remove(&self.shared.settings.disk, &self.folder.join(&file.name))
    }
}
