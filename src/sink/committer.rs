//! The committer thread of process 0: one record, synced, is the commit.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::{Receiver, Sender};
use timely::scheduling::SyncActivator;

use super::handle::Shared;
use super::manifest::{Commit, CommittedFile, Header, MANIFEST, VERSION};
use super::prepare::{remove, rename, sync_folder};
use super::writer::{Finished, Kind};
use super::{SinkError, Step, Target};

/// What worker 0 tells the committer: everything up to an epoch is reported by all processes.
pub(super) struct ToCommitter {
    pub up_to_epoch: u64,
    pub files: Vec<Finished>,
    /// Bad records of these epochs.
    pub bad: u64,
    /// Where it is told what is committed, and how it is woken.
    pub done: Sender<u64>,
    pub wake: Arc<SyncActivator>,
}

pub(super) struct Committer {
    shared: Arc<Shared>,
    inbox: Receiver<ToCommitter>,
    folder: PathBuf,
    /// None where there are no files.
    manifest: Option<(PathBuf, File)>,
    dead_letters: Option<(PathBuf, File)>,
    dead_letters_at: u64,
    commits: u64,
    total_records: u64,
    total_bad: u64,
}

impl Committer {
    /// Opens the manifest, a new one or one that this run goes on with.
    pub(super) fn open(
        shared: Arc<Shared>,
        inbox: Receiver<ToCommitter>,
    ) -> Result<Self, SinkError> {
        let folder = shared.settings.folder();
        let resumed = shared.settings.resumed.clone().unwrap_or_default();
        let manifest = match shared.settings.target {
            Target::Files { .. } => {
                let path = folder.join(MANIFEST);
                // What is past its whole lines is a commit that never was.
                let file = open(&path, Some(resumed.whole_bytes))?;
                Some((path, file))
            }
            Target::Null => None,
        };
        let dead_letters = match &shared.settings.dead_letter {
            Some(path) => Some((path.clone(), open(path, None)?)),
            None => None,
        };
        let dead_letters_at = match (&dead_letters, resumed.commits.last()) {
            (None, _) => 0,
            (Some(_), Some(last)) => last.dead_letters_at,
            (Some((path, file)), None) => {
                file.metadata().map_err(|error| SinkError::io("look at", path, error))?.len()
            }
        };
        let mut committer = Committer {
            inbox,
            folder,
            manifest,
            dead_letters,
            dead_letters_at,
            commits: resumed.commits.len() as u64,
            total_records: resumed.records(),
            total_bad: resumed.bad(),
            shared,
        };
        if resumed.whole_bytes == 0 {
            let id = committer.shared.settings.id.clone();
            let header = serde_json::to_vec(&Header { floodway_manifest: VERSION, id });
            committer.append_line(header.unwrap_or_default())?;
        }
        if let Some(last) = resumed.commits.last() {
            committer.append_dead_letters_again(last)?;
        }
        Ok(committer)
    }

    pub(super) fn run(mut self) {
        while let Ok(mut next) = self.inbox.recv() {
            // What has come in the meantime is committed with it: one record, one sync.
            for later in self.inbox.try_iter() {
                next.files.extend(later.files);
                next.bad += later.bad;
                next.up_to_epoch = later.up_to_epoch;
            }
            if self.shared.has_failed() {
                continue;
            }
            match self.commit(next.up_to_epoch, std::mem::take(&mut next.files), next.bad) {
                Ok(()) => {
                    // A worker that is gone needs no word.
                    let _ = next.done.send(next.up_to_epoch);
                    let _ = next.wake.activate();
                }
                Err(error) => self.shared.fail(error),
            }
        }
    }

