//! A file that is open. What is read, and what a position is of, is this and not what its path names.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::LinesError;
use super::compression::Compression;
use super::decompress::decompress;
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

/// Returns when a file was last changed (its `ctime`), in nanoseconds since 1970.
pub(super) fn ctime(metadata: &Metadata) -> u64 {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let nanos = u64::try_from(metadata.ctime_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Returns a `ctime` if a later change of the file has another one.
pub(super) fn settled(ctime: u64) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    (Duration::from_nanos(ctime) + SETTLED < now).then_some(ctime)
}

/// An open file, under the path that the input has for it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub found: FoundFile,
    pub file: Arc<File>,
    pub compression: Compression,
    /// The path without links, if it has some: the file's other names are in that folder.
    pub real: Option<PathBuf>,
    /// The `ctime` at which the bytes that were read were last known to be in the file.
    pub checked: Arc<AtomicU64>,
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
        let found = FoundFile::new(found.path.clone(), found.label.clone(), &metadata);
        let checked = Arc::new(AtomicU64::new(ctime(&metadata)));
        Ok(Opened { found, file: Arc::new(file), compression, real, checked })
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

    /// Whether the first `bytes` bytes of the content, whose checksum was `checksum`, are other bytes now. They are
    /// read again only if the file's `ctime` has changed since the last call, and, while the file grows, only when it
    /// was read to its end (`is_end`): reading them again each time that something is appended would take too long.
    pub(super) fn is_overwritten(
        &self,
        bytes: u64,
        checksum: u32,
        is_end: bool,
    ) -> io::Result<bool> {
        let metadata = self.file.metadata()?;
        let now = ctime(&metadata);
        let grows = metadata.len() > self.found.size;
        if now == self.checked.load(Relaxed) || (grows && !is_end) {
            return Ok(false);
        }
        if self.checksum(bytes)? != Some(checksum) {
            return Ok(true);
        }
        self.checked.store(now, Relaxed);
        Ok(false)
    }

    /// The content from byte `from` after decompression.
    pub(super) fn content(&self, from: u64) -> Result<Box<dyn Read + Send>, LinesError> {
        let path = &self.found.path;
        let failed = |error| LinesError::read(path, error);
        let at = if self.is_plain() { from } else { 0 };
        let mut content = decompress(Bytes { file: Arc::clone(&self.file), at }, self.compression);
        if !self.is_plain() {
            // What was read by the run before.
            let skipped = io::copy(&mut (&mut content).take(from), &mut io::sink());
            let skipped = skipped.map_err(failed)?;
            if skipped < from {
                let why =
                    format!("has {skipped} bytes after decompression, and {from} had been read");
                return Err(LinesError::changed(&path.to_string_lossy(), why));
            }
        }
        Ok(content)
    }

    /// A checksum (CRC-32) of the first `bytes` of the content; none if it has not so many.
    pub(super) fn checksum(&self, bytes: u64) -> io::Result<Option<u32>> {
        let mut content =
            decompress(Bytes { file: Arc::clone(&self.file), at: 0 }, self.compression);
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

/// The error of an input that must not change, and did.
pub(super) fn overwritten(path: &Path) -> LinesError {
    let why = "it was overwritten while it was read: bytes that were read are not there any more";
    LinesError::read(path, io::Error::other(why))
}

fn replaced(path: &Path) -> LinesError {
    let why = "it was replaced while it was read: the path names another file now. What is read must \
               not change; --follow goes on with the new file after the old one";
    LinesError::read(path, io::Error::other(why))
}
