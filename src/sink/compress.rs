//! Compression with zstd, on threads of its own beside the writer's.

use std::io;
use std::thread::available_parallelism;

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation as _, OutBuffer};

/// A fast level: all workers of a process wait for compression in the end, and it costs several times as much
/// as their own work (`docs/benchmarks.md`).
const LEVEL: i32 = 1;

/// The number of threads that compress a file, if there are as many cores. Fewer of them limit even a few
/// workers; more hold more memory for each open file, some 2 MB a thread.
const THREADS: usize = 4;

/// The number of bytes that a thread takes at once. Smaller jobs compress less well; larger ones hold more
/// memory, and more of a file is missing in its length so far.
const JOB_BYTES: u32 = 1 << 20;

/// The size of the output buffer: a whole block of zstd, so that zstd keeps none.
const OUTPUT_BUFFER: usize = (128 << 10) + 1_024;

/// Compresses the bytes of a file into one frame.
pub(super) struct Compressor {
    encoder: Encoder<'static>,
    output_buffer: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> io::Result<Self> {
        let mut encoder = Encoder::new(LEVEL)?;
        // Readers notice damage by the checksum.
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        let threads = available_parallelism().map_or(1, |cores| cores.get().min(THREADS));
        // A single thread would not be faster than the writer's own.
        if threads > 1 {
            encoder.set_parameter(CParameter::NbWorkers(threads as u32))?;
            encoder.set_parameter(CParameter::JobSize(JOB_BYTES))?;
        }
        Ok(Compressor { encoder, output_buffer: vec![0; OUTPUT_BUFFER] })
    }

    /// Compresses `bytes`, and passes the output to `write`.
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

    /// Ends the frame. The next bytes begin another one.
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
