//! Finds the file that was read, and the files that come after it, when followed files were renamed, truncated or removed
//! during a run or between two runs.

use std::cell::LazyCell;
use std::collections::VecDeque;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::LinesError;
use super::globs::path_of;
use super::input::{FoundFile, Input};
use super::late::warn_if_grown;
use super::offsets::LineOffset;
use super::opened::{FileId, Opened};
use super::position::{FilePosition, Position};
use super::start::Start;

/// Returns where a run resumes that follows its input. The files `there` exist now.
pub(super) fn resume(
    position: &Position,
    input: &Input,
    there: Vec<FoundFile>,
) -> Result<Start, LinesError> {
    position.is_sound()?;
    let Some((last, read)) = position.files.split_last() else {
        return Start::new(there, position.lines);
    };
    let path = path_of(&last.path);
    let at_path = there.iter().find(|found| found.path == path);
    let mut start =
        Start { read: read.to_vec(), before: last.before, is_resumed: true, ..Start::default() };
    start.ahead = ahead(position, &mut start.read, &path, &there);
    start.offset = LineOffset { line: position.lines, ..LineOffset::default() };
    match (find_read(last, at_path, input)?, at_path) {
        (Some(opened), _) => {
            if at_path.is_none_or(|found| found.id != opened.found.id) {
                start.between = between(position, &path, &opened, at_path);
            }
            let is_ahead = |id| start.between.iter().all(|between| between.found.id != id);
            start.ahead.retain(|found| is_ahead(found.id));
            start.offset.checksum = last.checksum(&opened)?;
            start.first = Some(opened);
            (start.offset.bytes, start.offset.lines) = (last.bytes, last.lines);
        }
        (None, Some(new)) => {
            warn_lost(&path, last);
            start.first = Some(Opened::new(new)?);
            start.before = position.lines_of(&last.path);
            if input.glob().is_some() {
                start.read.push(last.clone());
            }
        }
        (None, None) => {
            let why = "is not there any more, and no other file in its folder begins with the bytes that were read";
            return Err(LinesError::changed(&last.path, why));
        }
    }
    Ok(start)
}

/// Warns that a file is missing which may have had more lines.
pub(super) fn warn_lost(path: &Path, last: &FilePosition) {
    let unread = match last.size.saturating_sub(last.bytes) {
        0 => String::new(),
        unread => format!(", {unread} bytes of it at the least"),
    };
    tracing::warn!(
        "{} was replaced or truncated, and what it was is not in its folder under another name: what \
         came after its first {} bytes ({} lines) is lost{unread}; the file that is there now is read \
         from its start",
        path.display(),
        last.bytes,
        last.lines
    );
}

/// Finds the file of a position, under its path or under another name in the same folder.
fn find_read(
    last: &FilePosition,
    at_path: Option<&FoundFile>,
    input: &Input,
) -> Result<Option<Opened>, LinesError> {
    let path = path_of(&last.path);
    let at_path = at_path.map(Opened::new).transpose()?;
    let found = at_path.as_ref().map_or_else(|| input.named(&path), |opened| opened.found.clone());
    let at_path = at_path.filter(|opened| last.is_of(opened));
    let is_same = |opened: &Opened| last.id == Some(opened.found.id);
    if let Some(opened) = at_path {
        if is_same(&opened) {
            last.can_grow(&opened)?;
            return Ok(Some(opened));
        }
        // The file at the path is a copy. The file itself may have another name.
        let own = find(last, &found, |id| last.id == Some(id));
        let goes_on = last.bytes > 0;
        return Ok(own.or(goes_on.then_some(opened)));
    }
    let own = find(last, &found, |id| last.id == Some(id));
    Ok(own.or_else(|| find_copy(last, &found)))
}

/// Finds the newest copy of a file that was truncated after a part of it was read.
pub(super) fn find_copy(last: &FilePosition, found: &FoundFile) -> Option<Opened> {
    if last.bytes == 0 { None } else { find(last, found, |_| true) }
}

