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
        self.can_be().map_err(LinesError::Position)?;
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

/// Epochs past this are none: what counts on from them must have room.
const MOST_EPOCHS: u64 = u64::MAX / 2;

impl Position {
    /// Whether it agrees with itself. What is counted on from it relies on that.
    fn can_be(&self) -> Result<(), String> {
        if self.epoch > MOST_EPOCHS {
            return Err(format!("{} is no epoch", self.epoch));
        }
        // A line has an end, or it is the last one and has bytes.
        if let Some(file) = self.files.iter().find(|file| file.lines > file.bytes) {
            return Err(format!("{} lines in {} bytes of {}", file.lines, file.bytes, file.path));
        }
        let lines = self.files.iter().try_fold(0, |all: u64, file| all.checked_add(file.lines));
        if lines != Some(self.lines) {
            return Err(format!("its files do not have {} lines together", self.lines));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;
    use crate::source::Input;

    /// A file that was read up to `bytes`, then made into `after`: what going on says of it.
    fn gone_on(name: &str, before: &[u8], bytes: u64, after: &[u8]) -> Result<(), String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(name).to_str().unwrap().to_owned();
        fs::write(&path, before).unwrap();
        let input = Input::Files { path, follow: false };
        let files = input.find().unwrap();
        let lines = u64::from(bytes > 0);
        let file = FilePosition::note(&files[0], bytes, lines).unwrap();
        let position = Position { epoch: 1, lines, files: vec![file] };
        fs::write(&files[0].path, after).unwrap();
        let place = position.check(&input.find().unwrap()).map_err(|error| error.to_string())?;
        assert_eq!((place.bytes, place.lines, place.line), (bytes, lines, lines));
        Ok(())
    }

    #[test]
    fn a_file_may_grow_and_nothing_else() {
        let long = |first: u8, last: u8| {
            let mut bytes = vec![b'x'; 20_000];
            (bytes[0], bytes[9_998], bytes[9_999]) = (first, last, b'\n');
            bytes
        };
        let grown = [long(b'a', b'z'), b"more".to_vec()].concat();
        assert_eq!(gone_on("f", &long(b'a', b'z'), 10_000, &grown), Ok(()));
        assert_eq!(gone_on("f", b"one\n", 4, b"one\ntwo\n"), Ok(()));
        assert_eq!(gone_on("f", b"", 0, b"one\n"), Ok(()));
        for (after, what) in [
            (long(b'b', b'z'), "other bytes"),
            (long(b'a', b'y'), "other bytes"),
            (long(b'a', b'z')[..15_000].to_vec(), "shrank from 20000 to 15000"),
        ] {
            let error = gone_on("f", &long(b'a', b'z'), 10_000, &after).unwrap_err();
            assert!(error.contains(what) && error.contains("/f "), "{error}");
        }
        let error = gone_on("f", b"one", 3, b"one and more\n").unwrap_err();
        assert!(error.contains("had no end"), "{error}");
        assert_eq!(gone_on("f", b"one", 3, b"one"), Ok(()));
        let error = gone_on("f.gz", b"packed", 3, b"packed and more").unwrap_err();
        assert!(error.contains("grew from 6 to 15"), "{error}");
        let error = gone_on("f.gz", b"packed", 300, b"pucked").unwrap_err();
        assert!(error.contains("other bytes"), "{error}");
    }

    #[test]
    fn files_may_come_after_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let input = Input::Files { path: at("*").to_str().unwrap().to_owned(), follow: false };
        for name in ["b", "d"] {
            fs::write(at(name), b"line\n").unwrap();
        }
        let files = input.find().unwrap();
        let note = |file: &Found| FilePosition::note(file, 5, 1).unwrap();
        let files = files.iter().map(note).collect();
        let position = Position { epoch: 2, lines: 2, files };
        let check = || position.check(&input.find().unwrap()).map_err(|error| error.to_string());
        fs::write(at("e"), b"line\n").unwrap();
        fs::File::options().append(true).open(at("b")).unwrap().write_all(b"late\n").unwrap();
        assert_eq!(check(), Ok(Place { file: 1, bytes: 5, lines: 1, line: 2 }));
        fs::write(at("c"), b"").unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("/c is new") && error.contains("before"), "{error}");
        fs::remove_file(at("c")).unwrap();
        fs::remove_file(at("b")).unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("/b is not there any more"), "{error}");
    }
}
