//! Compression, on the thread that writes.

use std::io;

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

/// Fast before small: one thread a process writes, and all its workers wait for it in the end. Packing is
/// most of what it does even so (`docs/benchmarks.md`).
const LEVEL: i32 = 1;

/// Room for what comes out at once: a whole block of zstd's, so that it need not keep one.
const ROOM: usize = (128 << 10) + 1_024;

/// Makes one complete frame of a file's bytes.
pub(super) struct Packer {
    encoder: Encoder<'static>,
    room: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        let mut encoder = Encoder::new(LEVEL)?;
        // Whoever reads the file notices if it was damaged.
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Packer { encoder, room: vec![0; ROOM] })
    }

    /// Compresses `bytes`; `write` takes what has come out.
    pub(super) fn pack(
        &mut self,
        bytes: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            let mut output = OutBuffer::around(&mut self.room[..]);
            self.encoder.run(&mut input, &mut output)?;
            write(output.as_slice())?;
        }
        Ok(())
    }

    /// Ends the frame; the next bytes begin another.
    pub(super) fn end(&mut self, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            let mut output = OutBuffer::around(&mut self.room[..]);
            let left = self.encoder.finish(&mut output, true)?;
            write(output.as_slice())?;
            if left == 0 {
                return Ok(());
            }
        }
    }
}
