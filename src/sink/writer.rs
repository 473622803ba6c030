//! The writer thread, the only thread that writes results.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use serde::{Deserialize, Serialize};

use super::disk::DiskFile;
use super::file::{FilePool, PartFile};
use super::handle::SinkContext;
use super::syncer::{SyncedPort, ToSyncer};
use super::{Compression, Files, SinkError};
use crate::state_file;

/// A message from a worker to the writer.
pub(super) enum WriterMessage {
    /// Bytes of a group from a worker, with the number of records in them.
    Append { group: u64, kind: Kind, bytes: Vec<u8>, records: u64, from: usize },
    /// A worker has no more records of this group and earlier ones.
    Closed { through: u64, from: usize },
    /// The channels of a worker: for synced groups, and for emptied buffers.
    Port { from: usize, port: SyncedPort, emptied: Sender<Vec<u8>> },
}

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Results.
    Part,
    /// Bad records.
    Dead,
    /// Keyed state.
    State,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Part, Kind::Dead, Kind::State];
}

/// A temporary file that is complete and, if the settings say so, synced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FinishedFile {
    pub kind: Kind,
    /// The file's name in the folder.
    pub name: String,
    pub process: usize,
    pub bytes: u64,
    pub records: u64,
}

struct Open {
    file: PartFile,
    /// The instant at which the file is too old. None if it is too far in the future.
    ends: Option<Instant>,
    /// The file's length when the syncer last got it.
    synced: u64,
    finished: FinishedFile,
}

/// A file that gets no more bytes.
pub(super) struct ClosedFile {
    pub file: DiskFile,
    pub finished: FinishedFile,
}

impl Open {
    fn end(mut self, spares: &mut FilePool) -> Result<ClosedFile, SinkError> {
        if let Err(error) = self.file.finish(spares) {
            return Err(SinkError::io("write to", self.file.path(), error));
        }
        self.finished.bytes = self.file.length();
        Ok(ClosedFile { file: self.file.into_file(), finished: self.finished })
    }
}

/// The channels to a worker.
struct WorkerLinks {
    port: SyncedPort,
    emptied: Sender<Vec<u8>>,
}

#[derive(Default)]
struct Group {
    open: BTreeMap<Kind, Open>,
    ended: Vec<ClosedFile>,
    /// The first worker that wrote to the group. It holds the group's capability, and reports the files.
    reporter: usize,
}

pub(super) struct Writer {
    shared: Arc<SinkContext>,
    inbox: Receiver<WriterMessage>,
    syncer: Sender<ToSyncer>,
    folder: PathBuf,
    groups: BTreeMap<u64, Group>,
    /// The number of groups that each worker has closed.
    closed: Vec<u64>,
    workers: Vec<Option<WorkerLinks>>,
    files: u64,
    /// The instant at which the oldest open file is too old.
    next_end: Option<Instant>,
    /// A random part of file names: a process that was killed and its successor may both write for a moment.
    run: u32,
    spares: FilePool,
}

/// The number of bytes after which the syncer syncs a file that is still written, so that a commit has little
/// left to wait for.
const SYNC_EARLY: u64 = 16 << 20;

