//! Finds the files that are read, and their order and names.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LinesError;
use super::globs::{self, Matches};
use super::opened::{FileId, Opened, ctime, settled};

/// The input that lines are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// One or several files.
    Files {
        /// The path of a file, or a glob with `*`, `?`, `[a-z]` and `**`, as in a shell. If the path exists, it is that
        /// file, whatever characters it contains.
        path: PathBuf,
        /// Whether the run waits for more lines at the end of the last file.
        follow: bool,
    },
    /// Standard input.
    Stdin,
}

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub path: PathBuf,
    /// The text before the number of a line: the path as a glob matched it. None without a glob.
    pub label: Option<Arc<str>>,
    pub id: FileId,
    /// Its size in bytes when it was found.
    pub size: u64,
    /// When it was last changed before that: its `ctime`, which no program can set, in nanoseconds since 1970. None if
    /// that was so shortly before that another change may have the same time.
    pub changed: Option<u64>,
}

impl FoundFile {
    pub(super) fn new(path: PathBuf, label: Option<Arc<str>>, metadata: &Metadata) -> Self {
        let (id, size) = (FileId::of(metadata), metadata.len());
        FoundFile { path, label, id, size, changed: settled(ctime(metadata)) }
    }

    /// Whether the file is compressed. False if it cannot be opened.
    pub(super) fn is_compressed(&self) -> bool {
        Opened::new(self).is_ok_and(|opened| !opened.is_plain())
    }
}

impl Input {
    /// Checks the setting, before anything is read. A glob that matches nothing and a file that cannot be followed are
    /// mistakes in the setting. A run that `is_resumed` and follows a glob skips compressed files and files without a valid
    /// name, since they may have come while it ran.
    ///
    /// # Errors
    /// A text that says which file is wrong, and why. A path that does not exist is not such a mistake: reading it fails
    /// later.
    pub fn check(&self, is_resumed: bool) -> Result<(), String> {
        let Input::Files { path, follow } = self else { return Ok(()) };
        let found = self.list_to_read(is_resumed).and_then(|listing| listing.files(path));
        if let Err(LinesError::Glob { why, .. }) = found {
            return Err(why);
        }
        let found = if *follow { found.unwrap_or_default() } else { Vec::new() };
        let compressed = found.iter().find(|file| file.is_compressed());
        match compressed {
            Some(_) if is_resumed && !found.iter().all(FoundFile::is_compressed) => Ok(()),
            Some(compressed) => Err(format!("{}: {COMPRESSED}", compressed.path.display())),
            None => Ok(()),
        }
    }

