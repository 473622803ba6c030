//! The syncer thread, which waits for the disk in place of the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

use crossbeam_channel::{Receiver, Sender, unbounded};
use timely::scheduling::SyncActivator;

use super::disk::DiskFile;
use super::handle::SinkContext;
use super::writer::{ClosedFile, FinishedFile};
use super::{CommitStep, SinkError};

pub(super) enum ToSyncer {
    /// A file that is still written. Its content may be synced already.
    Early(DiskFile),
    /// The files of a group, which get no more bytes.
    Group { number: u64, files: Vec<ClosedFile>, reporter: usize, ports: Vec<SyncedPort> },
}

/// What a worker receives: the number of a synced group, and the files to report.
pub(super) type Synced = (u64, Vec<FinishedFile>);

/// The sending end of a worker's channel.
#[derive(Clone)]
pub(super) struct SyncedPort {
    worker: usize,
    sender: Sender<Synced>,
    rung: Arc<AtomicBool>,
    wake: Arc<SyncActivator>,
}

/// The receiving end of a worker's channel.
pub(super) struct SyncedInbox {
    receiver: Receiver<Synced>,
    rung: Arc<AtomicBool>,
}

/// Creates the channel of a worker.
pub(super) fn synced_channel(worker: usize, wake: SyncActivator) -> (SyncedPort, SyncedInbox) {
    let (sender, receiver) = unbounded();
    let rung = Arc::new(AtomicBool::new(false));
    let port = SyncedPort { worker, sender, rung: Arc::clone(&rung), wake: Arc::new(wake) };
    (port, SyncedInbox { receiver, rung })
}

impl SyncedPort {
    pub(super) fn send(&self, synced: Synced) {
        if self.sender.send(synced).is_ok() && !self.rung.swap(true, AcqRel) {
            // A worker that has ended needs no waking.
            let _ = self.wake.activate();
        }
    }
}

impl SyncedInbox {
    /// Returns what has arrived. It first resets the flag with a swap, for the reason that the bridge's
    /// `ReplyReceiver` gives.
    pub(super) fn drain(&self) -> impl Iterator<Item = Synced> {
        self.rung.swap(false, AcqRel);
        self.receiver.try_iter()
    }
}

pub(super) struct Syncer {
    shared: Arc<SinkContext>,
    inbox: Receiver<ToSyncer>,
}

impl Syncer {
    pub(super) fn new(shared: Arc<SinkContext>, inbox: Receiver<ToSyncer>) -> Self {
        Syncer { shared, inbox }
    }

    pub(super) fn run(self) {
        while let Ok(message) = self.inbox.recv() {
            match message {
                ToSyncer::Early(file) => {
                    // The system would not report the error again when the complete file is synced.
                    if let Err(error) = file.sync() {
                        self.shared.fail(SinkError::io("sync", file.path(), error));
                    }
                }
                // After a sync that failed nothing is committed, so no more syncs are needed.
                ToSyncer::Group { .. } if self.shared.has_failed() => {}
                ToSyncer::Group { number, files, reporter, ports } => {
                    if let Err(error) = self.sync(&files) {
                        self.shared.fail(error);
                        continue;
                    }
                    if self.shared.has_failed() {
                        continue;
                    }
                    let mut finished: Vec<_> =
                        files.into_iter().map(|ended| ended.finished).collect();
                    for port in ports {
                        let report = if port.worker == reporter {
                            std::mem::take(&mut finished)
                        } else {
                            Vec::new()
                        };
                        port.send((number, report));
                    }
                }
            }
        }
    }

    fn sync(&self, files: &[ClosedFile]) -> Result<(), SinkError> {
        for ClosedFile { file, .. } in files {
            if self.shared.settings.syncs() {
                file.sync().map_err(|error| SinkError::io("sync", file.path(), error))?;
            }
            self.shared.step(CommitStep::FileSynced);
        }
        Ok(())
    }
}