impl Writer {
    pub(super) fn new(
        shared: Arc<SinkContext>,
        inbox: Receiver<WriterMessage>,
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
            next_end: None,
            run: rand::random(),
            spares: FilePool::default(),
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let message = match self.next_end {
                Some(at) => self.inbox.recv_deadline(at),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let began = Instant::now();
            let result = match message {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = result.and_then(|()| self.end_old()) {
                self.shared.fail(error);
            }
            self.shared.busy.fetch_add(began.elapsed().as_nanos() as u64, Relaxed);
        }
    }

    fn take(&mut self, message: WriterMessage) -> Result<(), SinkError> {
        match message {
            WriterMessage::Append { group, kind, mut bytes, records, from } => {
                let result = self.append(group, kind, &bytes, records, from);
                self.shared.waiting.fetch_sub(bytes.len() as u64, Relaxed);
                if let Some(worker) = &self.workers[from] {
                    bytes.clear();
                    // A worker that has enough buffers drops this one.
                    let _ = worker.emptied.try_send(bytes);
                }
                result
            }
            WriterMessage::Closed { through, from } => {
                self.closed[from] = through.saturating_add(1);
                self.close()
            }
            WriterMessage::Port { from, port, emptied } => {
                self.workers[from] = Some(WorkerLinks { port, emptied });
                Ok(())
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
        let group = self
            .groups
            .entry(number)
            .or_insert_with(|| Group { reporter: from, ..Group::default() });
        let files = self.shared.settings.files.as_ref();
        let open = match group.open.entry(kind) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                self.files += 1;
                let process = self.shared.settings.process;
                // Bad records are appended to another file later, uncompressed.
                let (what, compression) = match (kind, files) {
                    (Kind::Part, Some(files)) => ("part", files.compression),
                    (Kind::Part | Kind::Dead, _) => ("dead", Compression::None),
                    (Kind::State, _) => ("state", Compression::None),
                };
                let (count, run, suffix) = (self.files, self.run, compression.suffix());
                let name =
                    format!(".{what}-{process:03}-{number:010}-{count:06}-{run:010}{suffix}");
                let path = self.folder.join(&name);
                let direct = files.is_some_and(|files| files.direct);
                let disk = &self.shared.settings.disk;
                let mut file = PartFile::create(disk, &path, direct, compression, &mut self.spares)
                    .map_err(|error| SinkError::io("create the file", &path, error))?;
                let header = match kind {
                    Kind::Part if !files.is_some_and(|files| files.keyed) => {
                        self.shared.header.get().map(|header| &header[..])
                    }
                    Kind::State => Some(state_file::MAGIC),
                    Kind::Part | Kind::Dead => None,
                };
                if let Some(header) = header {
                    let appended = file.append(header);
                    appended.map_err(|error| SinkError::io("write to", &path, error))?;
                }
                let ends = files.and_then(|files| Instant::now().checked_add(files.roll_age));
                self.next_end = [self.next_end, ends].into_iter().flatten().min();
                let finished = FinishedFile { kind, name, process, bytes: 0, records: 0 };
                place.insert(Open { file, ends, synced: 0, finished })
            }
        };
        let appended = open.file.append(bytes);
        appended.map_err(|error| SinkError::io("write to", open.file.path(), error))?;
        open.finished.records += records;
        let length = open.file.length();
        let syncs = self.shared.settings.syncs() && open.file.is_cached();
        if length >= open.synced + SYNC_EARLY && syncs {
            open.synced = length;
            if let Ok(file) = open.file.handle() {
                let _ = self.syncer.send(ToSyncer::Early(file));
            }
        }
        if files.is_some_and(|files: &Files| length >= files.roll_bytes)
            && let Some(open) = group.open.remove(&kind)
        {
            group.ended.push(open.end(&mut self.spares)?);
        }
        Ok(())
    }

    /// Closes the files that are too old, whether or not they get more bytes.
    fn end_old(&mut self) -> Result<(), SinkError> {
        let Some(at) = self.next_end else { return Ok(()) };
        let now = Instant::now();
        if now < at {
            return Ok(());
        }
        self.next_end = None;
        if self.shared.has_failed() {
            // Nothing of them will be committed.
            return Ok(());
        }
        for group in self.groups.values_mut() {
            for kind in Kind::ALL {
                match group.open.get(&kind).map(|open| open.ends) {
                    Some(Some(ends)) if ends <= now => {
                        if let Some(open) = group.open.remove(&kind) {
                            group.ended.push(open.end(&mut self.spares)?);
                        }
                    }
                    Some(ends) => {
                        self.next_end = [self.next_end, ends].into_iter().flatten().min();
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Passes groups that all workers have closed to the syncer.
    fn close(&mut self) -> Result<(), SinkError> {
        let closed = self.closed.iter().min().copied().unwrap_or(0);
        while let Some(entry) = self.groups.first_entry().filter(|entry| *entry.key() < closed) {
            let (number, mut group) = entry.remove_entry();
            for open in std::mem::take(&mut group.open).into_values() {
                group.ended.push(open.end(&mut self.spares)?);
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
