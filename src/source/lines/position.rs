//! Positions in the input: a commit records them, and a resumed run reads on from them.

use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};

use super::LinesError;
use super::globs::path_of;
use super::input::FoundFile;
use super::late::warn_if_grown;
use super::offsets::LineOffset;
use super::opened::{FileId, Opened};
use super::start::Start;

/// How far the input was read when an epoch began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch. Nothing of it was read.
    pub epoch: u64,
    /// The number of lines before it, in all files.
    pub lines: u64,
    /// The files that were begun, in order. All but the last one were read to their ends.
    pub files: Vec<FilePosition>,
}

/// How far a file was read, and what identifies the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// Its path in the input. A byte that is not UTF-8 is written as a NUL and two hexadecimal digits.
    pub path: String,
    /// The number of bytes that were read, after decompression.
    pub bytes: u64,
    /// The number of lines that were read.
    pub lines: u64,
    /// Its size in bytes at that time. Of a file that was read to its end, it is the size up to which warnings of added
    /// bytes were given.
    pub size: u64,
    /// A checksum (CRC-32) of its first 4 KiB, as far as they were read.
    pub head: u32,
    /// A checksum of the last 4 KiB that were read. Of a compressed file, which does not grow and whose middle cannot be
    /// read by itself, it is a checksum of the last 4 KiB of the file.
    pub tail: u32,
    /// A checksum (CRC-32) of all bytes that were read, after decompression. Older versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u32>,
    /// When the file was last changed before it was opened (its `ctime`), in nanoseconds since 1970. None if that was just
    /// before. A file with the same `ctime` has the bytes that were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<u64>,
    /// The number of lines that were read from other files that had the same path before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub before: u64,
    /// The identity of the file. Older versions did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<FileId>,
    /// Its path without links, if it had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl FilePosition {
    /// Whether `opened` has the bytes that were read. All of them are read again, unless it is the same file and it was not
    /// changed since then.
    pub(super) fn is_of(&self, opened: &Opened) -> bool {
        if !self.ends_are_of(opened) {
            return false;
        }
        let Some(read) = self.read else { return true };
        let is_unchanged = self.id == Some(opened.found.id)
            && self.changed.is_some()
            && self.changed == opened.found.changed;
        if is_unchanged {
            return true;
        }
        let FilePosition { bytes, path, .. } = self;
        tracing::info!("{path} may have changed: comparing the {bytes} bytes that were read");
        opened.checksum(self.bytes).is_ok_and(|checksum| checksum == Some(read))
    }

    /// Returns the checksum of the bytes that were read, to which the checksum of the next bytes of `opened` is added.
    pub(super) fn checksum(&self, opened: &Opened) -> Result<u32, LinesError> {
        match self.read {
            Some(read) => Ok(read),
            None => {
                let checksum = opened.checksum(self.bytes);
                let checksum =
                    checksum.map_err(|error| LinesError::read(&opened.found.path, error));
                Ok(checksum?.unwrap_or_default())
            }
        }
    }

    /// Whether `opened` has the first and the last of the bytes that were read.
    pub(super) fn ends_are_of(&self, opened: &Opened) -> bool {
        let read = if opened.is_plain() { self.bytes } else { opened.found.size };
        let ends = opened.ends(read);
        ends.is_ok_and(|(head, tail)| (checksum(&head), checksum(&tail)) == (self.head, self.tail))
    }

    /// Whether `found` may be the same file, by its path or its identity.
    pub(super) fn may_be(&self, found: &FoundFile) -> bool {
        self.id == Some(found.id) || path_of(&self.path) == found.path
    }

    /// Opens `file`, and checks that it is the file that was read. See [`Position::check`].
    fn check(&self, file: &FoundFile, is_thorough: bool) -> Result<Opened, LinesError> {
        let changed = |why: String| LinesError::changed(&self.path, why);
        let opened = Opened::new(file)?;
        let size = opened.found.size;
        if size < self.size {
            return Err(changed(format!("shrank from {} to {size} bytes", self.size)));
        }
        if size > self.size && !opened.is_plain() {
            return Err(changed(format!("grew from {} to {size} bytes", self.size)));
        }
        if !(if is_thorough { self.is_of(&opened) } else { self.ends_are_of(&opened) }) {
            let what = match self.id.is_some_and(|id| id != file.id) {
                true => "was replaced by another file, with other bytes where it was read already",
                false => "has other bytes where it was read already",
            };
            return Err(changed(what.to_owned()));
        }
        Ok(opened)
    }

    /// Fails if a last line that had no line break, and was read as it was, has grown.
    pub(super) fn can_grow(&self, opened: &Opened) -> Result<(), LinesError> {
        let failed = |error| LinesError::read(&opened.found.path, error);
        if opened.is_plain() && opened.found.size > self.bytes && self.bytes > 0 {
            let mut byte = [0];
            opened.file.read_exact_at(&mut byte, self.bytes - 1).map_err(failed)?;
            if byte[0] != b'\n' {
                let why = "continues a last line that had no line break when it was read";
                return Err(LinesError::changed(&self.path, why));
            }
        }
        Ok(())
    }
}

