//! Recognises compressed data, and data that is not text, by its first bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::program_name;

/// The compression of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// The number of bytes that are needed to recognise data: a tar archive has its mark at byte 257.
pub(super) const FIRST: usize = 512;

/// The length in bytes of the mark at the start of a zstd frame. The mark of a gzip member has two bytes.
pub(super) const MARK: usize = 4;

/// Formats that are not read: their first bytes, their names, and a command that makes lines of them.
const REFUSED: [(&[u8], &str, &str); 12] = [
    (b"BZh", "compressed with bzip2", "bzip2 -dc"),
    (b"\xfd7zXZ\0", "compressed with xz", "xz -dc"),
    (b"LZIP", "compressed with lzip", "lzip -dc"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "lz4 -dc"),
    (b"\x1f\x9d", "compressed with compress", "zcat"),
    (b"PK\x03\x04", "a zip archive", "unzip -p"),
    (b"PK\x05\x06", "an empty zip archive", "unzip -p"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
    (b"Rar!\x1a\x07", "a rar archive", "unrar p -inul"),
    (b"\xff\xfe\0\0", "text in UTF-32", "iconv -f UTF-32 -t UTF-8"),
    (b"\xff\xfe", "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
];

/// Data that lines cannot be read from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Refused {
    what: &'static str,
    /// A command that makes lines of a file of it.
    command: &'static str,
}

impl Refused {
    /// Returns the error for a file of such data.
    pub(super) fn error(self) -> io::Error {
        let Refused { what, command } = self;
        self::error(what, &format!("{command} FILE"))
    }

    /// Returns the error for a compressed file of such data.
    pub(super) fn error_inside(self, outer: Compression) -> io::Error {
        let (name, decompress) = outer.name_and_command();
        let Refused { what, command } = self;
        self::error(
            &format!("{what} inside {name} data"),
            &format!("{decompress} FILE > INNER; {command} INNER"),
        )
    }
}

/// Returns the error for a file that was compressed twice, last with `outer`.
pub(super) fn compressed_twice(outer: Compression) -> io::Error {
    let (_, decompress) = outer.name_and_command();
    error("compressed twice", &format!("{decompress} FILE"))
}

/// Returns the error for a file that is `what`. `command` makes lines of it.
fn error(what: &str, command: &str) -> io::Error {
    let program = program_name::get();
    io::Error::other(format!(
        "it is {what}, and only text in UTF-8 is read, plain or compressed once with gzip or zstd. This command reads \
         it: {command} | {program} run --source lines:-"
    ))
}

impl Compression {
    /// Returns the compression of a file that begins with `first`.
    ///
    /// # Errors
    /// If `first` begins data that lines cannot be read from.
    pub(super) fn of(first: &[u8]) -> Result<Compression, Refused> {
        if let Some(compression) = Compression::of_mark(first) {
            return Ok(compression);
        }
        let refused = |what, command| Err(Refused { what, command });
        if let Some((_, what, command)) = REFUSED.iter().find(|(mark, ..)| first.starts_with(mark))
        {
            return refused(what, command);
        }
        if first.get(257..262) == Some(b"ustar") {
            return refused("a tar archive", "tar -xOf");
        }
        // UTF-16 without a mark: in text of Latin letters, each second byte is 0.
        let is_wide = |zero: usize| {
            let pairs = first.len() / 2;
            pairs >= 4 && first.chunks_exact(2).all(|two| two[zero] == 0 && two[1 - zero] != 0)
        };
        match is_wide(0) || is_wide(1) {
            true => refused("text in UTF-16", "iconv -f UTF-16 -t UTF-8"),
            false => Ok(Compression::Plain),
        }
    }

    /// Returns the compression of data that begins with the mark of a gzip member or a zstd frame. None if it does not.
    pub(super) fn of_mark(first: &[u8]) -> Option<Compression> {
        match first {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            // A frame of data, or a skippable frame, which parallel compressors write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Some(Compression::Zstd)
            }
            _ => None,
        }
    }

    /// Returns the compression of a file.
    ///
    /// # Errors
    /// If the file cannot be read, or lines cannot be read from it.
    pub(super) fn of_file(file: &File) -> io::Result<Compression> {
        let mut first = [0; FIRST];
        let mut read = 0;
        while read < first.len() {
            match file.read_at(&mut first[read..], read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Compression::of(&first[..read]).map_err(Refused::error)
    }

    /// Returns its name, and a command that decompresses a file.
    fn name_and_command(self) -> (&'static str, &'static str) {
        match self {
            Compression::Plain => ("plain", "cat"),
            Compression::Gzip => ("gzip", "gzip -dc"),
            Compression::Zstd => ("zstd", "zstd --long=31 -dc"),
        }
    }
}
