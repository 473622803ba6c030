//! The dead-letter file: bad records with their reasons. They belong to the output: one that begins anew begins the file
//! anew, and one that is resumed continues it.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile};
use super::{Commit, SinkError};
use crate::atomic_file::parent_of;
use crate::destination::Destination;

/// How every dead letter begins (`format::dead_letter`).
const BEGIN: &[u8] = b"{\"record\":";

/// Checks that a new output may begin the dead-letter file anew. Nothing is changed.
///
/// # Errors
/// If it holds something else, or the dead letters of another output and `replaces` is not set.
pub fn check_dead_letters(path: &Path, replaces: bool) -> Result<(), SinkError> {
    let Destination::File(file) = Destination::of(path) else { return Ok(()) };
    let mut begin = Vec::new();
    // A file that cannot be read is reported when it is opened.
    let read =
        File::open(file).and_then(|file| file.take(BEGIN.len() as u64).read_to_end(&mut begin));
    let why = match read {
        Err(_) | Ok(0) => return Ok(()),
        Ok(_) if begin != BEGIN => "holds something else than dead letters: name another file",
        Ok(_) if !replaces => {
            "holds the dead letters of another output: name another file, or remove it; with --overwrite it is \
             replaced, as the output is"
        }
        Ok(_) => return Ok(()),
    };
    Err(SinkError::DeadLetters { path: path.to_path_buf(), why })
}

/// An open dead-letter file.
pub(super) struct DeadLetterFile {
    to: DeadLetterOutput,
    syncs: bool,
}

/// Where bad records are appended.
enum DeadLetterOutput {
    File(DiskFile),
    /// A device, a pipe or standard output, from which written bytes cannot be removed.
    Stream(PathBuf, Box<dyn Write + Send>),
}

impl DeadLetterFile {
    /// Opens the file, which may exist.
    pub(super) fn open(disk: &Disk, path: &Path, syncs: bool) -> Result<Self, SinkError> {
        let failed = |error| SinkError::io("write to", path, error);
        if let Some(stream) = Destination::of(path).open_stream().map_err(failed)? {
            return Ok(DeadLetterFile {
                to: DeadLetterOutput::Stream(path.to_path_buf(), stream),
                syncs,
            });
        }
        let file = disk.open(path).map_err(failed)?;
        if syncs {
            let folder = parent_of(path);
            let synced = disk.sync_folder(folder);
            synced.map_err(|error| SinkError::io("sync the folder", folder, error))?;
        }
        Ok(DeadLetterFile { to: DeadLetterOutput::File(file), syncs })
    }

    /// Returns the file's length.
    pub(super) fn length(&self) -> Result<u64, SinkError> {
        match &self.to {
            DeadLetterOutput::File(file) => {
                file.length().map_err(|error| SinkError::io("look at", file.path(), error))
            }
            DeadLetterOutput::Stream(..) => Ok(0),
        }
    }

    /// Removes what another output has left in the file.
    pub(super) fn begin_anew(&mut self) -> Result<(), SinkError> {
        match &mut self.to {
            DeadLetterOutput::File(file) => {
                let cut = file.cut(0);
                cut.map_err(|error| SinkError::io("empty", file.path(), error))
            }
            DeadLetterOutput::Stream(..) => Ok(()),
        }
    }

    /// Checks that the bytes that were appended before are still there.
    ///
    /// # Errors
    /// If the file is shorter.
    pub(super) fn check_length(&self, was: u64) -> Result<(), SinkError> {
        let is = self.length()?;
        match &self.to {
            DeadLetterOutput::File(file) if is < was => {
                Err(SinkError::Length { path: file.path().to_path_buf(), is, was })
            }
            _ => Ok(()),
        }
    }

    /// Appends a commit's bad records at the offset that the commit names, so that a second try after a crash
    /// has no further effect.
    pub(super) fn append(&mut self, folder: &Path, commit: &Commit) -> Result<(), SinkError> {
        self.check_length(commit.dead_letters_at)?;
        let (path, to): (PathBuf, &mut dyn Write) = match &mut self.to {
            DeadLetterOutput::Stream(path, stream) => (path.clone(), stream),
            DeadLetterOutput::File(file) => {
                let path = file.path().to_path_buf();
                let cut = file.is_there().and_then(|()| file.cut(commit.dead_letters_at));
                cut.map_err(|error| SinkError::io("append dead letters to", &path, error))?;
                (path, file)
            }
        };
        let failed = |error| SinkError::io("append dead letters to", &path, error);
        for dead in &commit.dead_letters {
            let temporary = folder.join(&dead.temporary);
            let read =
                File::open(&temporary).map_err(|error| SinkError::io("read", &temporary, error));
            io::copy(&mut io::BufReader::with_capacity(1 << 16, read?), to).map_err(failed)?;
        }
        to.flush().map_err(failed)?;
        match &self.to {
            DeadLetterOutput::File(file) if self.syncs => file.sync().map_err(failed),
            _ => Ok(()),
        }
    }
}
