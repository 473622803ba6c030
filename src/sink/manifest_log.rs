//! The manifest, open for appending.

use std::io::{self, Write as _};
use std::path::Path;

use super::compact::compact;
use super::disk::{Disk, DiskFile};
use super::manifest::{Header, MANIFEST, VERSION};
use super::{CommittedState, SinkError};

/// The length from which compaction is worth it. The next compaction comes at twice the length after this
/// one, so that on average a commit pays no more than for a second line.
const COMPACT_BYTES: u64 = 256 << 10;

/// The manifest's file. Nobody else may write to it.
pub(super) struct ManifestLog {
    file: DiskFile,
    /// The file's length.
    bytes: u64,
    /// The length at which the file is compacted.
    compact_at: u64,
    syncs: bool,
}

impl ManifestLog {
    /// Begins a manifest, or replaces that of a run before this one by a shorter one.
    ///
    /// The lines of the run before are written again. If that run ended because its last lines could not be synced,
    /// they may exist in the system's cache only, and a sync of the same file could report success.
    pub(super) fn open(
        disk: &Disk,
        folder: &Path,
        committed_state: &CommittedState,
        syncs: bool,
    ) -> Result<Self, SinkError> {
        if committed_state.complete_bytes > 0 {
            let file = compact(disk, folder, committed_state)?;
            return ManifestLog::at_end(file, syncs);
        }
        let path = folder.join(MANIFEST);
        let failed = |error| SinkError::io("write to", &path, error);
        let mut file = disk.open(&path).map_err(failed)?;
        // The header may be torn.
        file.cut(0).map_err(failed)?;
        let mut log = ManifestLog { file, bytes: 0, compact_at: COMPACT_BYTES, syncs };
        let id = committed_state.id.clone();
        let header = Header { floodway_manifest: VERSION, id, shortened: None };
        log.append(&header.line())?;
        Ok(log)
    }

    fn at_end(file: DiskFile, syncs: bool) -> Result<Self, SinkError> {
        let bytes = file.length();
        let bytes = bytes.map_err(|error| SinkError::io("look at", file.path(), error))?;
        Ok(ManifestLog { file, bytes, compact_at: COMPACT_BYTES.max(2 * bytes), syncs })
    }

    /// Appends a line durably.
    ///
    /// # Errors
    /// If the system refuses, or somebody else has removed, replaced, cut or written to the file.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), SinkError> {
        self.is_intact()?;
        let file = &mut self.file;
        let written = file.write_all(line);
        let written = written.and_then(|()| if self.syncs { file.sync() } else { Ok(()) });
        written.map_err(|error: io::Error| SinkError::io("commit to", self.file.path(), error))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Checks that the file is as this run wrote it.
    ///
    /// # Errors
    /// If somebody else has removed, replaced, cut or written to it.
    pub(super) fn is_intact(&self) -> Result<(), SinkError> {
        let (was, file) = (self.bytes, &self.file);
        let failed = |error| SinkError::io("commit to", file.path(), error);
        file.is_there().map_err(failed)?;
        let is = file.length().map_err(failed)?;
        match is == was {
            true => Ok(()),
            false => Err(SinkError::Meddled { path: file.path().to_path_buf(), is, was }),
        }
    }

    /// Compacts the manifest if it has grown long. `committed_state` is its content.
    pub(super) fn compact_if_long(
        &mut self,
        disk: &Disk,
        folder: &Path,
        committed_state: &CommittedState,
    ) -> Result<(), SinkError> {
        if self.bytes > self.compact_at {
            *self = ManifestLog::at_end(compact(disk, folder, committed_state)?, self.syncs)?;
        }
        Ok(())
    }
}
