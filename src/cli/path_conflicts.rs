//! Refuses the paths of files that a run writes besides its output, if another part of the run uses them.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::UsageError;
use super::args::RunArgs;
use super::folder_conflicts::{is_read, resolve};
use crate::destination::Destination;
use crate::sink::{MANIFEST, Sink};
use crate::source::Source;

/// Refuses a file that belongs to the input, the output, the state or another option: one of the two would be
/// lost.
pub(super) fn refuse_taken(
    args: &RunArgs,
    source: &dyn Source,
    sink: &dyn Sink,
) -> Result<(), UsageError> {
    let given = [
        ("--summary", &args.options.summary),
        ("--series", &args.options.series),
        ("--dead-letter", &args.options.dead_letter),
    ];
    let mut before: Vec<(&str, PathBuf)> = Vec::new();
    for (option, file) in given {
        file.iter().try_for_each(|file| refuse_folder(option, file))?;
        // What is no file is nobody's.
        let Some(file) =
            file.as_ref().filter(|file| matches!(Destination::of(file), Destination::File(_)))
        else {
            continue;
        };
        let wrong = |why: &str| {
            UsageError::new(option, file.display().to_string(), format!("{why}: name another file"))
        };
        let resolved = self::resolve(file);
        if let Some((other, _)) = before.iter().find(|(_, other)| *other == resolved) {
            return Err(wrong(&format!("is {other}'s file too")));
        }
        if let Some(input) = source.files()
            && is_read(&resolved, input)
        {
            return Err(wrong("is what --source reads"));
        }
        let folder = resolved.parent();
        if let Some(files) = sink.files()
            && folder == Some(&self::resolve(&files.dir))
            && is_output_name(&resolved)
        {
            return Err(wrong("is a name that the output in this folder uses itself"));
        }
        if let Some(state) = &args.state
            && folder == Some(&self::resolve(state))
        {
            return Err(wrong("is in the folder of --state, which is for the state alone"));
        }
        before.push((option, resolved));
    }
    Ok(())
}

/// Refuses a folder where a file is to be written.
pub(super) fn refuse_folder(option: &str, file: &Path) -> Result<(), UsageError> {
    match file.is_dir() || file.as_os_str().as_bytes().ends_with(b"/") {
        true => {
            Err(UsageError::new(option, file.display().to_string(), "is a folder: name a file"))
        }
        false => Ok(()),
    }
}

/// Whether the output may have a file of this name.
fn is_output_name(resolved: &Path) -> bool {
    let name = resolved.file_name().unwrap_or_default().to_string_lossy();
    name == MANIFEST || name.starts_with("part-") || name.starts_with('.')
}
