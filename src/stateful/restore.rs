//! Reads the state that earlier runs have written, on a thread, for one stage of a worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use serde::de::DeserializeOwned;

use crate::sink::StateFile;
use crate::state_file::{StateFileError, StateReader};
use crate::window::{EventFrontier, Row};

/// What a thread has read.
pub(crate) enum Restored<K, V> {
    /// The event-time frontier at the end of a group.
    Frontier(EventFrontier),
    /// Rows of this worker's keys.
    Rows(Vec<Row<K, V>>),
    /// All of them were sent, or they cannot be read.
    End(Result<(), StateFileError>),
}

/// The files that make up the state, and which part of it a worker has.
#[derive(Clone, Debug)]
pub(crate) struct StoredState {
    pub folder: PathBuf,
    pub files: Arc<[StateFile]>,
    pub worker: u64,
    pub workers: u64,
}

impl StoredState {
    /// Starts to read the rows of a stage. `wake` is called after each message.
    pub(crate) fn read<K, V>(
        self,
        stage: &str,
        wake: impl Fn() + Send + 'static,
    ) -> Receiver<Restored<K, V>>
    where
        K: DeserializeOwned + Send + 'static,
        V: DeserializeOwned + Send + 'static,
    {
        // The worker is slower than the disk.
        const AHEAD: usize = 16;
        let (sender, receiver) = bounded(AHEAD);
        let (own, failed) = (sender.clone(), sender.clone());
        let stage = stage.to_owned();
        let spawned = thread::Builder::new().name("floodway-restore".to_owned()).spawn(move || {
            let send = |message| {
                // A worker that has ended needs nothing.
                let _ = own.send(message);
                wake();
            };
            let read = |file: &StateFile| {
                let mut reader = StateReader::open(&self.folder.join(&file.name), file.bytes)?;
                while let Some(block) = reader.next_block()? {
                    if block.header.stage != stage {
                        continue;
                    }
                    send(Restored::Frontier(block.header.frontier));
                    for (at, shard) in block.shards() {
                        if shard.number % self.workers == self.worker {
                            send(Restored::Rows(reader.rows(at, shard)?));
                        }
                    }
                }
                Ok(())
            };
            let result = self.files.iter().try_for_each(read);
            send(Restored::End(result));
        });
        if let Err(source) = spawned {
            let path = PathBuf::from("a thread");
            let _ = failed.send(Restored::End(Err(StateFileError::Io { path, source })));
        }
        receiver
    }
}
