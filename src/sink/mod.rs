//! The sink: lines in files, committed by one record for all workers and processes.
//!
//! Workers format lines and send full buffers to the writer thread of their process; no worker touches the disk.
//! Consecutive epochs form a *commit group*. It is a function of the epoch alone ([`Settings::epochs_a_group`]), so
//! it is the same in all processes. Each file belongs to one group. When the frontier has passed a group's last epoch
//! on all workers of a process, the group's files are synced. Then the workers report the files, and drop the group's
//! capability. Worker 0 collects the reports of all processes. Its committer thread appends one record to
//! `manifest.jsonl`, syncs it, and then renames the files. **The record is the commit**: a file is part of the output
//! if a record names it, and only then. `docs/manifest.md` has the format.
//!
//! All operations on files go through `disk`, and one that fails ends the run. A sync that failed is not repeated,
//! because the system could then report success for data that it has dropped.
//!
//! The stream that [`CommitExt::commit_to`] returns passes an epoch when it is committed. If committed lines are
//! published ([`SinkHandle::start_publishing`]), it passes the epoch when its lines are published.
//!
//! [`Sink`] is what the kinds of sinks have in common: files, a topic, nothing.

mod commit;
mod commit_groups;
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
mod state_compactor;
mod syncer;
mod writer;

pub use crate::batch::Note;
pub use commit::CommitExt;
pub(crate) use commit::{Beside, WriteLines, commit_lines, text_lines};
pub(crate) use commit_groups::CommitGroups;
use commit_hook::{CommitHook, CommitStep};
pub use committed_state::CommittedState;
pub use dead_letter::check_dead_letters;
pub use dir_lock::{DirLock, lock_dir};
use disk::Disk;
pub use error::SinkError;
pub(crate) use error::UNREACHABLE;
pub use file_sink::FileSink;
pub use handle::SinkHandle;
pub use manifest::{
    Commit, CommittedFile, MANIFEST, Manifest, OWN_PREFIXES, StateChange, StateFile, is_own_name,
};
pub use null_sink::NullSink;
pub use prepare::{new_id, prepare, recover, resume, resume_outbox};
pub use publish::{Publish, PublishError};
pub use settings::{Compression, Files, Format, Positions, Settings};
pub use spec::{Prepared, Sink};
