//! A file that is open. What is read, and what a position is of, is this and not what its path names.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LinesError;
use super::input::Found;
use super::packing::Packing;

/// Which file of the machine it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// The device that it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Bytes that a checksum is of, at most.
pub(super) const CHECKED: u64 = 4096;

/// An open file, under the path that the input has for it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub found: Found,
    pub file: Arc<File>,
    pub packing: Packing,
    /// The path without links, if it has some: the file's other names are in that folder.
    pub real: Option<PathBuf>,
}

impl Opened {
    /// Opens what `found` was when it was listed.
    pub(super) fn new(found: &Found) -> Result<Self, LinesError> {
        let path = &found.path;
        let opened = Opened::at(path, found).map_err(|error| LinesError::read(path, error))?;
        match opened.found.id == found.id {
            true if opened.found.size < found.size => Err(shrank(found, opened.found.size)),
            true => Ok(opened),
            false => Err(replaced(path)),
        }
    }

    /// Opens a file of several: none, and a word to the log, if it is gone.
    pub(super) fn if_there(found: &Found) -> Result<Option<Self>, LinesError> {
        match Opened::new(found) {
            Err(LinesError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound && found.label.is_some() =>
            {
                tracing::warn!("{} is skipped: {source}", found.path.display());
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    /// Opens what is at `path` now, under the name that `found` has.
    pub(super) fn at(path: &Path, found: &Found) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let packing = Packing::of_file(&file)?;
        let real = fs::canonicalize(path).ok();
        let real = real.filter(|real| std::path::absolute(path).ok().as_ref() != Some(real));
        let found = Found { id: FileId::of(&metadata), size: metadata.len(), ..found.clone() };
        Ok(Opened { found, file: Arc::new(file), packing, real })
    }

    pub(super) fn is_plain(&self) -> bool {
        self.packing == Packing::Plain
    }

    /// Its size now.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Ends a run whose input is not to change while it is read: with the path naming another file
    /// than this one, or the file having fewer bytes than it had.
    pub(super) fn is_unchanged(&self) -> Result<(), LinesError> {
        let Found { path, id, size, .. } = &self.found;
        let now = self.size().map_err(|error| LinesError::read(path, error))?;
        if now < *size {
            return Err(shrank(&self.found, now));
        }
        // What has no name any more can be read to its end.
        match fs::metadata(path) {
            Ok(there) if FileId::of(&there) != *id => Err(replaced(path)),
            _ => Ok(()),
        }
    }

    /// Its first `CHECKED` bytes and those before `len`, of `len` bytes in all.
    pub(super) fn ends(&self, len: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let of = |from: u64| {
            let mut bytes = vec![0; len.min(CHECKED) as usize];
            self.file.read_exact_at(&mut bytes, from)?;
            io::Result::Ok(bytes)
        };
        Ok((of(0)?, of(len - len.min(CHECKED))?))
    }
}

fn shrank(found: &Found, now: u64) -> LinesError {
    let why = format!("it shrank from {} to {now} bytes while it was read", found.size);
    LinesError::read(&found.path, io::Error::other(why))
}

fn replaced(path: &Path) -> LinesError {
    let why = "it was replaced while it was read: the path names another file now. What is read must \
               not change; --follow goes on with the new file after the old one";
    LinesError::read(path, io::Error::other(why))
}
