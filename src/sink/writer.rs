//! The writer thread: the only one that writes results.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use serde::{Deserialize, Serialize};

use super::handle::Shared;
use super::syncer::{SyncedPort, ToSyncer};
use super::{SinkError, Target};

/// What workers tell the writer.
pub(super) enum ToWriter {
    /// Bytes of a group, with the records in them, from a worker.
    Append { group: u64, kind: Kind, bytes: Vec<u8>, records: u64, from: usize },
    /// A worker has nothing more of this group and those before.
    Closed { through: u64, from: usize },
    /// How a worker is told of what is synced.
    Port { from: usize, port: SyncedPort },
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
    file: File,
    path: PathBuf,
    began: Instant,
    /// Bytes that the syncer has not been told of.
    unsynced: u64,
    finished: Finished,
}

#[derive(Default)]
struct Group {
    open: BTreeMap<Kind, Open>,
    ended: Vec<(Arc<File>, PathBuf, Finished)>,
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
    ports: Vec<Option<SyncedPort>>,
    files: u64,
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
            ports: vec![None; workers],
            files: 0,
        }
    }

    pub(super) fn run(mut self) {
        while let Ok(message) = self.inbox.recv() {
            let result = match message {
                ToWriter::Append { group, kind, bytes, records, from } => {
                    let length = bytes.len() as u64;
                    let result = self.append(group, kind, &bytes, records, from);
                    self.shared.waiting.fetch_sub(length, Relaxed);
                    result
                }
                ToWriter::Closed { through, from } => {
                    self.closed[from] = through.saturating_add(1);
                    self.close();
                    Ok(())
                }
                ToWriter::Port { from, port } => {
                    self.ports[from] = Some(port);
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
        let (roll_bytes, roll_age) = match &self.shared.settings.target {
            Target::Files { roll_bytes, roll_age, .. } => (*roll_bytes, Some(*roll_age)),
            Target::Null => (u64::MAX, None),
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
                let name = format!(".{what}-{process:03}-{number:010}-{:06}", self.files);
                let path = self.folder.join(&name);
                let file = File::create(&path)
                    .map_err(|error| SinkError::io("create the file", &path, error))?;
                let finished = Finished { kind, name, process, bytes: 0, records: 0 };
                place.insert(Open { file, path, began: Instant::now(), unsynced: 0, finished })
            }
        };
        open.file.write_all(bytes).map_err(|error| SinkError::io("write to", &open.path, error))?;
        open.finished.bytes += bytes.len() as u64;
        open.finished.records += records;
        open.unsynced += bytes.len() as u64;
        if open.unsynced >= SYNC_EARLY && self.shared.settings.syncs() {
            open.unsynced = 0;
            if let Ok(file) = open.file.try_clone() {
                let _ = self.syncer.send(ToSyncer::Early(file));
            }
        }
        let is_old = roll_age.is_some_and(|age| open.began.elapsed() >= age);
        if (open.finished.bytes >= roll_bytes || is_old)
            && let Some(open) = group.open.remove(&kind)
        {
            group.ended.push((Arc::new(open.file), open.path, open.finished));
        }
        Ok(())
    }

    /// Hands groups that all workers have closed to the syncer.
    fn close(&mut self) {
        let closed = self.closed.iter().min().copied().unwrap_or(0);
        while let Some(entry) = self.groups.first_entry().filter(|entry| *entry.key() < closed) {
            let (number, mut group) = entry.remove_entry();
            let open = std::mem::take(&mut group.open).into_values();
            group.ended.extend(open.map(|open| (Arc::new(open.file), open.path, open.finished)));
            let ports = self.ports.iter().flatten().cloned().collect();
            let reporter = group.reporter;
            let files = group.ended;
            // The syncer lives as long as the writer.
            let _ = self.syncer.send(ToSyncer::Group { number, files, reporter, ports });
        }
    }
}
