//! How a file's bytes are packed: its first bytes say, whatever its name.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

/// How a file's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// What the first bytes of a file say.
    pub(super) fn of(file: &File) -> io::Result<Packing> {
        let mut first = [0; 4];
        let mut read = 0;
        while read < first.len() {
            match file.read_at(&mut first[read..], read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match first[..read] {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
            _ => Packing::Plain,
        })
    }
}

/// A file's bytes as they are when they are unpacked.
pub(super) fn unpack(
    file: impl Read + Send + 'static,
    packing: Packing,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Plain => Box::new(file),
        // Both read files of several members or frames, as appending to a packed file makes them.
        Packing::Gzip => Box::new(Packed(flate2::read::MultiGzDecoder::new(file))),
        Packing::Zstd => Box::new(Packed(zstd::Decoder::new(file)?)),
    })
}

/// Says of an end that comes too early what it means.
struct Packed<R>(R);

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            io::ErrorKind::UnexpectedEof => {
                io::Error::other("the compressed data ends too early: it is truncated")
            }
            kind => io::Error::new(kind, format!("the compressed data is damaged: {error}")),
        })
    }
}
