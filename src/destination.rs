//! Where a path that an option names is written to: a file, a stream or a device.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::atomic_file;

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// What a path to write to names.
pub(crate) enum Destination {
    /// A file, which may not exist yet, with all links resolved.
    File(PathBuf),
    /// Standard output: `-`, `/dev/stdout` and the like.
    Stdout,
    /// Standard error.
    Stderr,
    /// A device, a pipe or another descriptor of this process, which is written to as it is.
    Stream(PathBuf),
}

impl Destination {
    /// Finds out what `path` names.
    pub(crate) fn of(path: &Path) -> Destination {
        if path == Path::new("-") {
            return Destination::Stdout;
        }
        let mut at = path.to_path_buf();
        for _ in 0..MAX_LINKS {
            if let Some(descriptor) = descriptor(&at) {
                return match descriptor.as_str() {
                    "1" => Destination::Stdout,
                    "2" => Destination::Stderr,
                    _ => Destination::Stream(at),
                };
            }
            let Ok(target) = fs::read_link(&at) else { break };
            at = atomic_file::parent_of(&at).join(target);
        }
        match fs::metadata(path) {
            Ok(there) if !there.is_file() && !there.is_dir() => {
                Destination::Stream(path.to_path_buf())
            }
            // Links that lead round: the system says so when it is opened.
            Err(_) if at.is_symlink() => Destination::Stream(path.to_path_buf()),
            _ => Destination::File(at),
        }
    }

    /// Opens the stream, unless it is a file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open_stream(&self) -> io::Result<Option<Box<dyn Write + Send>>> {
        Ok(match self {
            Destination::File(_) => None,
            Destination::Stdout => Some(Box::new(io::stdout())),
            Destination::Stderr => Some(Box::new(io::stderr())),
            // What a shell has opened goes on at its end.
            Destination::Stream(path) => Some(Box::new(File::options().append(true).open(path)?)),
        })
    }
}

/// Returns the number of the process's own descriptor that `path` names.
fn descriptor(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let own = format!("/proc/{}/fd/", std::process::id());
    let known = ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", &own];
    let number = match text {
        "/dev/stdin" => "0",
        "/dev/stdout" => "1",
        "/dev/stderr" => "2",
        _ => known.into_iter().find_map(|folder| text.strip_prefix(folder))?,
    };
    number.parse::<u32>().is_ok().then(|| number.to_owned())
}

/// Writes `bytes` to what `path` names: to a file as [`atomic_file::write`] does, with links kept, to all
/// else as it is. It is no error if the reader of a pipe has gone.
///
/// # Errors
/// If it cannot be written to.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let destination = Destination::of(path);
    if let Destination::File(file) = &destination {
        return atomic_file::write(file, bytes);
    }
    let Some(mut stream) = destination.open_stream()? else { return Ok(()) };
    match stream.write_all(bytes).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_write_through_a_link_replaces_its_target_and_keeps_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).unwrap();
        symlink("below/file", at("first")).unwrap();
        symlink("first", at("second")).unwrap();
        for text in ["new", "replaced"] {
            write(&at("second"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("below/file")).unwrap(), text);
        }
        assert!(at("first").is_symlink() && at("second").is_symlink());
        symlink("round", at("round")).unwrap();
        assert!(write(&at("round"), b"").is_err() && at("round").is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left");
    }

    #[test]
    fn streams_and_devices_are_told_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/stdout", &link).unwrap();
        for path in [Path::new("-"), Path::new("/dev/stdout"), Path::new("/dev/fd/1"), &link] {
            assert!(matches!(Destination::of(path), Destination::Stdout), "{path:?}");
        }
        assert!(matches!(Destination::of(Path::new("/dev/stderr")), Destination::Stderr));
        assert!(matches!(Destination::of(Path::new("/dev/null")), Destination::Stream(_)));
        assert!(matches!(Destination::of(Path::new("/dev/fd/7")), Destination::Stream(_)));
        assert!(matches!(Destination::of(&folder.path().join("new")), Destination::File(_)));
    }
}
