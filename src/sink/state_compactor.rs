//! Merges files of keyed state on a thread, so that they do not grow with time.
//!
//! Each commit adds a file of what has changed. All files are merged into one when those that are not the largest are more
//! than twice as long as it: so together they are at most some three times as long as what they hold, and a row is merged
//! one and a half times. Before that, the smallest files are merged if they are many, so that there are few. What is merged
//! takes the place of its files with the next commit.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::handle::{SinkContext, lock};
use super::{SinkError, StateChange, StateFile};
use crate::state_file::merge_files;

/// Fewer files are not worth a merge of all.
const FEWEST_OF_ALL: usize = 4;
/// So many small files are merged although they are a small part of all.
const MANY: usize = 16;

/// Files to merge.
#[derive(Default)]
struct Merging {
    files: Vec<StateFile>,
    /// Whether there are no others.
    is_all: bool,
}

/// Merges files in the background. The committer has one.
pub(super) struct StateCompactor {
    requests: Sender<Merging>,
    merged: Receiver<StateChange>,
    is_merging: bool,
}

impl StateCompactor {
    /// Starts the thread. Without files of results there is no state, and no thread.
    pub(super) fn start(shared: &Arc<SinkContext>, folder: PathBuf) -> Result<Self, SinkError> {
        let (requests, inbox) = unbounded();
        let (done, merged) = unbounded();
        if shared.settings.files.is_some() {
            let (shared, at) = (Arc::clone(shared), folder.clone());
            let merging = move || {
                for merging in inbox {
                    match merge(&shared, &at, &merging) {
                        // The committer waits for nothing when it has ended.
                        Ok(change) => drop(done.send(change)),
                        Err(error) => shared.fail(error),
                    }
                }
            };
            let thread = thread::Builder::new().name("floodway-state".to_owned()).spawn(merging);
            thread.map_err(|error| SinkError::io("start a thread for", &folder, error))?;
        }
        Ok(StateCompactor { requests, merged, is_merging: false })
    }

    /// Returns what takes the place of merged files with the next commit.
    pub(super) fn merged(&mut self) -> Option<StateChange> {
        let change = self.merged.try_recv().ok()?;
        self.is_merging = false;
        Some(change)
    }

    /// Begins to merge if the files are worth it and nothing is being merged.
    pub(super) fn look(&mut self, files: &[StateFile]) {
        if self.is_merging {
            return;
        }
        let chosen = choose(files);
        if !chosen.files.is_empty() {
            self.is_merging = self.requests.send(chosen).is_ok();
        }
    }
}

/// Returns the files to merge: all but those, the largest ones, of which each is at least half as long as all smaller ones.
fn choose(files: &[StateFile]) -> Merging {
    let mut sorted = files.to_vec();
    sorted.sort_by_key(|file| std::cmp::Reverse(file.bytes));
    let mut behind: u64 = sorted.iter().map(|file| file.bytes).sum();
    for (index, file) in sorted.iter().enumerate() {
        behind -= file.bytes;
        if sorted.len() - index < if index == 0 { FEWEST_OF_ALL } else { MANY } {
            break;
        }
        if behind > 2 * file.bytes {
            return Merging { files: sorted.split_off(index), is_all: index == 0 };
        }
    }
    Merging::default()
}

fn merge(shared: &SinkContext, folder: &Path, merging: &Merging) -> Result<StateChange, SinkError> {
    let Merging { files, is_all } = merging;
    let name = format!(".state-{:020}", rand::random::<u64>());
    let path = folder.join(&name);
    let failed = |error| SinkError::io("write the state to", &path, error);
    let file = shared.settings.disk.create(&path).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let named: Vec<_> = files.iter().map(|file| (file.name.clone(), file.bytes)).collect();
    let of = |stage: &str| lock(&shared.merge_rows).get(stage).cloned();
    let rows = merge_files(folder, &named, *is_all, of, &mut out, failed)?;
    out.flush().map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    if shared.settings.syncs() {
        file.sync().map_err(failed)?;
    }
    let bytes = file.length().map_err(failed)?;
    let drop = files.iter().map(|file| file.name.clone()).collect();
    Ok(StateChange { add: vec![StateFile { name, bytes, rows }], drop })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of one byte each are added one by one; a merge of files has the length of `merged`.
    fn run(merged: impl Fn(u64) -> u64, files: u64) -> (usize, u64, u64) {
        let (mut all, mut written) = (Vec::new(), 0);
        for number in 0..files {
            all.push(StateFile { name: number.to_string(), bytes: 1, rows: 1 });
            let chosen = choose(&all);
            if !chosen.files.is_empty() {
                all.retain(|file| !chosen.files.contains(file));
                let bytes = merged(chosen.files.iter().map(|file| file.bytes).sum());
                written += bytes;
                all.push(StateFile { name: format!("m{number}"), bytes, rows: 1 });
            }
        }
        (all.len(), all.iter().map(|file| file.bytes).sum(), written)
    }

    #[test]
    fn files_are_few_whether_what_they_hold_grows_or_not() {
        let (count, bytes, written) = run(|bytes| bytes, 10_000);
        assert!(count < 30 && bytes == 10_000, "{count} files of {bytes} bytes");
        assert!(written < 6 * 10_000, "{written} bytes were written");
        // All hold the same 100 rows.
        let (count, bytes, written) = run(|bytes| bytes.min(100), 10_000);
        assert!(count < 30 && bytes <= 300, "{count} files of {bytes} bytes");
        assert!(written < 3 * 10_000, "{written} bytes were written");
    }
}
