//! Where somebody asks for something to be written: a file, or what is none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::whole;

/// As many as the system follows.
const MOST_LINKS: usize = 40;

/// What a path names that is written to.
pub(crate) enum Place {
    /// A file, which may not be there yet: where it is, behind whatever links.
    File(PathBuf),
    /// Standard output: `-`, `/dev/stdout` and the like.
    Stdout,
    /// Standard error.
    Stderr,
    /// A device, a pipe or another descriptor of this process: it is written to as it is.
    Stream(PathBuf),
}

impl Place {
    /// What `path` names.
    pub(crate) fn of(path: &Path) -> Place {
        if path == Path::new("-") {
            return Place::Stdout;
        }
        let mut at = path.to_path_buf();
        for _ in 0..MOST_LINKS {
            if let Some(descriptor) = descriptor(&at) {
                return match descriptor.as_str() {
                    "1" => Place::Stdout,
                    "2" => Place::Stderr,
                    _ => Place::Stream(at),
                };
            }
            let Ok(target) = fs::read_link(&at) else { break };
            at = whole::above(&at).join(target);
        }
        match fs::metadata(path) {
            Ok(there) if !there.is_file() && !there.is_dir() => Place::Stream(path.to_path_buf()),
            // Links that lead round: the system says so when it is opened.
            Err(_) if at.is_symlink() => Place::Stream(path.to_path_buf()),
            _ => Place::File(at),
        }
    }

    /// What it is written to, where that is no file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open_stream(&self) -> io::Result<Option<Box<dyn Write + Send>>> {
        Ok(match self {
            Place::File(_) => None,
            Place::Stdout => Some(Box::new(io::stdout())),
            Place::Stderr => Some(Box::new(io::stderr())),
            // What a shell has opened goes on at its end.
            Place::Stream(path) => Some(Box::new(File::options().append(true).open(path)?)),
        })
    }
}

/// The number of the process's own descriptor that `path` names, if it does.
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

/// Writes `bytes` to what `path` names: a file as [`whole::write`] does, behind links, which stay; all else as it
/// is.
///
/// # Errors
/// If it cannot be written to. Whoever reads standard output or a pipe may have had enough: that is none.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let place = Place::of(path);
    if let Place::File(file) = &place {
        return whole::write(file, bytes);
    }
    let Some(mut stream) = place.open_stream()? else { return Ok(()) };
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
    fn links_stay_and_what_is_behind_them_is_written() {
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
    fn what_is_no_file_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("/dev/stdout", &link).unwrap();
        for path in [Path::new("-"), Path::new("/dev/stdout"), Path::new("/dev/fd/1"), &link] {
            assert!(matches!(Place::of(path), Place::Stdout), "{path:?}");
        }
        assert!(matches!(Place::of(Path::new("/dev/stderr")), Place::Stderr));
        assert!(matches!(Place::of(Path::new("/dev/null")), Place::Stream(_)));
        assert!(matches!(Place::of(Path::new("/dev/fd/7")), Place::Stream(_)));
        assert!(matches!(Place::of(&folder.path().join("new")), Place::File(_)));
    }
}
