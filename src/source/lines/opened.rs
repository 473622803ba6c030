//! A file that is open. What is read, and what a position is of, is this and not what its path names.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::LinesError;
use super::compression::{Compression, unpack};
use super::input::FoundFile;

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

/// Bytes at each end that are looked at, at most.
pub(super) const CHECKED: u64 = 4096;

/// Bytes read at once: they are still in the second level of the cache when they are cut.
pub(super) const BLOCK: usize = 256 << 10;

/// A file system may give two changes within so little time the same time (FAT counts in 2 s): one that follows a
/// change so soon need not be seen by it.
const SETTLED: Duration = Duration::from_secs(3);

/// When a file was changed last, in nanoseconds since 1970; none if another change may have the same time.
fn changed(metadata: &Metadata) -> Option<u64> {
    let seconds = Duration::from_secs(metadata.ctime().try_into().ok()?);
    let changed = seconds + Duration::from_nanos(metadata.ctime_nsec().try_into().ok()?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let is_settled = changed + SETTLED < now;
    is_settled.then(|| changed.as_nanos().try_into().ok()).flatten()
}

/// An open file, under the path that the input has for it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub found: FoundFile,
    pub file: Arc<File>,
    pub compression: Compression,
    /// The path without links, if it has some: the file's other names are in that folder.
    pub real: Option<PathBuf>,
    /// When it was changed last before it was opened (its `ctime`, which no program can set), in nanoseconds since
    /// 1970; none if that was just before.
    pub changed: Option<u64>,
}

impl Opened {
    /// Opens what `found` was when it was listed.
    pub(super) fn new(found: &FoundFile) -> Result<Self, LinesError> {
        let path = &found.path;
        let opened = Opened::at(path, found).map_err(|error| LinesError::read(path, error))?;
        match opened.found.id == found.id {
            true if opened.found.size < found.size => Err(shrank(found, opened.found.size)),
            true => Ok(opened),
            false => Err(replaced(path)),
        }
    }

    /// Opens a file of several: none, and a word to the log, if it is gone.
    pub(super) fn if_there(found: &FoundFile) -> Result<Option<Self>, LinesError> {
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
    pub(super) fn at(path: &Path, found: &FoundFile) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let compression = Compression::of_file(&file)?;
        let real = fs::canonicalize(path).ok();
        let real = real.filter(|real| std::path::absolute(path).ok().as_ref() != Some(real));
        let found = FoundFile { id: FileId::of(&metadata), size: metadata.len(), ..found.clone() };
        let changed = changed(&metadata);
        Ok(Opened { found, file: Arc::new(file), compression, real, changed })
    }

    pub(super) fn is_plain(&self) -> bool {
        self.compression == Compression::Plain
    }

    /// Its size now.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Ends a run whose input is not to change while it is read: with the path naming another file
    /// than this one, or the file having fewer bytes than it had.
    pub(super) fn is_unchanged(&self) -> Result<(), LinesError> {
        let FoundFile { path, id, size, .. } = &self.found;
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

    /// The content from byte `from` of what it is when it is unpacked.
    pub(super) fn content(&self, from: u64) -> Result<Box<dyn Read + Send>, LinesError> {
        let path = &self.found.path;
        let failed = |error| LinesError::read(path, error);
        let at = if self.is_plain() { from } else { 0 };
        let mut content = unpack(Bytes { file: Arc::clone(&self.file), at }, self.compression);
        if !self.is_plain() {
            // What was read by the run before.
            let skipped = io::copy(&mut (&mut content).take(from), &mut io::sink());
            let skipped = skipped.map_err(failed)?;
            if skipped < from {
                let why =
                    format!("has {skipped} bytes when it is unpacked, and {from} had been read");
                return Err(LinesError::changed(&path.to_string_lossy(), why));
            }
        }
        Ok(content)
    }

    /// A checksum (CRC-32) of the first `bytes` of the content; none if it has not so many.
    pub(super) fn checksum(&self, bytes: u64) -> io::Result<Option<u32>> {
        let mut content = unpack(Bytes { file: Arc::clone(&self.file), at: 0 }, self.compression);
        let (mut block, mut left) = (vec![0; BLOCK], bytes);
        let mut checksum = Hasher::new();
        while left > 0 {
            match content.read(&mut block[..left.min(BLOCK as u64) as usize]) {
                Ok(0) => return Ok(None),
                Ok(read) => {
                    checksum.update(&block[..read]);
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(checksum.finalize()))
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

/// A file's bytes from one on. The file has no place of its own for them, and so may be read by others meanwhile.
struct Bytes {
    file: Arc<File>,
    at: u64,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn shrank(found: &FoundFile, now: u64) -> LinesError {
    let why = format!("it shrank from {} to {now} bytes while it was read", found.size);
    LinesError::read(&found.path, io::Error::other(why))
}

fn replaced(path: &Path) -> LinesError {
    let why = "it was replaced while it was read: the path names another file now. What is read must \
               not change; --follow goes on with the new file after the old one";
    LinesError::read(path, io::Error::other(why))
}
