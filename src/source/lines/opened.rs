//! Open files. A reader reads the open file, and a position refers to it, whatever its path names meanwhile.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use super::LinesError;
use super::compression::Compression;
use super::decompress::decompress;
use super::input::FoundFile;

/// The identity of a file, whatever its name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// The number of its device.
    pub device: u64,
    /// Its inode number on the device.
    pub inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The number of bytes at each end of a file that a position has checksums of.
pub(super) const CHECKED: u64 = 4096;

/// The number of bytes that are read at once. They are still in the second level of the cache when they are split.
pub(super) const BLOCK: usize = 256 << 10;

/// Two changes of a file within this time may have the same `ctime`, because a file system counts it in coarse steps
/// (FAT in steps of 2 s).
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

/// The shortest time between two comparisons of a file with what was read of it.
const COMPARE_INTERVAL: Duration = Duration::from_millis(100);

/// That time, as a multiple of what the last comparison took. So comparisons take at most a tenth of the time.
const COMPARE_SHARE: u32 = 10;

/// The last comparison of a file with what was read of it.
#[derive(Debug)]
pub(super) struct Comparison {
    /// The file has the bytes that were read as long as it has this `ctime`. None if a later change may have the same
    /// one.
    ctime: Option<u64>,
    /// When the file may be compared again.
    next: Instant,
}

/// An open file.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// The file as it was when it was opened, with the path that the input has for it.
    pub found: FoundFile,
    pub file: Arc<File>,
    pub compression: Compression,
    /// The path without links, if it has any. The file may get another name in that folder.
    pub real: Option<PathBuf>,
    /// The last comparison with what was read, by any of the threads that read the file.
    pub compared: Arc<Mutex<Comparison>>,
}

impl Opened {
    /// Opens a file that was found. It must still be the same file.
    pub(super) fn new(found: &FoundFile) -> Result<Self, LinesError> {
        let path = &found.path;
        let opened = Opened::at(path, found).map_err(|error| LinesError::read(path, error))?;
        match opened.found.id == found.id {
            true if opened.found.size < found.size => Err(shrank(found, opened.found.size)),
            true => Ok(opened),
            false => Err(replaced(path)),
        }
    }

    /// Opens a file of a glob. None, with a warning, if it was removed.
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

    /// Opens the file that is at `path` now, with the name of `found`.
    pub(super) fn at(path: &Path, found: &FoundFile) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let compression = Compression::of_file(&file)?;
        let real = fs::canonicalize(path).ok();
        let real = real.filter(|real| std::path::absolute(path).ok().as_ref() != Some(real));
        let found = FoundFile::new(found.path.clone(), found.label.clone(), &metadata);
        let compared = Comparison { ctime: found.changed, next: Instant::now() };
        let compared = Arc::new(Mutex::new(compared));
        Ok(Opened { found, file: Arc::new(file), compression, real, compared })
    }

    pub(super) fn is_plain(&self) -> bool {
        self.compression == Compression::Plain
    }

    /// Returns the current size.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Checks a file that must not change while it is read: it has no fewer bytes than before, and the path names no
    /// other file.
    pub(super) fn is_unchanged(&self) -> Result<(), LinesError> {
        let FoundFile { path, id, size, .. } = &self.found;
        let now = self.size().map_err(|error| LinesError::read(path, error))?;
        if now < *size {
            return Err(shrank(&self.found, now));
        }
        // A file that was removed is read to its end.
        match fs::metadata(path) {
            Ok(there) if FileId::of(&there) != *id => Err(replaced(path)),
            _ => Ok(()),
        }
    }

    /// Returns the error of an input whose bytes are others than were read. If it has lost bytes or was replaced since
    /// it was last checked, that is what the error says.
    pub(super) fn overwritten(&self) -> LinesError {
        self.is_unchanged().err().unwrap_or_else(|| {
            let why =
                "it was overwritten while it was read: bytes that were read are not there any more";
            LinesError::read(&self.found.path, io::Error::other(why))
        })
    }

    /// Whether the first `bytes` bytes of the content, whose checksum was `checksum`, are other bytes now. They are
    /// read again only if the file may have changed since they were last compared. Until the file was read to its end
    /// (`is_end`), they are not read again while it grows, nor soon after the last comparison, because that would take
    /// too long.
    pub(super) fn is_overwritten(
        &self,
        bytes: u64,
        checksum: u32,
        is_end: bool,
    ) -> io::Result<bool> {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        let (metadata, begun) = (self.file.metadata()?, Instant::now());
        let now = ctime(&metadata);
        let grows = metadata.len() > self.found.size;
        if compared.ctime == Some(now) || (!is_end && (grows || begun < compared.next)) {
            return Ok(false);
        }
        let settled = settled(now);
        if self.checksum(bytes)? != Some(checksum) {
            return Ok(true);
        }
        let pause = (COMPARE_SHARE * begun.elapsed()).max(COMPARE_INTERVAL);
        *compared = Comparison { ctime: settled, next: Instant::now() + pause };
        Ok(false)
    }

    /// Returns the content, after decompression, from byte `from` on.
    pub(super) fn content(&self, from: u64) -> Result<Box<dyn Read + Send>, LinesError> {
        let path = &self.found.path;
        let failed = |error| LinesError::read(path, error);
        let at = if self.is_plain() { from } else { 0 };
        let mut content = decompress(Bytes { file: Arc::clone(&self.file), at }, self.compression);
        if !self.is_plain() {
            // The run before has read these bytes.
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

    /// Returns the first line of the content. None if it is not text, or longer than `most` bytes.
    pub(super) fn first_line(&self, most: usize) -> Result<Option<Box<str>>, LinesError> {
        let mut line = Vec::new();
        let content = self.content(0)?.take(most as u64 + 2);
        let read = BufReader::new(content).read_until(b'\n', &mut line);
        read.map_err(|error| LinesError::read(&self.found.path, error))?;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= most);
        Ok(text.map(Box::from))
    }

    /// Returns a checksum (CRC-32) of the first `bytes` bytes of the content. None if it has fewer bytes.
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

    /// Returns the first and the last `CHECKED` bytes of the first `len` bytes.
    pub(super) fn ends(&self, len: u64) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let of = |from: u64| {
            let mut bytes = vec![0; len.min(CHECKED) as usize];
            self.file.read_exact_at(&mut bytes, from)?;
            io::Result::Ok(bytes)
        };
        Ok((of(0)?, of(len - len.min(CHECKED))?))
    }
}

/// The bytes of a file from one on. They are read without the file's own offset, which other readers share.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_compared_again_after_a_pause_or_at_its_end() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f");
        fs::write(&path, b"one\n").unwrap();
        let found = FoundFile::new(path.clone(), None, &fs::metadata(&path).unwrap());
        let opened = Opened::new(&found).unwrap();
        let read = crc32fast::hash(b"one\n");
        let is_overwritten = |is_end| opened.is_overwritten(4, read, is_end).unwrap();
        assert!(!is_overwritten(false));
        let paused_until = |next: Instant| opened.compared.lock().unwrap().next = next;
        // This change may have the same time as the one before.
        fs::write(&path, b"two\n").unwrap();
        paused_until(Instant::now() + Duration::from_secs(3600));
        assert!(!is_overwritten(false));
        assert!(is_overwritten(true));
        paused_until(Instant::now());
        assert!(is_overwritten(false));
    }
}
