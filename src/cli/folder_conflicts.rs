//! Refuses folders that conflict: an input in the output, or a state folder that is the output.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::UsageError;
use super::args::RunArgs;
use crate::sink::{self, MANIFEST, Sink};
use crate::source::{self, Input, Source};

/// Returns the absolute path of a file or folder that may not exist yet, with links resolved.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, mut resolved)) = there else { return path };
    // No link is among what is not there.
    for component in path.strip_prefix(above).into_iter().flat_map(Path::components) {
        match component {
            Component::ParentDir => drop(resolved.pop()),
            component => resolved.push(component),
        }
    }
    resolved
}

/// Refuses a state folder that would disturb the output in the folder `dir`.
pub(super) fn refuse_shared(args: &RunArgs, dir: &Path) -> Result<(), UsageError> {
    let Some(state) = &args.state else { return Ok(()) };
    let (output, resolved) = (resolve(dir), resolve(state));
    let shown = dir.display();
    let why = if output == resolved {
        "is the output folder too: give the state a folder of its own, because it is removed to \
        begin anew"
            .to_owned()
    } else if output.starts_with(&resolved) {
        format!(
            "contains the output folder {shown}: give the state a folder of its own, because it \
            is removed to begin anew"
        )
    } else if let Ok(below) = resolved.strip_prefix(&output)
        && let Some(first) = below.components().next()
        && sink::is_own_name(&first.as_os_str().to_string_lossy())
    {
        format!("is a name that the output in {shown} uses itself: name another folder")
    } else {
        return Ok(());
    };
    Err(UsageError::new("--state", state.display().to_string(), why))
}

/// Refuses an input that names, or may later match, files of the run's own output or state. These would be
/// removed before they are read, or read while they are written.
pub(super) fn refuse_own_files(
    args: &RunArgs,
    source: &dyn Source,
    sink: &dyn Sink,
) -> Result<(), UsageError> {
    let Some(input) = source.files() else { return Ok(()) };
    let wrong = |why: String| {
        let value = args.source.clone();
        Err(UsageError::new("--source", value, why))
    };
    let read: Vec<(PathBuf, PathBuf)> =
        input.paths().into_iter().map(|path| (resolve(&path), path)).collect();
    let is_in = |folder: &Path, is_own: fn(&str) -> bool| {
        let found = read.iter().find(|(resolved, _)| {
            let name = resolved.file_name().unwrap_or_default().to_string_lossy();
            resolved.parent() == Some(folder) && is_own(&name)
        });
        found.map(|(_, path)| path.display())
    };
    if let Some(files) = sink.files() {
        let (folder, shown) = (resolve(&files.dir), files.dir.display());
        if let Some(file) = is_in(&folder, sink::is_own_name) {
            return wrong(format!("{file} is a file of the output in {shown}: name another --out"));
        }
        if may_name(input, &folder, |last| may_match_own(&last.to_string_lossy())) {
            return wrong(format!(
                "may match files of this run's output in {shown}: name another --out, or make \
                the pattern more specific"
            ));
        }
    }
    if let Some(state) = &args.state {
        let (folder, shown) = (resolve(state), state.display());
        if let Some(file) = is_in(&folder, |_| true) {
            return wrong(format!(
                "{file} is in the folder of --state, {shown}, which is for the state alone: name another"
            ));
        }
        let is_states = |last: &OsStr| {
            ["lock", "state.json", "spent-0.json", "published.json"]
                .iter()
                .any(|name| source::name_matches(last, OsStr::new(name)))
        };
        if may_name(input, &folder, is_states) {
            return wrong(format!(
                "may match files of this run's state in {shown}: name another --state, or make \
                the pattern more specific"
            ));
        }
    }
    Ok(())
}

/// Whether the input reads, or may later read, the file at this path.
pub(super) fn is_read(resolved: &Path, input: &Input) -> bool {
    let name = resolved.file_name().unwrap_or_default();
    let may_come = || {
        let folder = resolved.parent();
        folder
            .is_some_and(|folder| may_name(input, folder, |last| source::name_matches(last, name)))
    };
    input.paths().iter().any(|path| self::resolve(path) == resolved) || may_come()
}

/// Whether a glob may match files in `folder`, which need not exist yet. `is_one` tests the last part of the
/// glob.
fn may_name(input: &Input, folder: &Path, is_one: impl Fn(&OsStr) -> bool) -> bool {
    input.glob().is_some_and(|glob| {
        let (folders, last) = split(glob);
        is_one(last) && names_folder(folders, folder)
    })
}

/// Whether `glob` matches `folder`, if that existed.
fn names_folder(glob: &Path, folder: &Path) -> bool {
    let (above, last) = split(glob);
    if matches!(last.as_bytes(), b"" | b"." | b"**") && above != glob && names_folder(above, folder)
    {
        return true;
    }
    if last == "**" {
        return folder.parent().is_some_and(|parent| names_folder(glob, parent));
    }
    if folder.exists() {
        let found = source::matches(glob).unwrap_or_default().paths;
        return found.into_iter().any(|found| resolve(&found) == folder);
    }
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return false };
    source::name_matches(last, name) && above != glob && names_folder(above, parent)
}

/// Splits a glob into its folders, and the pattern of names in them.
fn split(glob: &Path) -> (&Path, &OsStr) {
    let bytes = glob.as_os_str().as_bytes();
    let part = |bytes| OsStr::from_bytes(bytes);
    match bytes.iter().rposition(|byte| *byte == b'/') {
        None => (Path::new("."), part(bytes)),
        Some(0) => (Path::new("/"), part(&bytes[1..])),
        Some(at) => (Path::new(part(&bytes[..at])), part(&bytes[at + 1..])),
    }
}

/// Whether this last part of a glob may match a file that an output uses itself. Only its beginning and its
/// end are compared, so a pattern that ends with `*` is taken to match more than it may.
fn may_match_own(last: &str) -> bool {
    let Some(at) = last.find(['*', '?', '[']) else { return sink::is_own_name(last) };
    let begins = &last[..at];
    let ends = last.rsplit(['*', '?', ']']).next().unwrap_or_default();
    let is_of_numbers = |ends: &str| ends.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let may_end =
        ".zst".ends_with(ends) || is_of_numbers(ends.strip_suffix(".zst").unwrap_or(ends));
    let may_begin =
        sink::OWN_PREFIXES.iter().any(|own| own.starts_with(begins) || begins.starts_with(own));
    may_begin && may_end || source::name_matches(OsStr::new(last), OsStr::new(MANIFEST))
}
