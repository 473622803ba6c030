//! The committer thread of process 0. One record, appended to the manifest and synced, is the commit.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::{Receiver, Sender};
use serde_json::Value;
use timely::scheduling::SyncActivator;

use super::dead_letter::DeadLetterFile;
use super::handle::{SinkContext, lock};
use super::json_diff::diff;
use super::manifest::{Commit, CommittedFile};
use super::manifest_log::ManifestLog;
use super::outbox::PublishRequest;
use super::prepare::{remove, rename, sync_folder};
use super::settings::ZSTD;
use super::state_compactor::StateCompactor;
use super::writer::{FinishedFile, Kind};
use super::{CommitStep, CommittedState, Note, SinkError, StateChange, StateFile};

/// A request of worker 0 to the committer: all processes have reported everything up to an epoch.
pub(super) struct CommitRequest {
    pub up_to_epoch: u64,
    pub files: Vec<FinishedFile>,
    /// The number of bad records of these epochs.
    pub bad: u64,
    /// The notes of the sources on these epochs.
    pub notes: Vec<Note>,
    /// The channel that receives the committed epoch, and the waker of its worker.
    pub done: Sender<u64>,
    pub wake: Arc<SyncActivator>,
}

pub(super) struct Committer {
    shared: Arc<SinkContext>,
    inbox: Receiver<CommitRequest>,
    folder: PathBuf,
    dead_letters: Option<DeadLetterFile>,
    /// The channel to the publisher, if committed lines are published.
    outbox: Option<Sender<PublishRequest>>,
    dead_letters_at: u64,
    /// What is committed.
    committed_state: CommittedState,
    state_compactor: StateCompactor,
}

impl Committer {
    /// Opens a new manifest, or the one that this run continues.
    pub(super) fn open(
        shared: Arc<SinkContext>,
        inbox: Receiver<CommitRequest>,
        outbox: Option<Sender<PublishRequest>>,
    ) -> Result<Self, SinkError> {
        let folder = shared.settings.folder();
        let resumed = shared.settings.resumed.clone();
        let (disk, syncs) = (shared.settings.disk.clone(), shared.settings.syncs());
        let committed_state = match resumed {
            Some(resumed) if resumed.complete_bytes > 0 => (*resumed).clone(),
            _ => CommittedState { id: shared.settings.id.clone(), ..CommittedState::default() },
        };
        if shared.settings.files.is_some() {
            *lock(&shared.manifest) =
                Some(ManifestLog::open(&disk, &folder, &committed_state, syncs)?);
        }
        let mut dead_letters = match &shared.settings.dead_letter {
            Some(path) => Some(DeadLetterFile::open(&disk, path, syncs)?),
            None => None,
        };
        let dead_letters_at = match (&mut dead_letters, &committed_state.last) {
            (None, _) => 0,
            (Some(_), Some(last)) => last.dead_letters_at,
            (Some(letters), None) => {
                letters.begin_anew()?;
                0
            }
        };
        let state_compactor = StateCompactor::start(&shared, folder.clone())?;
        let mut committer = Committer {
            inbox,
            state_compactor,
            folder,
            dead_letters,
            outbox,
            dead_letters_at,
            committed_state,
            shared,
        };
        if let Some(last) = committer.committed_state.last.clone() {
            committer.reappend_dead_letters(&last)?;
        }
        Ok(committer)
    }

    pub(super) fn run(mut self) {
        while let Ok(mut next) = self.inbox.recv() {
            // Requests that have arrived in the meantime are committed by the same record and sync.
            for later in self.inbox.try_iter() {
                next.files.extend(later.files);
                next.bad += later.bad;
                next.notes.extend(later.notes);
                next.up_to_epoch = later.up_to_epoch;
            }
            let shared = Arc::clone(&self.shared);
            let _committing = lock(&shared.committing);
            if shared.has_failed() {
                continue;
            }
            let CommitRequest { up_to_epoch, files, bad, notes, done, wake } = next;
            match self.commit(up_to_epoch, files, bad, notes) {
                Ok(files) => self.notify(files, up_to_epoch, done, wake),
                Err(error) => self.shared.fail(error),
            }
        }
    }

    /// Tells the worker what is committed. If the output is published, the publisher does so later.
    fn notify(
        &self,
        files: Vec<CommittedFile>,
        up_to_epoch: u64,
        done: Sender<u64>,
        wake: Arc<SyncActivator>,
    ) {
        if let Some(outbox) = &self.outbox {
            let bytes = files.iter().map(|file| file.bytes).sum();
            self.shared.unpublished.fetch_add(bytes, Relaxed);
            // A publisher that has failed has reported it.
            let _ = outbox.send(PublishRequest { files, up_to_epoch, done, wake });
            return;
        }
        // A worker that has ended needs no message.
        let _ = done.send(up_to_epoch);
        let _ = wake.activate();
    }

