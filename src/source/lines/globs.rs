//! Finds the paths that a glob matches, as a shell does.
//!
//! Names may be any bytes. Links that a part of the glob names are followed. `**` does not follow links, because a link
//! to a folder above would lead through the same folders again and again.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};

/// As in a shell, `*` and `?` match neither a slash nor the dot of a hidden file.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The paths that a glob matches.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    /// The paths, in byte order.
    pub paths: Vec<PathBuf>,
    /// Folders that cannot be read.
    pub closed: Vec<(PathBuf, io::Error)>,
}

/// A part of a glob between two slashes.
enum Part {
    Name(OsString),
    Pattern(Pattern),
    /// `**`, which matches folders of any depth.
    Folders,
}

/// Whether a path has characters that make it a glob.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Whether a name matches the part of a glob between two slashes.
pub(crate) fn name_matches(part: &OsStr, name: &OsStr) -> bool {
    Pattern::new(&text(part)).is_ok_and(|part| part.matches_with(&text(name), OPTIONS))
}

/// Returns the files and folders that `glob` matches now.
///
/// # Errors
/// If the glob is invalid. The position in the error is the index of a character in `glob`.
pub(crate) fn matches(glob: &Path) -> Result<Matches, PatternError> {
    let bytes = glob.as_os_str().as_bytes();
    let is_absolute = bytes.starts_with(b"/");
    let mut parts = Vec::new();
    let mut begin = 0;
    for part in bytes.split(|byte| *byte == b'/') {
        let name = OsStr::from_bytes(part);
        let before = &bytes[..begin];
        begin += part.len() + 1;
        match part {
            b"" => {}
            b"." if parts.is_empty() && !is_absolute => {}
            b"**" => parts.push(Part::Folders),
            _ if is_pattern(Path::new(name)) => {
                // The error's position is in the part.
                let wrong = |error: PatternError| {
                    let before = text(OsStr::from_bytes(before)).chars().count();
                    PatternError { pos: before + error.pos, ..error }
                };
                parts.push(Part::Pattern(Pattern::new(&text(name)).map_err(wrong)?));
            }
            _ => parts.push(Part::Name(name.to_owned())),
        }
    }
    let mut found = Matches::default();
    let root = if is_absolute { PathBuf::from("/") } else { PathBuf::new() };
    found.walk(root, &parts);
    found.paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    found.paths.dedup();
    Ok(found)
}

impl Matches {
    fn walk(&mut self, at: PathBuf, parts: &[Part]) {
        let Some((part, rest)) = parts.split_first() else {
            self.paths.push(if at.as_os_str().is_empty() { PathBuf::from(".") } else { at });
            return;
        };
        match part {
            Part::Name(name) => {
                let path = at.join(name);
                // A broken link is not a file.
                if fs::metadata(&path).is_ok() {
                    self.walk(path, rest);
                }
            }
            Part::Pattern(pattern) => {
                for name in self.names(&at) {
                    if pattern.matches_with(&text(&name), OPTIONS) {
                        let path = at.join(name);
                        if rest.is_empty() || path.is_dir() {
                            self.walk(path, rest);
                        }
                    }
                }
            }
            Part::Folders => {
                if !rest.is_empty() {
                    self.walk(at.clone(), rest);
                }
                for name in self.names(&at) {
                    let path = at.join(&name);
                    let kind = fs::symlink_metadata(&path).map(|metadata| metadata.file_type());
                    let is_hidden = name.as_bytes().starts_with(b".");
                    match kind {
                        Ok(kind) if kind.is_dir() && !is_hidden => self.walk(path, parts),
                        // A glob that ends with `**` matches the files of all folders.
                        Ok(_) if rest.is_empty() && !is_hidden => self.paths.push(path),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Returns the names in a folder.
    fn names(&mut self, folder: &Path) -> Vec<OsString> {
        let at = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let names = fs::read_dir(at).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        });
        match names {
            Ok(names) => names,
            // The folder was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.closed.push((at.to_owned(), error));
                Vec::new()
            }
        }
    }
}

/// Returns a name as text. A byte that is not UTF-8 becomes a character of a private range.
fn text(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        let unused = |byte: &u8| char::from_u32(0x10_ff00 + u32::from(*byte));
        text.extend(chunk.invalid().iter().filter_map(unused));
    }
    text
}

/// Returns a path as text. A byte that is not UTF-8 becomes a NUL, which no path contains, and two hexadecimal digits.
pub(crate) fn text_of(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\0{byte:02x}")));
    }
    text
}

/// Returns the path of a text that [`text_of`] has made.
pub(crate) fn path_of(text: &str) -> PathBuf {
    let mut parts = text.split('\0');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend(byte);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_is_text_whatever_bytes_it_has() {
        for path in [&b"logs/a.log"[..], b"d/photo\xff\xfe.jpg", b"", "d\u{e9}j\u{e0}".as_bytes()] {
            let path = PathBuf::from(OsString::from_vec(path.to_vec()));
            assert_eq!(path_of(&text_of(&path)), path);
        }
        assert_eq!(text_of(Path::new("logs/a.log")), "logs/a.log");
    }

    #[test]
    fn a_glob_matches_as_in_a_shell() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir_all(at("a/b/c")).unwrap();
        fs::create_dir_all(at(".hidden/b")).unwrap();
        for name in ["a/x.log", "a/b/x.log", "a/b/c/x.log", ".hidden/b/x.log", "a/.x.log", "x.log"]
        {
            fs::write(at(name), "").unwrap();
        }
        let odd = OsStr::from_bytes(b"a/photo\xff.jpg");
        fs::write(place.path().join(odd), "").unwrap();
        symlink("..", at("a/up")).unwrap();
        symlink("nowhere", at("a/y.log")).unwrap();
        let named = |glob: &OsStr| {
            let paths = matches(&place.path().join(glob)).unwrap().paths.into_iter();
            let shown = paths.map(|path| text_of(path.strip_prefix(place.path()).unwrap()));
            shown.collect::<Vec<_>>()
        };
        let text = |glob: &str| named(OsStr::new(glob));
        assert_eq!(text("**/x.log"), ["a/b/c/x.log", "a/b/x.log", "a/x.log", "x.log"]);
        assert_eq!(text("a/*.log"), ["a/x.log", "a/y.log"]);
        assert_eq!(text("*/b/x.log"), ["a/b/x.log"]);
        assert_eq!(text(".h*/b/*"), [".hidden/b/x.log"]);
        assert_eq!(text("a/up/a/[x]*"), ["a/up/a/x.log"]);
        assert_eq!(text("a/photo?.jpg"), ["a/photo\0ff.jpg"]);
        assert_eq!(named(OsStr::from_bytes(b"a/*\xff*")), ["a/photo\0ff.jpg"]);
        assert_eq!(text("a/b/**"), ["a/b/c/x.log", "a/b/x.log"]);
        assert_eq!(text("none/*"), [""; 0]);
    }

    #[test]
    fn an_invalid_glob_is_refused_at_its_character() {
        let position = |glob: &str| matches(Path::new(glob)).unwrap_err().pos;
        assert_eq!(position("***"), 2);
        assert_eq!(position("/logs//d\u{e9}j\u{e0}/a***"), 15);
        assert_eq!(position("logs/[a"), 5);
    }
}
