//! A temporary file that is appended to.
//!
//! What is large goes past the system's page cache (`O_DIRECT`), a megabyte at a time. Output is
//! written once and in order, so the cache would only copy it, at several times the cost of
//! splitting a record into words (`docs/benchmarks.md`, `docs/adr/0004-direct-io.md`). Small files,
//! the end of a file, and file systems that cannot do it go through the cache.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Bytes of a direct write. Smaller ones leave the disk idle between them; larger ones hold more
/// memory for each open file.
const STAGE: usize = 1 << 20;

/// What addresses, offsets and lengths of direct writes must be multiples of, on any disk.
const ALIGN: usize = 4_096;

/// A buffer at an aligned address, filled before it is written.
pub(super) struct Stage {
    bytes: Vec<u8>,
    start: usize,
}

impl Stage {
    fn new() -> Self {
        let bytes: Vec<u8> = Vec::with_capacity(STAGE + ALIGN);
        let start = bytes.as_ptr().align_offset(ALIGN);
        let mut stage = Stage { bytes, start };
        stage.clear();
        stage
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(self.start, 0);
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes what fits from the front of `bytes`; the capacity is never exceeded, so the address
    /// stays.
    fn take(&mut self, bytes: &mut &[u8]) {
        let room = STAGE - self.filled().len();
        let (taken, rest) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(taken);
        *bytes = rest;
    }
}

/// The file, while it is written.
pub(super) struct PartFile {
    file: File,
    /// None where nothing goes past the cache.
    stage: Option<Stage>,
    is_direct: bool,
}

/// Stages that no file uses now.
#[derive(Default)]
pub(super) struct Stages(Vec<Stage>);

impl PartFile {
    /// Creates the file; `direct` is whether it may go past the cache.
    pub(super) fn create(path: &Path, direct: bool, stages: &mut Stages) -> io::Result<Self> {
        let file = File::create(path)?;
        let stage = direct.then(|| stages.0.pop().unwrap_or_else(Stage::new));
        Ok(PartFile { file, stage, is_direct: false })
    }

    /// Appends bytes; those before the last megabyte are then on their way to the disk.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(stage) = &mut self.stage else { return self.file.write_all(bytes) };
        loop {
            stage.take(&mut bytes);
            if stage.filled().len() < STAGE {
                return Ok(());
            }
            if !self.is_direct && !set_direct(&self.file, true) {
                // This file system cannot.
                self.file.write_all(stage.filled())?;
                self.stage = None;
                return self.file.write_all(bytes);
            }
            self.is_direct = true;
            self.file.write_all(stage.filled())?;
            stage.clear();
        }
    }

    /// Whether what was appended is waiting in the cache.
    pub(super) fn is_cached(&self) -> bool {
        self.stage.is_none()
    }

    /// The file, to be synced beside the writing.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes the rest.
    pub(super) fn finish(mut self, stages: &mut Stages) -> io::Result<File> {
        if let Some(mut stage) = self.stage {
            if self.is_direct {
                set_direct(&self.file, false);
            }
            self.file.write_all(stage.filled())?;
            stage.clear();
            stages.0.push(stage);
        }
        Ok(self.file)
    }
}

/// Whether writes go past the cache from now on, if they can; answers whether it is as asked.
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
    use super::*;

    #[test]
    fn what_is_appended_is_in_the_file_whatever_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut stages = Stages::default();
        for (length, piece) in
            [(0, 1), (10, 3), (STAGE, 1 << 16), (STAGE + 1, 999_999), (5_000_000, 300_007)]
        {
            for direct in [true, false] {
                let path = folder.path().join("file");
                let mut file = PartFile::create(&path, direct, &mut stages).unwrap();
                text[..length].chunks(piece).for_each(|piece| file.append(piece).unwrap());
                drop(file.finish(&mut stages).unwrap());
                assert!(std::fs::read(&path).unwrap() == text[..length], "{length} bytes");
            }
        }
    }
}