    /// Returns the path if it is a glob, which may match other files later.
    pub fn glob(&self) -> Option<&Path> {
        match self {
            Input::Files { path, .. } if is_glob(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the paths that the input names now, whether they can be read or not.
    pub fn paths(&self) -> Vec<PathBuf> {
        match (self, self.glob()) {
            (_, Some(glob)) => globs::matches(glob).unwrap_or_default().paths,
            (Input::Files { path, .. }, None) => vec![path.clone()],
            (Input::Stdin, None) => Vec::new(),
        }
    }

    /// Returns a file with this path, which need not exist.
    pub(super) fn named(&self, path: &Path) -> FoundFile {
        let label = self.glob().map(|_| path.to_string_lossy().into());
        let id = FileId { device: 0, inode: 0 };
        FoundFile { path: path.to_owned(), label, id, size: 0, changed: None }
    }

    /// Returns the files that the input names now, in byte order of their paths. Files that are not read are added to
    /// `skipped`.
    pub(super) fn find(
        &self,
        is_resumed: bool,
        skipped: &mut Skipped,
    ) -> Result<Vec<FoundFile>, LinesError> {
        let Input::Files { path, .. } = self else { return Ok(Vec::new()) };
        let listing = self.list_to_read(is_resumed)?;
        for (path, why) in &listing.passed_over {
            skipped.note(path, why);
        }
        listing.files(path)
    }

    /// Lists the files at the start of a run.
    fn list_to_read(&self, is_resumed: bool) -> Result<Listing, LinesError> {
        let mut listing = self.list()?;
        if is_resumed && matches!(self, Input::Files { follow: true, .. }) {
            listing.pass_over_unnamed();
        }
        Ok(listing)
    }

    /// Lists the files that the input names now.
    pub(super) fn list(&self) -> Result<Listing, LinesError> {
        match self {
            Input::Files { path, .. } if is_glob(path) => list_all(path),
            Input::Files { path, .. } => {
                Ok(Listing { files: vec![find_one(path)?], ..Listing::default() })
            }
            Input::Stdin => Ok(Listing::default()),
        }
    }
}

/// The files that an input names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The files to read, in byte order of their paths.
    pub files: Vec<FoundFile>,
    /// Other paths that a glob matches, and why they are not read.
    pub passed_over: Vec<(PathBuf, String)>,
    /// Files of a glob whose names cannot be part of an output line.
    pub unnamed: Vec<PathBuf>,
}

impl Listing {
    /// Moves the files without a valid name to those that are not read.
    pub(super) fn pass_over_unnamed(&mut self) {
        let unnamed = self.unnamed.drain(..);
        self.passed_over.extend(unnamed.map(|path| (path, UNNAMED.to_owned())));
    }

    /// Returns the files of `glob`, which must match at least one, and only files with valid names.
    fn files(self, glob: &Path) -> Result<Vec<FoundFile>, LinesError> {
        let wrong = |why: String| LinesError::Glob { pattern: glob.display().to_string(), why };
        if let Some(path) = self.unnamed.first() {
            return Err(wrong(format!("{}: {UNNAMED}", path.display())));
        }
        if self.files.is_empty() {
            let why =
                self.passed_over.first().map(|(path, why)| format!(": {}: {why}", path.display()));
            return Err(wrong(format!("matches no file{}", why.unwrap_or_default())));
        }
        Ok(self.files)
    }
}

/// The reason why a file of a glob is not read.
const UNNAMED: &str = "output lines begin with the file's name, and this one has a tab, a line break or \
                       bytes that are not UTF-8: rename the file, or narrow the glob";

/// The reason why a file is not followed.
pub(super) const COMPRESSED: &str = "it is compressed, and only plain files can be followed";

/// The files that are not read. There is one warning for each of them.
#[derive(Debug, Default)]
pub(super) struct Skipped(HashSet<PathBuf>);

impl Skipped {
    pub(super) fn note(&mut self, path: &Path, why: &str) {
        if self.0.insert(path.to_owned()) {
            tracing::warn!("{} is skipped: {why}", path.display());
        }
    }
}

fn is_glob(path: &Path) -> bool {
    globs::is_pattern(path) && !path.exists()
}

fn find_one(path: &Path) -> Result<FoundFile, LinesError> {
    let metadata = fs::metadata(path).map_err(|error| LinesError::read(path, error))?;
    // Opening a pipe would wait for its writer, so the kind of the file is checked first.
    if metadata.is_dir() {
        let why = "it is a directory, not a file; a glob reads the files in it, as in DIR/*";
        return Err(LinesError::read(path, io::Error::new(io::ErrorKind::IsADirectory, why)));
    }
    if !metadata.is_file() {
        let why = "it is a pipe or a device: give it as standard input, with lines:-";
        return Err(LinesError::read(path, io::Error::new(io::ErrorKind::InvalidInput, why)));
    }
    Ok(FoundFile::new(path.to_owned(), None, &metadata))
}

fn list_all(glob: &Path) -> Result<Listing, LinesError> {
    let Matches { paths, closed } = globs::matches(glob).map_err(|error| LinesError::Glob {
        pattern: glob.display().to_string(),
        why: format!("{}, at its character {}", error.msg, error.pos + 1),
    })?;
    let mut listing = Listing::default();
    for (folder, error) in closed {
        listing.passed_over.push((folder, error.to_string()));
    }
    for path in paths {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => {
                listing.passed_over.push((path, "it is not a file".to_owned()));
                continue;
            }
            // It is a broken link, or the file was removed meanwhile.
            Err(error) => {
                listing.passed_over.push((path, error.to_string()));
                continue;
            }
        };
        let name = path.to_str().filter(|name| !name.contains(['\t', '\n', '\r']));
        match name.map(Arc::from) {
            Some(name) => listing.files.push(FoundFile::new(path, Some(name), &metadata)),
            None => listing.unnamed.push(path),
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_names_files_in_byte_order_and_skips_folders() {
        let place = tempfile::tempdir().unwrap();
        for name in ["b", "a.log", "B", ".hidden", "a1"] {
            fs::write(place.path().join(name), name).unwrap();
        }
        fs::create_dir(place.path().join("a")).unwrap();
        let named = |pattern: &str| {
            let path = place.path().join(pattern);
            let found = Input::Files { path, follow: false };
            let found = found.find(false, &mut Skipped::default()).unwrap();
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
        let nothing = Input::Files { path: "no/such/*".into(), follow: false };
        assert!(nothing.check(false).unwrap_err().contains("matches no file"));
    }
}