    fn commit(
        &mut self,
        up_to_epoch: u64,
        files: Vec<FinishedFile>,
        bad: u64,
        notes: Vec<Note>,
    ) -> Result<Vec<CommittedFile>, SinkError> {
        let number = self.committed_state.commits;
        let up_to_epoch = up_to_epoch.min(self.shared.last_epoch.load(Relaxed));
        let (mut parts, mut dead, mut state) = (Vec::new(), Vec::new(), StateChange::default());
        for (index, file) in files.into_iter().enumerate() {
            let suffix = if file.name.ends_with(ZSTD) { ZSTD } else { "" };
            let name = format!("part-{number:06}-{:03}-{index:03}{suffix}", file.process);
            let FinishedFile { kind, name: temporary, bytes, records, .. } = file;
            match kind {
                Kind::Part => parts.push(CommittedFile { name, temporary, bytes, records }),
                Kind::Dead => dead.push(CommittedFile { name, temporary, bytes, records }),
                Kind::State => state.add.push(StateFile { name: temporary, bytes, rows: records }),
            }
        }
        let records = parts.iter().map(|file| file.records).sum::<u64>();
        let sources = match &self.shared.settings.positions {
            Some(of) => of(up_to_epoch + 1, notes).ok_or(SinkError::NoPosition)?,
            None => Value::Null,
        };
        let merged = self.state_compactor.merged().unwrap_or_default();
        state.add.extend(merged.add);
        state.drop.clone_from(&merged.drop);
        let commit = Commit {
            commit: number,
            up_to_epoch,
            files: parts,
            dead_letters: dead,
            dead_letters_at: self.dead_letters_at,
            total_records: self.committed_state.records() + records,
            total_bad: self.committed_state.bad() + bad,
            sources,
            sources_changed: Value::Null,
            state,
        };
        let disk = self.shared.settings.disk.clone();
        if self.shared.settings.syncs() {
            // The temporary files' names must be on the disk before the record that names them, and
            // the manifest's own with the first.
            sync_folder(&disk, &self.folder)?;
        }
        let commit = self.append(commit)?;
        self.shared.committed.fetch_add(records, Relaxed);
        self.shared.committed_bad.fetch_add(bad, Relaxed);
        self.shared.step(CommitStep::RecordAppended);
        for file in &commit.files {
            if !rename(&disk, &self.folder, file)? {
                let gone = io::ErrorKind::NotFound.into();
                return Err(SinkError::io("rename", &self.folder.join(&file.temporary), gone));
            }
            self.shared.step(CommitStep::FileRenamed);
        }
        if self.shared.settings.syncs() && !commit.files.is_empty() {
            sync_folder(&disk, &self.folder)?;
            self.shared.step(CommitStep::FolderSynced);
        }
        self.append_dead_letters(&commit)?;
        // No commit names them any more.
        merged.drop.iter().try_for_each(|name| remove(&disk, &self.folder.join(name)))?;
        self.state_compactor.look(&self.committed_state.state);
        let files = commit.files.clone();
        self.committed_state.commits += 1;
        self.committed_state.last = Some(commit);
        if let Some(manifest) = &mut *lock(&self.shared.manifest) {
            manifest.compact_if_long(&disk, &self.folder, &self.committed_state)?;
        }
        Ok(files)
    }

    /// Appends the bad records to the dead-letter file.
    fn append_dead_letters(&mut self, commit: &Commit) -> Result<(), SinkError> {
        if commit.dead_letters.is_empty() {
            return Ok(());
        }
        if let Some(letters) = &mut self.dead_letters {
            letters.append(&self.folder, commit)?;
            self.dead_letters_at = commit.dead_letters_end();
        }
        self.remove_temporary(commit)?;
        self.shared.step(CommitStep::DeadLettersAppended);
        Ok(())
    }

    /// Appends the bad records of the last commit of the run before, if that run did not. Its temporary files are
    /// removed after all of them were appended, so if one is missing, all were appended.
    fn reappend_dead_letters(&mut self, last: &Commit) -> Result<(), SinkError> {
        let is_there = |file: &CommittedFile| self.folder.join(&file.temporary).exists();
        let Some(letters) = &self.dead_letters else { return self.remove_temporary(last) };
        if last.dead_letters.iter().all(is_there) {
            letters.check_length(last.dead_letters_at)?;
            return self.append_dead_letters(last);
        }
        self.dead_letters_at = last.dead_letters_end();
        letters.check_length(self.dead_letters_at)?;
        self.remove_temporary(last)
    }

    fn remove_temporary(&self, commit: &Commit) -> Result<(), SinkError> {
        let mut paths = commit.dead_letters.iter().map(|dead| self.folder.join(&dead.temporary));
        paths.try_for_each(|path| remove(&self.shared.settings.disk, &path))
    }

    /// Writes the line of a commit, with the changes of the sources' positions.
    fn append(&mut self, mut commit: Commit) -> Result<Commit, SinkError> {
        let mut manifest = lock(&self.shared.manifest);
        let Some(manifest) = &mut *manifest else { return Ok(commit) };
        let sources = commit.sources.take();
        if self.committed_state.sources.is_null() {
            commit.sources = sources.clone();
        } else {
            commit.sources_changed = diff(&self.committed_state.sources, &sources);
        }
        manifest.append(&commit.line())?;
        (commit.sources, commit.sources_changed) = Default::default();
        self.committed_state.take_state(std::mem::take(&mut commit.state));
        self.committed_state.sources = sources;
        if !commit.files.is_empty() {
            self.committed_state.newest = Some(commit.commit);
        }
        Ok(commit)
    }
}