/// Returns the files that were rotated after `old`, in the order in which they last grew. Their names are the name of the
/// path with a number or a date after it.
fn between(
    position: &Position,
    path: &Path,
    old: &Opened,
    at_path: Option<&FoundFile>,
) -> Vec<Opened> {
    let grown = |file: &fs::File| file.metadata().and_then(|metadata| metadata.modified());
    let Ok(old_grown) = grown(&old.file) else { return Vec::new() };
    let name = path.file_name().unwrap_or_default().as_bytes();
    let is_rotated = |other: &Path| {
        let other = other.file_name().unwrap_or_default().as_bytes();
        let Some([b'.' | b'-', number @ ..]) = other.strip_prefix(name) else { return false };
        number.iter().any(u8::is_ascii_digit)
            && number.iter().all(|byte| byte.is_ascii_digit() || b".-_:T".contains(byte))
    };
    let is_known = |id: FileId| {
        id == old.found.id
            || at_path.is_some_and(|found| found.id == id)
            || position.files.iter().any(|file| file.id == Some(id))
    };
    let mut between = Vec::new();
    for entry in fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        let other = entry.path();
        if is_rotated(&other)
            && fs::metadata(&other).is_ok_and(|metadata| metadata.is_file())
            && let Ok(opened) = Opened::at(&other, &old.found)
            && opened.is_plain()
            && !is_known(opened.found.id)
            && let Ok(grown) = grown(&opened.file)
            && grown > old_grown
        {
            tracing::info!("{} was rotated too, and is read", other.display());
            between.push((grown, opened));
        }
    }
    between.sort_by_key(|(grown, _)| *grown);
    between.into_iter().map(|(_, opened)| opened).collect()
}

/// Finds the newest file with another name in the same folder that begins with the bytes that were read.
fn find(last: &FilePosition, found: &FoundFile, is_one: impl Fn(FileId) -> bool) -> Option<Opened> {
    let path = &found.path;
    let real = last.real.as_ref().map(|real| path_of(real));
    let mut folders: Vec<PathBuf> = vec![folder_of(path)];
    folders.extend(real.as_deref().map(folder_of).filter(|folder| *folder != folder_of(path)));
    let mut best: Option<(SystemTime, Opened)> = None;
    for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let other = entry.path();
        // The file that the path names now does not count. Opening a pipe would wait for its writer.
        let Ok(metadata) = fs::metadata(&other) else { continue };
        let is_candidate = metadata.is_file() && metadata.len() >= last.bytes && other != *path;
        if !is_candidate || !is_one(FileId::of(&metadata)) {
            continue;
        }
        let Ok(opened) = Opened::at(&other, found) else { continue };
        let when = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if last.is_of(&opened) && best.as_ref().is_none_or(|(before, _)| when > *before) {
            best = Some((when, opened));
        }
    }
    best.map(|(_, opened)| opened)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Returns the files of `there` that come after the one at `path` and were not read under any name. `read` are the files
/// that were read to their ends.
fn ahead(
    position: &Position,
    read: &mut [FilePosition],
    path: &Path,
    there: &[FoundFile],
) -> VecDeque<FoundFile> {
    let mut ahead = VecDeque::new();
    for found in there.iter().filter(|found| found.path != path) {
        let opened = LazyCell::new(|| Opened::new(found).ok());
        let is_read =
            |file: &FilePosition| opened.as_ref().is_some_and(|opened| file.is_of(opened));
        let is_known = |file: &FilePosition| file.may_be(found) && is_read(file);
        if let Some(file) = read.iter_mut().find(|file| is_known(file)) {
            if let Some(opened) = &*opened {
                warn_if_grown(opened, file);
            }
            continue;
        }
        if position.files.last().is_some_and(is_known) {
            continue;
        }
        if found.path.as_path() > path {
            ahead.push_back(found.clone());
        } else {
            warn_earlier(found, path);
        }
    }
    ahead
}

/// Warns that a file is not read.
pub(super) fn warn_earlier(found: &FoundFile, path: &Path) {
    let (found, path) = (found.path.display(), path.display());
    tracing::warn!("{found} is new and comes before {path}, which is followed: it is not read");
}
