//! The writer thread: the only one that writes results.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use serde::{Deserialize, Serialize};

use super::file::{PartFile, Stages};
use super::handle::Shared;
use super::syncer::{SyncedPort, ToSyncer};
use super::{SinkError, Target};

/// What workers tell the writer.
pub(super) enum ToWriter {
    /// Bytes of a group, with the records in them, from a worker.
    Append { group: u64, kind: Kind, bytes: Vec<u8>, records: u64, from: usize },
    /// A worker has nothing more of this group and those before.
    Closed { through: u64, from: usize },
    /// How a worker is told of what is synced, and where it takes emptied buffers from.
    Port { from: usize, port: SyncedPort, emptied: Sender<Vec<u8>> },
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Results.
    Part,
    /// Bad records.
    Dead,
}

/// A temporary file that is complete and, if it is to be, synced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finished {
    pub kind: Kind,
    /// Its name in the folder.
    pub name: String,
    pub process: usize,
    pub bytes: u64,
    pub records: u64,
}

struct Open {
    file: PartFile,
    path: PathBuf,
    began: Instant,
    /// Bytes that the syncer has not been told of.
    unsynced: u64,
    finished: Finished,
}

/// A file that nothing is written to any more.
pub(super) struct Ended {
    pub file: File,
    pub path: PathBuf,
    pub finished: Finished,
}

impl Open {
    fn end(self, stages: &mut Stages) -> Result<Ended, SinkError> {
        let Open { file, path, finished, .. } = self;
        match file.finish(stages) {
            Ok(file) => Ok(Ended { file, path, finished }),
            Err(error) => Err(SinkError::io("write to", &path, error)),
        }
    }
}

/// What leads back to a worker.
struct Ends {
    port: SyncedPort,
    emptied: Sender<Vec<u8>>,
}

#[derive(Default)]
struct Group {
    open: BTreeMap<Kind, Open>,
    ended: Vec<Ended>,
    /// The first worker that wrote: it has the group's capability, and reports the files.
    reporter: usize,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    inbox: Receiver<ToWriter>,
    syncer: Sender<ToSyncer>,
    folder: PathBuf,
    groups: BTreeMap<u64, Group>,
    /// Each worker's closed groups: one past the last.
    closed: Vec<u64>,
    workers: Vec<Option<Ends>>,
    files: u64,
    /// In the names of its files: a process that was killed and one that takes its place may, for a
    /// moment, both write.
    run: u32,
    stages: Stages,
}

/// Bytes after which the syncer begins with a file that is still written, so that a commit has
/// little left to wait for.
const SYNC_EARLY: u64 = 16 << 20;

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: Receiver<ToWriter>,
        syncer: Sender<ToSyncer>,
    ) -> Self {
        let workers = shared.settings.workers;
        Writer {
            folder: shared.settings.folder(),
            shared,
            inbox,
            syncer,
            groups: BTreeMap::new(),
            closed: vec![0; workers],
            workers: (0..workers).map(|_| None).collect(),
            files: 0,
            run: rand::random(),
            stages: Stages::default(),
        }
    }

    pub(super) fn run(mut self) {
        while let Ok(message) = self.inbox.recv() {
            let result = match message {
                ToWriter::Append { group, kind, mut bytes, records, from } => {
                    let result = self.append(group, kind, &bytes, records, from);
                    self.shared.waiting.fetch_sub(bytes.len() as u64, Relaxed);
                    if let Some(worker) = &self.workers[from] {
                        bytes.clear();
                        // One that has enough lets this one go.
                        let _ = worker.emptied.try_send(bytes);
                    }
                    result
                }
                ToWriter::Closed { through, from } => {
                    self.closed[from] = through.saturating_add(1);
                    self.close()
                }
                ToWriter::Port { from, port, emptied } => {
                    self.workers[from] = Some(Ends { port, emptied });
                    Ok(())
                }
            };
            if let Err(error) = result {
                self.shared.fail(error);
            }
        }
    }

    fn append(
        &mut self,
        number: u64,
        kind: Kind,
        bytes: &[u8],
        records: u64,
        from: usize,
    ) -> Result<(), SinkError> {
        if self.shared.has_failed() {
            return Ok(());
        }
        let (roll_bytes, roll_age, direct) = match &self.shared.settings.target {
            Target::Files { roll_bytes, roll_age, direct, .. } => {
                (*roll_bytes, Some(*roll_age), *direct)
            }
            Target::Null => (u64::MAX, None, false),
        };
        let group = self
            .groups
            .entry(number)
            .or_insert_with(|| Group { reporter: from, ..Group::default() });
        let open = match group.open.entry(kind) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                self.files += 1;
                let process = self.shared.settings.process;
                let what = if kind == Kind::Part { "part" } else { "dead" };
                let (files, run) = (self.files, self.run);
                let name = format!(".{what}-{process:03}-{number:010}-{files:06}-{run:010}");
                let path = self.folder.join(&name);
                let file = PartFile::create(&path, direct, &mut self.stages)
                    .map_err(|error| SinkError::io("create the file", &path, error))?;
                let finished = Finished { kind, name, process, bytes: 0, records: 0 };
                place.insert(Open { file, path, began: Instant::now(), unsynced: 0, finished })
            }
        };
        open.file.append(bytes).map_err(|error| SinkError::io("write to", &open.path, error))?;
        open.finished.bytes += bytes.len() as u64;
        open.finished.records += records;
        open.unsynced += bytes.len() as u64;
        let syncs = self.shared.settings.syncs() && open.file.is_cached();
        if open.unsynced >= SYNC_EARLY && syncs {
            open.unsynced = 0;
            if let Ok(file) = open.file.handle() {
                let _ = self.syncer.send(ToSyncer::Early(file));
            }
        }
        let is_old = roll_age.is_some_and(|age| open.began.elapsed() >= age);
        if (open.finished.bytes >= roll_bytes || is_old)
            && let Some(open) = group.open.remove(&kind)
        {
            group.ended.push(open.end(&mut self.stages)?);
        }
        Ok(())
    }

    /// Hands groups that all workers have closed to the syncer.
    fn close(&mut self) -> Result<(), SinkError> {
        let closed = self.closed.iter().min().copied().unwrap_or(0);
        while let Some(entry) = self.groups.first_entry().filter(|entry| *entry.key() < closed) {
            let (number, mut group) = entry.remove_entry();
            for open in std::mem::take(&mut group.open).into_values() {
                group.ended.push(open.end(&mut self.stages)?);
            }
            let ports = self.workers.iter().flatten().map(|ends| ends.port.clone()).collect();
            let reporter = group.reporter;
            let files = group.ended;
            // The syncer lives as long as the writer.
            let _ = self.syncer.send(ToSyncer::Group { number, files, reporter, ports });
        }
        Ok(())
    }
}
