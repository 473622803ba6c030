//! The sink: lines in files, committed by one record for all workers and processes.
//!
//! Workers format lines and hand full buffers to their process's writer thread; nothing on a worker
//! touches the disk. Consecutive epochs form a *commit group*, the same on all processes because it
//! is a function of the epoch alone ([`Settings::epochs_a_group`]); a file belongs to one group.
//! When the frontier has passed a group's last epoch on all workers of a process, its files are
//! synced, and the workers let the group's capability go with a report of them. Worker 0 collects
//! the reports of all processes, and its committer thread appends one record to `manifest.jsonl`,
//! syncs it, and then renames the files. **The record is the commit**: what it names is there, and
//! what it does not name is not. `docs/manifest.md` has the format.
//!
//! All that is done to files is done through `disk`, and whatever the system refuses ends the run:
//! a sync that failed is never asked for again, since the system would answer that all is well.
//!
//! The stream that [`CommitExt::commit_to`] answers passes an epoch when it is committed, or, where what is
//! committed is published from there ([`SinkHandle::start_publishing`]), when it is published.

mod commit;
pub(crate) mod commit_hook;
mod committed_state;
mod committer;
mod compact;
mod compress;
mod dead_letter;
mod dir_lock;
pub(crate) mod disk;
mod error;
mod file;
mod file_sink;
mod format;
mod handle;
mod json_diff;
mod manifest;
mod manifest_log;
mod null_sink;
mod outbox;
pub(crate) mod prepare;
mod publish;
mod settings;
mod spec;
mod syncer;
mod writer;

pub use crate::batch::Note;
pub use commit::CommitExt;
use commit_hook::{CommitHook, CommitStep};
pub use committed_state::CommittedState;
pub use dir_lock::{DirLock, lock_dir};
use disk::Disk;
pub use error::SinkError;
pub use file_sink::FileSink;
pub use handle::SinkHandle;
pub use manifest::{Commit, CommittedFile, MANIFEST, Manifest, OWN_PREFIXES, is_own_name};
pub use null_sink::NullSink;
pub use prepare::{new_id, prepare, recover, resume, resume_outbox};
pub use publish::{Publish, PublishError};
pub use settings::{Compression, Files, Format, Positions, Settings};
pub use spec::{Prepared, Sink};
