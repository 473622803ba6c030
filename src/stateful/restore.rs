//! Reads the state that earlier runs have written, on threads, for one stage of a worker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use serde::de::DeserializeOwned;

use crate::sink::StateFile;
use crate::state_file::{ShardHeader, StateFileError, StateReader};
use crate::window::{EventFrontier, Row, Store};

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
            let result = self.read_all(&stage, send);
            send(Restored::End(result));
        });
        if let Err(source) = spawned {
            let _ = failed.send(Restored::End(Err(no_thread(source))));
        }
        receiver
    }

    /// Reads all files, shard by shard: a store finds the keys of a shard in one small table.
    fn read_all<K: DeserializeOwned, V: DeserializeOwned>(
        &self,
        stage: &str,
        send: impl Fn(Restored<K, V>),
    ) -> Result<(), StateFileError> {
        let mut files = Vec::new();
        let mut shards: BTreeMap<u64, Vec<(usize, u64, ShardHeader)>> = BTreeMap::new();
        for StateFile { name, bytes, .. } in self.files.iter() {
            let mut file = StateReader::open(&self.folder.join(name), *bytes)?;
            while let Some(block) = file.next_block()? {
                if block.header.stage != stage {
                    continue;
                }
                send(Restored::Frontier(block.header.frontier));
                for (at, shard) in block.shards() {
                    if shard.number % self.workers == self.worker {
                        shards.entry(shard.number).or_default().push((files.len(), at, *shard));
                    }
                }
            }
            files.push(file);
        }
        for (file, at, shard) in shards.into_values().flatten() {
            send(Restored::Rows(files[file].rows(at, &shard)?));
        }
        Ok(())
    }
}

/// What a stage held at the last commit of the run before.
pub(crate) struct Rebuilt<S> {
    pub store: S,
    pub frontier: EventFrontier,
}

/// Puts the rows that are read into an empty store, on a thread: millions of them take longer than a worker may.
pub(crate) fn rebuild<S: Store>(
    rows: Receiver<Restored<S::Key, S::Value>>,
    mut rebuilt: Rebuilt<S>,
    wake: impl Fn() + Send + 'static,
) -> Receiver<Result<Rebuilt<S>, StateFileError>> {
    let (sender, receiver) = bounded(1);
    let failed = sender.clone();
    let spawned = thread::Builder::new().name("floodway-rebuild".to_owned()).spawn(move || {
        for message in rows {
            let Rebuilt { store, frontier } = &mut rebuilt;
            match message {
                Restored::Frontier(seen) => frontier.restore(seen),
                Restored::Rows(rows) => rows.into_iter().for_each(|row| store.restore(row)),
                Restored::End(result) => {
                    store.forget(frontier.time());
                    // A worker that has ended needs nothing.
                    let _ = sender.send(result.map(|()| rebuilt));
                    return wake();
                }
            }
        }
    });
    if let Err(source) = spawned {
        let _ = failed.send(Err(no_thread(source)));
    }
    receiver
}

fn no_thread(source: std::io::Error) -> StateFileError {
    StateFileError::Io { path: PathBuf::from("a thread"), source }
}
