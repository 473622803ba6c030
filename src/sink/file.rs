//! A temporary file that is appended to.
//!
//! Large files bypass the system's page cache (`O_DIRECT`), a megabyte at a time. Output is written once and in order,
//! so the cache would only copy it, at several times the cost of splitting a record into words (`docs/benchmarks.md`,
//! `docs/adr/0004-direct-io.md`). Small files and the end of a file go through the cache, and so do all writes on file
//! systems without direct writes.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use super::Compression;
use super::compress::Compressor;
use super::disk::{Disk, DiskFile};

/// The size of a direct write in bytes. A smaller one leaves the disk idle in between; a larger one takes
/// more memory for each open file.
const STAGE: usize = 1 << 20;

/// The alignment of addresses, offsets and lengths of direct writes, on any disk.
const ALIGN: usize = 4_096;

/// A buffer at an aligned address, which is filled before it is written.
pub(super) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    fn new() -> Self {
        let bytes: Vec<u8> = Vec::with_capacity(STAGE + ALIGN);
        let start = bytes.as_ptr().align_offset(ALIGN);
        let mut buffer = AlignedBuffer { bytes, start };
        buffer.clear();
        buffer
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(self.start, 0);
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes what fits from the front of `bytes`. The capacity is never exceeded, so the address stays the
    /// same.
    fn take(&mut self, bytes: &mut &[u8]) {
        let room = STAGE - self.filled().len();
        let (taken, rest) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(taken);
        *bytes = rest;
    }
}

/// A file that results are being written to.
pub(super) struct PartFile {
    plain: PlainFile,
    /// The compressor. None if bytes are written as they are.
    compressor: Option<Compressor>,
}

/// Buffers and compressors that files reuse.
#[derive(Default)]
pub(super) struct FilePool {
    buffers: Vec<AlignedBuffer>,
    compressors: Vec<Compressor>,
}

impl PartFile {
    /// Creates the file. If `direct`, it may bypass the page cache.
    pub(super) fn create(
        disk: &Disk,
        path: &Path,
        direct: bool,
        compression: Compression,
        spares: &mut FilePool,
    ) -> io::Result<Self> {
        let file = disk.create(path)?;
        let buffer = direct.then(|| spares.buffers.pop().unwrap_or_else(AlignedBuffer::new));
        let compressor = match compression {
            Compression::None => None,
            Compression::Zstd => Some(spares.compressors.pop().map_or_else(Compressor::new, Ok)?),
        };
        Ok(PartFile { plain: PlainFile { file, buffer, is_direct: false, length: 0 }, compressor })
    }

    /// Appends bytes. All but the last megabyte are then being written to the disk.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.compressor {
            None => self.plain.append(bytes),
            Some(compressor) => compressor.compress(bytes, |packed| self.plain.append(packed)),
        }
    }

    /// Returns the file's length so far, without bytes that are still being compressed.
    pub(super) fn length(&self) -> u64 {
        self.plain.length
    }

    pub(super) fn path(&self) -> &Path {
        self.plain.file.path()
    }

    /// Whether appended bytes wait in the page cache.
    pub(super) fn is_cached(&self) -> bool {
        self.plain.buffer.is_none()
    }

    /// Returns a second handle, with which another thread can sync the file.
    pub(super) fn handle(&self) -> io::Result<DiskFile> {
        self.plain.file.try_clone()
    }

    /// Writes the remaining bytes.
    pub(super) fn finish(&mut self, spares: &mut FilePool) -> io::Result<()> {
        if let Some(mut compressor) = self.compressor.take() {
            compressor.finish(|packed| self.plain.append(packed))?;
            spares.compressors.push(compressor);
        }
        if let Some(mut buffer) = self.plain.buffer.take() {
            if self.plain.is_direct {
                set_direct(self.plain.file.file(), false);
            }
            self.plain.file.write_all(buffer.filled())?;
            buffer.clear();
            spares.buffers.push(buffer);
        }
        Ok(())
    }

    /// Returns the finished file.
    pub(super) fn into_file(self) -> DiskFile {
        self.plain.file
    }
}

/// A file of bytes as they are.
struct PlainFile {
    file: DiskFile,
    /// The buffer of direct writes. None if the page cache is used.
    buffer: Option<AlignedBuffer>,
    is_direct: bool,
    length: u64,
}