impl Position {
    /// Returns where a run resumes in `files`, and checks that the files that were read are still the same. All bytes that
    /// were read are compared only if the check `is_thorough`. One process has to do that. The other processes see the
    /// same files, and compare sizes and both ends.
    pub(super) fn check(
        &self,
        files: &[FoundFile],
        is_thorough: bool,
    ) -> Result<Start, LinesError> {
        self.is_sound()?;
        let offset = LineOffset { line: self.lines, ..LineOffset::default() };
        let mut start = Start { offset, ..Start::default() };
        let named = |file: &FoundFile, path: &str| file.path == path_of(path);
        for (index, position) in self.files.iter().enumerate() {
            let path = &position.path;
            let Some(file) = files.get(index).filter(|file| named(file, path)) else {
                let there = files.iter().any(|file| named(file, path));
                return Err(match files.get(index) {
                    Some(new) if there => LinesError::changed(
                        &new.path.to_string_lossy(),
                        format!("is new, and would have been read before {path}"),
                    ),
                    _ => LinesError::changed(path, position.where_it_went(files)),
                });
            };
            let opened = position.check(file, is_thorough)?;
            if index + 1 < self.files.len() {
                let mut position = position.clone();
                if is_thorough {
                    warn_if_grown(&opened, &mut position);
                }
                start.read.push(position);
                continue;
            }
            position.can_grow(&opened)?;
            let FilePosition { bytes, lines, before, .. } = *position;
            let checksum = position.checksum(&opened)?;
            start.offset = LineOffset { file: index, bytes, lines, checksum, ..offset };
            start.before = before;
            start.first = Some(opened);
        }
        Ok(start)
    }
}

impl FilePosition {
    /// Returns in words what happened to a file that is missing at its path.
    fn where_it_went(&self, files: &[FoundFile]) -> String {
        match files.iter().find(|file| self.id == Some(file.id)) {
            Some(file) => format!("is not there any more: it is {} now", file.path.display()),
            None => "is not there any more".to_owned(),
        }
    }
}

/// The largest epoch of a valid position. Later epochs must have room above it.
const MOST_EPOCHS: u64 = u64::MAX / 2;

impl Position {
    /// Fails if the position contradicts itself.
    pub(super) fn is_sound(&self) -> Result<(), LinesError> {
        self.can_be().map_err(LinesError::Position)
    }

    /// Returns the number of lines that were read under a path.
    pub(super) fn lines_of(&self, path: &str) -> u64 {
        let last = self.files.iter().rev().find(|file| file.path == path);
        last.map_or(0, |last| last.before + last.lines)
    }

    /// Checks that the position does not contradict itself, because later counts rely on it. Otherwise returns what is
    /// wrong.
    fn can_be(&self) -> Result<(), String> {
        if self.epoch > MOST_EPOCHS {
            return Err(format!("{} is no epoch", self.epoch));
        }
        // Each line has a line break, or is the last line and has at least one byte.
        if let Some(file) = self.files.iter().find(|file| file.lines > file.bytes) {
            return Err(format!("{} lines in {} bytes of {}", file.lines, file.bytes, file.path));
        }
        let lines = self.files.iter().enumerate().try_fold(0, |all: u64, (index, file)| {
            // The lines of earlier files with the same path count only once.
            let is_first = !self.files[..index].iter().any(|before| before.path == file.path);
            all.checked_add(file.lines)?.checked_add(file.before * u64::from(is_first))
        });
        if lines != Some(self.lines) {
            return Err(format!("its files do not have {} lines together", self.lines));
        }
        Ok(())
    }
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::super::input::Skipped;
    use super::super::tracked_file::TrackedFile;
    use super::*;
    use crate::source::Input;

    fn found(input: &Input) -> Vec<FoundFile> {
        input.find(false, &mut Skipped::default()).unwrap()
    }

    fn note(file: &FoundFile, bytes: u64, lines: u64) -> FilePosition {
        let opened = Opened::new(file).unwrap();
        let checksum = opened.checksum(bytes).ok().flatten().unwrap_or_default();
        let place = LineOffset { bytes, checksum, ..LineOffset::default() };
        TrackedFile::new(opened, 0, place).unwrap().position(bytes, lines)
    }

    #[test]
    fn a_position_of_an_older_version_is_read() {
        let json = r#"{"path":"f","bytes":4,"lines":1,"size":4,"head":1,"tail":2}"#;
        let file: FilePosition = serde_json::from_str(json).unwrap();
        assert_eq!((file.before, file.id), (0, None));
        assert_eq!(serde_json::to_string(&file).unwrap(), json);
    }

