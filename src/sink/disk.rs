//! The file system. Everything that the sink creates, writes, syncs, renames and removes goes through here, so that a
//! test can make each operation fail ([`Disk::failing`]). A run has no faults; it checks for them once for each system
//! call.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic_file;

/// An operation of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Creates a folder.
    MakeFolder,
    /// Creates a file that does not exist.
    Create,
    /// Opens a file that may exist.
    Open,
    /// Writes this many bytes.
    Write(usize),
    /// Truncates a file.
    SetLength,
    /// Syncs a file.
    Sync,
    /// Syncs the names in a folder.
    SyncFolder,
    /// Renames a file.
    Rename,
    /// Removes a file.
    Remove,
}

/// A fault that replaces an operation.
#[derive(Debug)]
pub enum Fault {
    /// The operation fails and has no effect.
    Error(io::Error),
    /// A write takes only this many bytes.
    Short(usize),
}

/// A function that returns the fault of an operation, on the thread that does it.
pub type Faults = Arc<dyn Fn(Call, &Path) -> Option<Fault> + Send + Sync>;

/// The file system, as the sink uses it.
#[derive(Clone, Default)]
pub struct Disk {
    faults: Option<Faults>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.faults.is_some() { "Disk(failing)" } else { "Disk" })
    }
}

impl Disk {
    /// Returns a file system with `faults`.
    pub fn failing(faults: Faults) -> Self {
        Disk { faults: Some(faults) }
    }

    /// Returns how many bytes a write may take, if not all.
    fn ask(&self, call: Call, path: &Path) -> io::Result<Option<usize>> {
        match self.faults.as_ref().and_then(|faults| faults(call, path)) {
            None => Ok(None),
            Some(Fault::Short(bytes)) => Ok(Some(bytes)),
            Some(Fault::Error(error)) => Err(error),
        }
    }

    pub(super) fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::MakeFolder, path)?;
        atomic_file::create_dir_durable(path).map(|mut made| made.keep())
    }

    /// Creates a file that does not exist.
    pub(super) fn create(&self, path: &Path) -> io::Result<DiskFile> {
        self.ask(Call::Create, path)?;
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(DiskFile { file, path: path.to_path_buf(), disk: self.clone() })
    }

    /// Opens a file that may exist, to append to it.
    pub(super) fn open(&self, path: &Path) -> io::Result<DiskFile> {
        self.ask(Call::Open, path)?;
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(DiskFile { file, path: path.to_path_buf(), disk: self.clone() })
    }

    /// Renames a file, but never replaces another one.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Call::Rename, to)?;
        rename_to_free(from, to)
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Remove, path)?;
        fs::remove_file(path)
    }

    pub(super) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::SyncFolder, path)?;
        atomic_file::sync_folder(path)
    }
}

/// An open file.
pub(super) struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl DiskFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file, for operations that tests never let fail.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Duplicates the handle. The system reports each write error once, to whichever handle syncs first.
    pub(super) fn try_clone(&self) -> io::Result<DiskFile> {
        let file = self.file.try_clone()?;
        Ok(DiskFile { file, path: self.path.clone(), disk: self.disk.clone() })
    }

    /// Waits until the file is on the disk. After an error its content is unknown, and another sync would
    /// succeed, so the caller must give the file up.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.disk.ask(Call::Sync, &self.path)?;
        self.file.sync_all()
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Truncates the file, and continues at its end.
    pub(super) fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.ask(Call::SetLength, &self.path)?;
        self.file.set_len(length)?;
        self.write_from(length)
    }

    /// Continues at `offset`.
    pub(super) fn write_from(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset)).map(drop)
    }

    /// Renames the file to `path`, and replaces the file there.
    pub(super) fn replace(&mut self, path: &Path) -> io::Result<()> {
        self.disk.ask(Call::Rename, path)?;
        fs::rename(&self.path, path)?;
        self.path = path.to_path_buf();
        Ok(())
    }

    /// Checks that the file was not removed or replaced, because nobody would find what is written to it
    /// then.
    ///
    /// # Errors
    /// If it was.
    pub(super) fn is_there(&self) -> io::Result<()> {
        let (ours, there) = (self.file.metadata()?, fs::metadata(&self.path)?);
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name now"))
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.disk.ask(Call::Write(bytes.len()), &self.path)? {
            None => self.file.write(bytes),
            Some(taken) => self.file.write(&bytes[..taken.min(bytes.len())]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems, such as NFS, do not support it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => check_and_rename(from, to),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    check_and_rename(from, to)
}

fn check_and_rename(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() && from.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        for rename in [rename_to_free, check_and_rename] {
            for path in [&a, &b] {
                fs::write(path, path.to_str().unwrap()).unwrap();
            }
            assert_eq!(rename(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            fs::remove_file(&b).unwrap();
            rename(&a, &b).unwrap();
            assert_eq!(rename(&a, &b).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_file_that_was_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = Disk::default().open(&path).unwrap();
        file.is_there().unwrap();
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        assert_eq!(file.is_there().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "").unwrap();
        assert_eq!(file.is_there().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