impl PlainFile {
    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        while let Some(buffer) = &mut self.buffer {
            buffer.take(&mut bytes);
            if buffer.filled().len() < STAGE {
                return Ok(());
            }
            if !self.is_direct && !set_direct(self.file.file(), true) {
                // This file system has no direct writes.
                self.continue_cached(0)?;
                break;
            }
            self.is_direct = true;
            match write_direct(&mut self.file, buffer.filled())? {
                STAGE => buffer.clear(),
                written => self.continue_cached(written)?,
            }
        }
        self.file.write_all(bytes)
    }

    /// Writes the rest of the buffer, and all later bytes, through the page cache.
    fn continue_cached(&mut self, written: usize) -> io::Result<()> {
        set_direct(self.file.file(), false);
        let Some(buffer) = self.buffer.take() else { return Ok(()) };
        self.file.write_all(&buffer.filled()[written..])
    }
}

/// Writes directly to the disk. Returns how much was written, which is less if the system took an odd number
/// of bytes, or refuses direct writes.
fn write_direct(file: &mut DiskFile, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() && written.is_multiple_of(ALIGN) {
        match file.write(&bytes[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// Switches direct writes on or off. Returns whether that succeeded.
#[cfg(target_os = "linux")]
fn set_direct(file: &File, direct: bool) -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let set = |flags: OFlags| {
        let flags = if direct { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
        fcntl_setfl(file, flags)
    };
    fcntl_getfl(file).and_then(set).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File, direct: bool) -> bool {
    !direct
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::super::disk::{Call, Fault};
    use super::*;

    fn text() -> Vec<u8> {
        (0..5_000_000_u32).map(|n| (n % 251) as u8).collect()
    }

    /// Returns the content of a file to which `text` was appended piece by piece.
    fn written(
        disk: &Disk,
        text: &[u8],
        piece: usize,
        direct: bool,
        packed: Compression,
    ) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut spares = FilePool::default();
        let mut file = PartFile::create(disk, &path, direct, packed, &mut spares).unwrap();
        text.chunks(piece).for_each(|piece| file.append(piece).unwrap());
        file.finish(&mut spares).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(file.length(), bytes.len() as u64);
        bytes
    }

    const LENGTHS: [(usize, usize); 5] =
        [(0, 1), (10, 3), (STAGE, 1 << 16), (STAGE + 1, 999_999), (5_000_000, 300_007)];

    #[test]
    fn what_is_appended_is_in_the_file_whatever_its_length() {
        let (text, disk) = (text(), Disk::default());
        for (length, piece) in LENGTHS {
            let text = &text[..length];
            for direct in [true, false] {
                let plain = written(&disk, text, piece, direct, Compression::None);
                assert!(plain == text, "{length} bytes");
                let packed = written(&disk, text, piece, direct, Compression::Zstd);
                assert!(zstd::decode_all(&packed[..]).unwrap() == text, "{length} bytes");
            }
        }
    }

    #[test]
    fn writes_that_take_less_and_are_interrupted_lose_nothing() {
        let text = text();
        // Aligned lengths, and an odd one, after which nothing can go past the cache.
        for taken in [ALIGN, 3 * ALIGN, 777] {
            let calls = AtomicUsize::new(0);
            let disk = Disk::failing(Arc::new(move |call, _| {
                let Call::Write(_) = call else { return None };
                match calls.fetch_add(1, Relaxed) {
                    call if call % 3 == 0 => Some(Fault::Short(taken)),
                    call if call % 3 == 1 => Some(Fault::Error(io::ErrorKind::Interrupted.into())),
                    _ => None,
                }
            }));
            for direct in [true, false] {
                assert!(written(&disk, &text, 300_007, direct, Compression::None) == text);
            }
        }
    }

    #[test]
    fn what_takes_no_direct_writes_is_written_through_the_cache() {
        let text = text();
        // As some file systems do, which let the flag be set.
        let refuses = |call: Call, _: &Path| {
            let whole = call == Call::Write(STAGE);
            whole.then(|| Fault::Error(rustix::io::Errno::INVAL.into()))
        };
        // Only the first write is as long as a stage and comes from one.
        let refused = AtomicUsize::new(0);
        let disk = Disk::failing(Arc::new(move |call, path| {
            refuses(call, path).filter(|_| refused.fetch_add(1, Relaxed) == 0)
        }));
        assert!(written(&disk, &text, 300_007, true, Compression::None) == text);
    }
}
