//! The border to the system. All that the sink makes, writes, syncs, renames and removes goes through
//! here, so that a test can have any of it fail ([`Disk::failing`]). A run has no faults, and asks for
//! them once a call, each of which is a system call.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::atomic_file;

/// What the system is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A folder.
    MakeFolder,
    /// A new file.
    Create,
    /// A file, new or not.
    Open,
    /// To take so many bytes.
    Write(usize),
    /// To cut a file.
    SetLength,
    /// To have a file on the disk.
    Sync,
    /// To have a folder's names there.
    SyncFolder,
    /// Another name.
    Rename,
    /// To remove a file.
    Remove,
}

/// What it comes to instead.
#[derive(Debug)]
pub enum Fault {
    /// It fails, and is not done.
    Error(io::Error),
    /// A write takes only so many bytes.
    Short(usize),
}

/// Answers what goes wrong with a call, on the thread that makes it.
pub type Faults = Arc<dyn Fn(Call, &Path) -> Option<Fault> + Send + Sync>;

/// The file system as the sink sees it.
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
    /// One on which `faults` happen.
    pub fn failing(faults: Faults) -> Self {
        Disk { faults: Some(faults) }
    }

    /// How many bytes a write may take, if not all.
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

    /// A file that was not there.
    pub(super) fn create(&self, path: &Path) -> io::Result<DiskFile> {
        self.ask(Call::Create, path)?;
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(DiskFile { file, path: path.to_path_buf(), disk: self.clone() })
    }

    /// A file that may be there, to write to its end.
    pub(super) fn open(&self, path: &Path) -> io::Result<DiskFile> {
        self.ask(Call::Open, path)?;
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(DiskFile { file, path: path.to_path_buf(), disk: self.clone() })
    }

    /// Renames, but not over another file.
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

/// An open file on it.
pub(super) struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl DiskFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for what cannot fail or may.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The same open file once more. Its errors are the same too: the system tells each of them
    /// once, to whichever of the two syncs first.
    pub(super) fn try_clone(&self) -> io::Result<DiskFile> {
        let file = self.file.try_clone()?;
        Ok(DiskFile { file, path: self.path.clone(), disk: self.disk.clone() })
    }

    /// Waits until the file is on the disk. After an error nobody knows what is there, and asking
    /// again would answer that all is well: whoever gets one gives the file up.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.disk.ask(Call::Sync, &self.path)?;
        self.file.sync_all()
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Cuts the file, and goes on writing at its end.
    pub(super) fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.ask(Call::SetLength, &self.path)?;
        self.file.set_len(length)?;
        self.write_from(length)
    }

    /// Goes on writing at `offset`.
    pub(super) fn write_from(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset)).map(drop)
    }

    /// Takes the name of another file, which is gone then.
    pub(super) fn replace(&mut self, path: &Path) -> io::Result<()> {
        self.disk.ask(Call::Rename, path)?;
        fs::rename(&self.path, path)?;
        self.path = path.to_path_buf();
        Ok(())
    }

    /// An error if the file was removed or replaced: what is written to it nobody would find.
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
        // A file system that cannot, NFS for one.
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
