//! Which files are read, in which order, and what they are called.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::MatchOptions;

use super::LinesError;
use super::opened::{FileId, Opened};

/// Where the lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Files.
    Files {
        /// The path of one file, or a glob that names several: `*`, `?`, `[a-z]`, `**`, as a shell
        /// has them. A path that is there is that file, whatever characters it has.
        path: String,
        /// The last file grows, and what is added to it is waited for.
        follow: bool,
    },
    /// Standard input.
    Stdin,
}

/// As a shell: neither `*` nor `?` is a slash, or the dot of a hidden file.
pub(crate) const GLOB: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    /// What stands before a line's number: the path as it was matched, where a glob named it.
    pub label: Option<Arc<str>>,
    pub id: FileId,
    /// Its size in bytes when it was found.
    pub size: u64,
}

impl Input {
    /// Whether its end is not the end: more is waited for.
    pub(crate) fn waits(&self) -> bool {
        !matches!(self, Input::Files { follow: false, .. })
    }

    /// Looks whether there is something to read, as far as that can be known without opening it: a
    /// glob that matches nothing, or a file that cannot be followed, is a mistake in the settings.
    ///
    /// # Errors
    /// Which, and why. A path that is not there is no such mistake: reading it fails.
    pub fn check(&self) -> Result<(), String> {
        let Input::Files { path, follow } = self else { return Ok(()) };
        let wrong_path = || is_glob(path).then(|| self.find()).transpose();
        if let Err(LinesError::Glob { why, .. }) = wrong_path() {
            return Err(why);
        }
        let found = if *follow { self.find().unwrap_or_default() } else { Vec::new() };
        // One that cannot be opened is not known to be packed.
        let is_packed = |file: &&Found| Opened::new(file).is_ok_and(|opened| !opened.is_plain());
        match found.iter().find(is_packed) {
            Some(packed) => Err(packed_and_followed(&packed.path)),
            None => Ok(()),
        }
    }

    /// The glob, where it is one, so that it may come to name more files than it does now.
    pub fn glob(&self) -> Option<&str> {
        match self {
            Input::Files { path, .. } if is_glob(path) => Some(path),
            _ => None,
        }
    }

    /// What it names now, whether that can be read or not.
    pub fn paths(&self) -> Vec<PathBuf> {
        match (self, self.glob()) {
            (_, Some(glob)) => {
                let found = glob::glob_with(glob, GLOB).into_iter().flatten();
                found.flatten().collect()
            }
            (Input::Files { path, .. }, None) => vec![path.into()],
            (Input::Stdin, None) => Vec::new(),
        }
    }

    /// A file of this path, which need not be there.
    pub(super) fn named(&self, path: &Path) -> Found {
        let label = self.glob().map(|_| path.to_string_lossy().into());
        Found { path: path.to_owned(), label, id: FileId { device: 0, inode: 0 }, size: 0 }
    }

    /// The files that it names now, in byte order of their paths.
    pub(super) fn find(&self) -> Result<Vec<Found>, LinesError> {
        let Input::Files { path, .. } = self else { return Ok(Vec::new()) };
        if is_glob(path) { find_all(path) } else { find_one(Path::new(path)).map(|one| vec![one]) }
    }
}

/// Why a file is not followed.
pub(super) fn packed_and_followed(path: &Path) -> String {
    format!("{} is compressed, and only plain files can be followed", path.display())
}

fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[']) && !Path::new(path).exists()
}

fn find_one(path: &Path) -> Result<Found, LinesError> {
    let metadata = fs::metadata(path).map_err(|error| LinesError::read(path, error))?;
    // A pipe would be waited for before it is open: asked first.
    if metadata.is_dir() {
        let why = "it is a directory, not a file; a glob reads the files in it, as in DIR/*";
        return Err(LinesError::read(path, io::Error::new(io::ErrorKind::IsADirectory, why)));
    }
    if !metadata.is_file() {
        let why = "it is a pipe or a device: give it as standard input, with lines:-";
        return Err(LinesError::read(path, io::Error::new(io::ErrorKind::InvalidInput, why)));
    }
    let id = FileId::of(&metadata);
    Ok(Found { path: path.to_owned(), label: None, id, size: metadata.len() })
}

fn find_all(pattern: &str) -> Result<Vec<Found>, LinesError> {
    let wrong = |why: String| LinesError::Glob { pattern: pattern.to_owned(), why };
    let paths = glob::glob_with(pattern, GLOB).map_err(|error| wrong(error.to_string()))?;
    let mut found = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let at = error.path().to_owned();
            LinesError::read(&at, error.into())
        })?;
        let metadata = fs::metadata(&path).map_err(|error| LinesError::read(&path, error))?;
        if !metadata.is_file() {
            tracing::warn!("{} is not a file: skipped", path.display());
            continue;
        }
        let name = path.to_str().filter(|name| !name.contains(['\t', '\n', '\r']));
        let Some(name) = name else {
            let path = path.display();
            return Err(wrong(format!("{path}: a name that an output line cannot begin with")));
        };
        let (id, size) = (FileId::of(&metadata), metadata.len());
        found.push(Found { label: Some(name.into()), id, size, path });
    }
    if found.is_empty() {
        return Err(wrong("matches no file".to_owned()));
    }
    found.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_names_files_in_byte_order_and_passes_over_what_is_none() {
        let place = tempfile::tempdir().unwrap();
        for name in ["b", "a.log", "B", ".hidden", "a1"] {
            fs::write(place.path().join(name), name).unwrap();
        }
        fs::create_dir(place.path().join("a")).unwrap();
        let named = |pattern: &str| {
            let path = place.path().join(pattern).to_str().unwrap().to_owned();
            let found = Input::Files { path, follow: false }.find().unwrap();
            let names = found.into_iter().map(|file| {
                let label = file.label.map(|label| label.to_string());
                assert!(label.is_none_or(|label| Path::new(&label) == file.path));
                file.path.file_name().unwrap().to_str().unwrap().to_owned()
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(named("*"), ["B", "a.log", "a1", "b"]);
        assert_eq!(named("[ab]?*"), ["a.log", "a1"]);
        fs::write(place.path().join("[ab]?*"), "itself").unwrap();
        assert_eq!(named("[ab]?*"), ["[ab]?*"]);
        let nothing = Input::Files { path: "no/such/*".to_owned(), follow: false };
        assert!(nothing.check().unwrap_err().contains("matches no file"));
    }
}
