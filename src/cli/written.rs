//! The files that a run writes beside its output: none of them may be another's.

use std::path::{Path, PathBuf};

use super::UsageError;
use super::args::RunArgs;
use super::folders::{is_read, place};
use crate::pipeline::{Source, Target};
use crate::place::Place;
use crate::sink::MANIFEST;

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
        // What is no file is nobody's.
        let Some(file) = file.as_ref().filter(|file| matches!(Place::of(file), Place::File(_)))
        else {
            continue;
        };
        let wrong = |why: &str| {
            UsageError::new(option, file.display().to_string(), format!("{why}: name another file"))
        };
        let place = self::place(file);
        if let Some((other, _)) = before.iter().find(|(_, other)| *other == place) {
            return Err(wrong(&format!("is {other}'s file too")));
        }
        if let Source::Lines(input) = source
            && is_read(&place, input)
        {
            return Err(wrong("is what --source reads"));
        }
        let folder = place.parent();
        if let Some(files) = target.files()
            && folder == Some(&self::place(&files.dir))
            && is_of_an_output(&place)
        {
            return Err(wrong("is a name that the output in this folder uses itself"));
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

/// Whether the output has, or may have, a file of this name.
fn is_of_an_output(place: &Path) -> bool {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    name == MANIFEST || name.starts_with("part-") || name.starts_with('.')
}