    /// The result of resuming in a file that was read up to `bytes` and then became `after`.
    fn gone_on(name: &str, before: &[u8], bytes: u64, after: &[u8]) -> Result<(), String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(name);
        fs::write(&path, before).unwrap();
        let input = Input::Files { path, follow: false };
        let files = found(&input);
        let lines = u64::from(bytes > 0);
        let file = note(&files[0], bytes, lines);
        let position = Position { epoch: 1, lines, files: vec![file] };
        fs::write(&files[0].path, after).unwrap();
        let start = position.check(&found(&input), true).map_err(|error| error.to_string())?;
        let place = start.offset;
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
        let middle = |at: usize| {
            let mut bytes = long(b'a', b'z');
            bytes[at] = b'y';
            bytes
        };
        let grown = [long(b'a', b'z'), b"more".to_vec()].concat();
        assert_eq!(gone_on("f", &long(b'a', b'z'), 10_000, &grown), Ok(()));
        assert_eq!(gone_on("f", &long(b'a', b'z'), 10_000, &middle(10_000)), Ok(()));
        assert_eq!(gone_on("f", b"one\n", 4, b"one\ntwo\n"), Ok(()));
        assert_eq!(gone_on("f", b"", 0, b"one\n"), Ok(()));
        for (after, what) in [
            (long(b'b', b'z'), "other bytes"),
            (long(b'a', b'y'), "other bytes"),
            (middle(5_000), "other bytes"),
            (long(b'a', b'z')[..15_000].to_vec(), "shrank from 20000 to 15000"),
        ] {
            let error = gone_on("f", &long(b'a', b'z'), 10_000, &after).unwrap_err();
            assert!(error.contains(what) && error.contains("/f "), "{error}");
        }
        let error = gone_on("f", b"one", 3, b"one and more\n").unwrap_err();
        assert!(error.contains("had no line break"), "{error}");
        assert_eq!(gone_on("f", b"one", 3, b"one"), Ok(()));
        let error = gone_on("f", b"\x1f\x8bpack", 3, b"\x1f\x8bpacked and mo").unwrap_err();
        assert!(error.contains("grew from 6 to 15"), "{error}");
        let error = gone_on("f", b"\x1f\x8bpack", 300, b"\x1f\x8bpuck").unwrap_err();
        assert!(error.contains("other bytes"), "{error}");
    }

    #[test]
    fn only_a_thorough_check_compares_all_bytes_that_were_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f");
        let mut bytes = b"line\n".repeat(4_000);
        fs::write(&path, &bytes).unwrap();
        let input = Input::Files { path: path.clone(), follow: false };
        let files = vec![note(&found(&input)[0], 20_000, 4_000)];
        let position = Position { epoch: 1, lines: 4_000, files };
        bytes[10_000] = b'y';
        fs::write(&path, &bytes).unwrap();
        let check = |is_thorough| position.check(&found(&input), is_thorough);
        assert!(check(true).unwrap_err().to_string().contains("other bytes"));
        assert_eq!(check(false).unwrap().offset.bytes, 20_000);
        bytes[19_000] = b'y';
        fs::write(&path, &bytes).unwrap();
        assert!(check(false).unwrap_err().to_string().contains("other bytes"));
    }

    #[test]
    fn a_file_that_was_not_changed_is_not_read_again() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("f");
        fs::write(&path, b"one\n").unwrap();
        let found = found(&Input::Files { path, follow: false }).remove(0);
        let mut opened = Opened::new(&found).unwrap();
        assert_eq!(opened.found.changed, None, "it may be changed once more at the same time");
        opened.found.changed = Some(7);
        let place = LineOffset { bytes: 4, checksum: checksum(b"one\n"), ..LineOffset::default() };
        let whole = TrackedFile::new(opened.clone(), 0, place).unwrap().position(4, 1);
        // Bytes that would be seen if they were looked at.
        let other = FilePosition { read: Some(0), ..whole.clone() };
        assert!(whole.is_of(&opened) && other.is_of(&opened));
        let elsewhere = FileId { inode: 0, ..found.id };
        for doubtful in [
            FilePosition { id: Some(elsewhere), ..other.clone() },
            FilePosition { changed: Some(8), ..other.clone() },
            FilePosition { changed: None, ..other },
        ] {
            assert!(!doubtful.is_of(&opened));
            assert!(FilePosition { read: whole.read, ..doubtful.clone() }.is_of(&opened));
            // An older version had looked at the ends only.
            assert!(FilePosition { read: None, ..doubtful }.is_of(&opened));
        }
    }

    #[test]
    fn files_may_come_after_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let input = Input::Files { path: at("*"), follow: false };
        for name in ["b", "d"] {
            fs::write(at(name), b"line\n").unwrap();
        }
        let files = found(&input);
        let files = files.iter().map(|file| note(file, 5, 1)).collect();
        let position = Position { epoch: 2, lines: 2, files };
        let check = || {
            let start = position.check(&found(&input), true);
            start.map(|start| start.offset).map_err(|error| error.to_string())
        };
        fs::write(at("e"), b"line\n").unwrap();
        fs::File::options().append(true).open(at("b")).unwrap().write_all(b"late\n").unwrap();
        assert_eq!(
            check(),
            Ok(LineOffset { file: 1, bytes: 5, lines: 1, checksum: checksum(b"line\n"), line: 2 })
        );
        fs::write(at("c"), b"").unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("/c is new") && error.contains("before"), "{error}");
        fs::remove_file(at("c")).unwrap();
        fs::remove_file(at("b")).unwrap();
        let error = check().unwrap_err();
        assert!(error.contains("/b is not there any more"), "{error}");
    }
}
