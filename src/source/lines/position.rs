//! How far the input has been read, in words that outlive the run: what a commit remembers, and
//! where the next run goes on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LinesError;
use super::input::{Found, Packing};
use super::places::Place;

/// Where everything of the epochs before one had been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The first epoch of which nothing had been read.
    pub epoch: u64,
    /// Lines before it, in all files.
    pub lines: u64,
    /// The files that were begun, in their order. All but the last one had been read to the end.
    pub files: Vec<FilePosition>,
}

/// How far a file had been read, and what shows that it is still the same file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// Its path.
    pub path: String,
    /// Bytes that had been read; of a compressed file, as they are when they are unpacked.
    pub bytes: u64,
    /// Lines that had been read.
    pub lines: u64,
    /// Its size in bytes at that time.
    pub size: u64,
    /// A checksum (CRC-32) of its first 4 KiB, as far as they had been read.
    pub head: u32,
    /// A checksum of the last 4 KiB that had been read. A compressed file does not grow, and cannot
    /// be looked at in its middle: there it is of the file's own end.
    pub tail: u32,
}

/// Bytes that a checksum is of, at most.
const CHECKED: u64 = 4096;

impl FilePosition {
    /// Notes how far `file` has been read; none, and a word to the log, if it is not there any more.
    pub(super) fn note(file: &Found, bytes: u64, lines: u64) -> Option<Self> {
        let look = || -> io::Result<FilePosition> {
            let open = File::open(&file.path)?;
            let size = open.metadata()?.len();
            let (head, tail) = checksums(&open, if file.is_plain() { bytes } else { size })?;
            let path = file.path.to_string_lossy().into_owned();
            Ok(FilePosition { path, bytes, lines, size, head, tail })
        };
        match look() {
            Ok(position) => Some(position),
            Err(error) => {
                let path = file.path.display();
                tracing::warn!("cannot note how far {path} was read: {error}");
                None
            }
        }
    }

    /// Looks whether `file` is what it was.
    fn check(&self, file: &Found, is_last: bool) -> Result<(), LinesError> {
        let changed = |why: String| LinesError::changed(&self.path, why);
        let failed = |error| LinesError::read(&file.path, error);
        let open = File::open(&file.path).map_err(failed)?;
        let size = open.metadata().map_err(failed)?.len();
        if size < self.size {
            return Err(changed(format!("shrank from {} to {size} bytes", self.size)));
        }
        if size > self.size && !file.is_plain() {
            return Err(changed(format!("grew from {} to {size} bytes", self.size)));
        }
        let read = if file.is_plain() { self.bytes } else { size };
        if checksums(&open, read).map_err(failed)? != (self.head, self.tail) {
            return Err(changed("has other bytes where it was read already".to_owned()));
        }
        if !file.is_plain() || size == self.bytes {
            return Ok(());
        }
        if !is_last {
            let more = size - self.bytes;
            tracing::warn!("{} has {more} bytes more than when it was read: left", self.path);
        } else if self.bytes > 0 && byte_at(&open, self.bytes - 1).map_err(failed)? != b'\n' {
            let why = "goes on in a line that had no end, and was taken as it was";
            return Err(changed(why.to_owned()));
        }
        Ok(())
    }
}

impl Position {
    /// Where to go on in `files`, if those that were read are the ones they were.
    pub(super) fn check(&self, files: &[Found]) -> Result<Place, LinesError> {
        let named = |file: &Found, path: &str| file.path == Path::new(path);
        for (index, position) in self.files.iter().enumerate() {
            let path = &position.path;
            let Some(file) = files.get(index).filter(|file| named(file, path)) else {
                let there = files.iter().any(|file| named(file, path));
                return Err(match files.get(index) {
                    Some(new) if there => LinesError::changed(
                        &new.path.to_string_lossy(),
                        format!("is new, and would have been read before {path}"),
                    ),
                    _ => LinesError::changed(path, "is not there any more"),
                });
            };
            position.check(file, index + 1 == self.files.len())?;
        }
        Ok(match self.files.last() {
            Some(last) => Place {
                file: self.files.len() - 1,
                bytes: last.bytes,
                lines: last.lines,
                line: self.lines,
            },
            None => Place { line: self.lines, ..Place::default() },
        })
    }
}

/// The checksums of the first and of the last bytes of the first `len`.
fn checksums(file: &File, len: u64) -> io::Result<(u32, u32)> {
    let of = |from: u64| {
        let mut bytes = vec![0; len.min(CHECKED) as usize];
        file.read_exact_at(&mut bytes, from)?;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        io::Result::Ok(crc.sum())
    };
    Ok((of(0)?, of(len - len.min(CHECKED))?))
}

fn byte_at(file: &File, at: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    Ok(byte[0])
}

impl Found {
    pub(super) fn is_plain(&self) -> bool {
        self.packing == Packing::Plain
    }
}
