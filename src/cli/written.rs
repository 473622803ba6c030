//! The files that a run writes beside its output: none of them may be another's.

use std::path::{Path, PathBuf};

use super::UsageError;
use super::args::RunArgs;
use crate::pipeline::{Source, Target};
use crate::sink::MANIFEST;
use crate::source::Input;

/// Refuses a file that is the input's, the output's, the state's, or another option's too: one of the
/// two would be lost.
pub(super) fn refuse_taken(
    args: &RunArgs,
    source: &Source,
    target: &Target,
) -> Result<(), UsageError> {
    let given = [
        ("--summary", &args.summary),
        ("--series", &args.series),
        ("--dead-letter", &args.dead_letter),
    ];
    let mut before: Vec<(&str, PathBuf)> = Vec::new();
    for (option, file) in given {
        let Some(file) = file else { continue };
        let wrong = |why: &str| {
            UsageError::new(option, file.display().to_string(), format!("{why}: name another file"))
        };
        let place = place(file);
        if let Some((other, _)) = before.iter().find(|(_, other)| *other == place) {
            return Err(wrong(&format!("is {other}'s file too")));
        }
        if is_read(file, &place, source) {
            return Err(wrong("is what --source reads"));
        }
        let folder = place.parent();
        if let Target::Files { files, .. } = target
            && folder == Some(&self::place(&files.dir))
            && is_of_an_output(&place)
        {
            return Err(wrong("is a name that the output in this folder has for itself"));
        }
        if let Some(state) = &args.state
            && folder == Some(&self::place(state))
        {
            return Err(wrong("is in the folder of --state, which is for the state alone"));
        }
        before.push((option, place));
    }
    Ok(())
}

/// Where a file is or will be, however it is written.
fn place(path: &Path) -> PathBuf {
    let whole = path.canonicalize().or_else(|_| {
        let path = std::path::absolute(path)?;
        let folder = path.parent().unwrap_or(&path).canonicalize()?;
        Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
    });
    whole.or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

fn is_read(file: &Path, place: &Path, source: &Source) -> bool {
    let Source::Lines(Input::Files { path, .. }) = source else { return false };
    let is_named = glob::Pattern::new(path).is_ok_and(|glob| glob.matches_path(file));
    is_named || self::place(Path::new(path)) == place
}

/// Whether the output has, or may have, a file of this name.
fn is_of_an_output(place: &Path) -> bool {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    name == MANIFEST || name.starts_with("part-") || name.starts_with('.')
}
