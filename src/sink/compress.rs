//! Compression, on threads of zstd's own beside the one that writes.

use std::io;
use std::thread::available_parallelism;

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

/// Fast before small: all workers of a process wait for what is packed in the end, and it costs several
/// times what they do themselves (`docs/benchmarks.md`).
const LEVEL: i32 = 1;

/// Threads that pack a file, where there are as many cores. Fewer and they hold back a few workers; more
/// and each open file holds more memory, some 2 MB a thread.
const THREADS: usize = 4;

/// Bytes that one of them takes at once. Smaller ones pack less well; larger ones hold more memory, and
/// more of a file is not counted in its length yet.
const JOB_BYTES: u32 = 1 << 20;

/// Room for what comes out at once: a whole block of zstd's, so that it need not keep one.
const OUTPUT_BUFFER: usize = (128 << 10) + 1_024;

/// Makes one complete frame of a file's bytes.
pub(super) struct Compressor {
    encoder: Encoder<'static>,
    output_buffer: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> io::Result<Self> {
        let mut encoder = Encoder::new(LEVEL)?;
        // Whoever reads the file notices if it was damaged.
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        let threads = available_parallelism().map_or(1, |cores| cores.get().min(THREADS));
        // A single one would only be another than the writer's.
        if threads > 1 {
            encoder.set_parameter(CParameter::NbWorkers(threads as u32))?;
            encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
        }
        Ok(Compressor { encoder, output_buffer: vec![0; OUTPUT_BUFFER] })
    }

    /// Compresses `bytes`; `write` takes what has come out.
    pub(super) fn compress(
        &mut self,
        bytes: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            let mut output = OutBuffer::around(&mut self.output_buffer[..]);
            self.encoder.run(&mut input, &mut output)?;
            write(output.as_slice())?;
        }
        Ok(())
    }

    /// Ends the frame; the next bytes begin another.
    pub(super) fn finish(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let mut output = OutBuffer::around(&mut self.output_buffer[..]);
            let left = self.encoder.finish(&mut output, true)?;
            write(output.as_slice())?;
            if left == 0 {
                return Ok(());
            }
        }
    }
}
