//! The file of dead letters.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile};
use super::{Commit, SinkError};
use crate::whole::above;

/// The file, while a run appends to it.
pub(super) struct Letters {
    file: DiskFile,
    syncs: bool,
}

impl Letters {
    /// Opens the file, a new one or one to append to.
    pub(super) fn open(disk: &Disk, path: &Path, syncs: bool) -> Result<Self, SinkError> {
        let file = disk.open(path).map_err(|error| SinkError::io("write to", path, error))?;
        if syncs {
            let folder = above(path);
            let synced = disk.sync_folder(folder);
            synced.map_err(|error| SinkError::io("sync the folder", folder, error))?;
        }
        Ok(Letters { file, syncs })
    }

    pub(super) fn length(&self) -> Result<u64, SinkError> {
        self.file.length().map_err(|error| SinkError::io("look at", self.file.path(), error))
    }

    /// An error if what was appended before is not there any more.
    pub(super) fn has(&self, was: u64) -> Result<(), SinkError> {
        let is = self.length()?;
        if is < was {
            return Err(SinkError::Length { path: self.file.path().to_path_buf(), is, was });
        }
        Ok(())
    }

    /// Appends a commit's bad records: at the offset that the record names, so that doing it again
    /// after a crash does it once.
    pub(super) fn append(&mut self, folder: &Path, commit: &Commit) -> Result<(), SinkError> {
        self.has(commit.dead_letters_at)?;
        let path: PathBuf = self.file.path().to_path_buf();
        let failed = |error| SinkError::io("append dead letters to", &path, error);
        self.file.is_there().map_err(failed)?;
        self.file.cut(commit.dead_letters_at).map_err(failed)?;
        for dead in &commit.dead_letters {
            let temporary = folder.join(&dead.temporary);
            let read =
                File::open(&temporary).map_err(|error| SinkError::io("read", &temporary, error));
            io::copy(&mut io::BufReader::with_capacity(1 << 16, read?), &mut self.file)
                .map_err(failed)?;
        }
        if self.syncs {
            self.file.sync().map_err(failed)?;
        }
        Ok(())
    }
}