    fn commit(
        &mut self,
        up_to_epoch: u64,
        files: Vec<Finished>,
        bad: u64,
    ) -> Result<(), SinkError> {
        let number = self.commits;
        let up_to_epoch = up_to_epoch.min(self.shared.last_epoch.load(Relaxed));
        let (mut parts, mut dead) = (Vec::new(), Vec::new());
        for (index, file) in files.into_iter().enumerate() {
            let name = format!("part-{number:06}-{:03}-{index:03}", file.process);
            let Finished { kind, name: temporary, bytes, records, .. } = file;
            let of_kind = if kind == Kind::Part { &mut parts } else { &mut dead };
            of_kind.push(CommittedFile { name, temporary, bytes, records });
        }
        let records = parts.iter().map(|file| file.records).sum::<u64>();
        self.total_records += records;
        self.total_bad += bad;
        let positions = self.shared.settings.positions.as_ref();
        let commit = Commit {
            commit: number,
            up_to_epoch,
            files: parts,
            dead_letters: dead,
            dead_letters_at: self.dead_letters_at,
            total_records: self.total_records,
            total_bad: self.total_bad,
            sources: positions.map_or(serde_json::Value::Null, |of| of(up_to_epoch + 1)),
        };
        if self.shared.settings.syncs() {
            // The temporary files' names must be on the disk before the record that names them.
            sync_folder(&self.folder)?;
        }
        // Numbers and names can be written.
        self.append_line(serde_json::to_vec(&commit).unwrap_or_default())?;
        self.shared.committed.fetch_add(records, Relaxed);
        self.shared.committed_bad.fetch_add(bad, Relaxed);
        self.shared.step(Step::RecordAppended);
        self.commits += 1;
        for file in &commit.files {
            rename(&self.folder, file)?;
            self.shared.step(Step::FileRenamed);
        }
        if self.shared.settings.syncs() && !commit.files.is_empty() {
            sync_folder(&self.folder)?;
            self.shared.step(Step::FolderSynced);
        }
        self.append_dead_letters(&commit)
    }

    /// Appends the bad records to their file: at the offset that the record names, so that doing it
    /// again after a crash does it once.
    fn append_dead_letters(&mut self, commit: &Commit) -> Result<(), SinkError> {
        if commit.dead_letters.is_empty() {
            return Ok(());
        }
        if let Some((path, file)) = &mut self.dead_letters {
            let error = |error| SinkError::io("append dead letters to", path, error);
            file.set_len(commit.dead_letters_at).map_err(error)?;
            file.seek(SeekFrom::Start(commit.dead_letters_at)).map_err(error)?;
            for dead in &commit.dead_letters {
                let mut bytes = Vec::new();
                let temporary = self.folder.join(&dead.temporary);
                File::open(&temporary)
                    .and_then(|mut file| file.read_to_end(&mut bytes))
                    .map_err(|error| SinkError::io("read", &temporary, error))?;
                file.write_all(&bytes).map_err(error)?;
                self.dead_letters_at += bytes.len() as u64;
            }
            if self.shared.settings.syncs() {
                file.sync_all().map_err(error)?;
            }
        }
        for dead in &commit.dead_letters {
            remove(&self.folder.join(&dead.temporary))?;
        }
        self.shared.step(Step::DeadLettersAppended);
        Ok(())
    }

    /// Does so for the last commit of the run before, as far as it had come. A letter that is gone
    /// was appended: they are removed after all of them were.
    fn append_dead_letters_again(&mut self, last: &Commit) -> Result<(), SinkError> {
        let bytes: u64 = last.dead_letters.iter().map(|file| file.bytes).sum();
        let is_there = |file: &CommittedFile| self.folder.join(&file.temporary).exists();
        if self.dead_letters.is_none() || !last.dead_letters.iter().all(is_there) {
            for dead in &last.dead_letters {
                remove(&self.folder.join(&dead.temporary))?;
            }
            self.dead_letters_at = last.dead_letters_at + bytes;
            return Ok(());
        }
        self.append_dead_letters(last)
    }

    fn append_line(&mut self, mut line: Vec<u8>) -> Result<(), SinkError> {
        let Some((path, file)) = &mut self.manifest else { return Ok(()) };
        line.push(b'\n');
        let written = file
            .write_all(&line)
            .and_then(|()| if self.shared.settings.syncs() { file.sync_all() } else { Ok(()) });
        written.map_err(|error: io::Error| SinkError::io("commit to", path, error))
    }
}

/// Opens a file to append to; it is cut to `length` if one is given.
fn open(path: &Path, length: Option<u64>) -> Result<File, SinkError> {
    let error = |error| SinkError::io("write to", path, error);
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false).read(true);
    let mut file = options.open(path).map_err(error)?;
    if let Some(length) = length {
        file.set_len(length).map_err(error)?;
    }
    file.seek(SeekFrom::End(0)).map_err(error)?;
    Ok(file)
}
