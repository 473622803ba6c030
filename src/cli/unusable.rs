//! What an option names and cannot be used: a file, a folder or an address that is not there, is of another
//! kind, is not open to this user, or is taken. Then the command line is wrong (2), for whatever it was wanted.
//! What is found *in* a file is not the fault of its name, and neither is what happens later (1).

use std::io::{self, ErrorKind};
use std::path::Path;

use super::UsageError;
use super::args::RunArgs;
use crate::pipeline::{RunError, Target};
use crate::sink::SinkError;
use crate::source::LinesError;
use crate::state::StateError;

/// `error`, as one of the command line if the name that `option` has cannot be used.
pub(super) fn named(option: &str, value: impl Into<String>, error: anyhow::Error) -> anyhow::Error {
    let is_of_the_name = |error: &io::Error| {
        use ErrorKind::{
            AddrInUse, AddrNotAvailable, AlreadyExists, InvalidFilename, InvalidInput,
            IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
        };
        matches!(
            error.kind(),
            AddrInUse
                | AddrNotAvailable
                | AlreadyExists
                | InvalidFilename
                | InvalidInput
                | IsADirectory
                | NotADirectory
                | NotFound
                | PermissionDenied
                | ReadOnlyFilesystem
        )
    };
    match error.chain().filter_map(|cause| cause.downcast_ref()).any(is_of_the_name) {
        true => UsageError::new(option, value, format!("{error:#}")).into(),
        false => error,
    }
}

/// `error`, for which a run did not begin, with the option that named what it is about, if one did.
pub(super) fn not_begun(error: RunError, args: &RunArgs, target: &Target) -> anyhow::Error {
    match option(&error, args, target) {
        Some((option, value)) => named(option, value, error.into()),
        None => error.into(),
    }
}

/// The option that names what cannot be used, and its value.
fn option(error: &RunError, args: &RunArgs, target: &Target) -> Option<(&'static str, String)> {
    let shown = |path: &Path| path.display().to_string();
    match error {
        RunError::Lines(LinesError::Read { .. }) => Some(("--source", args.source.clone()?)),
        RunError::Figures { what, path, .. } => {
            let option = if *what == "summary" { "--summary" } else { "--series" };
            Some((option, path.clone()))
        }
        RunError::State { folder, source: StateError::Io { path, .. } } => {
            Path::new(folder).starts_with(path).then(|| ("--state", folder.clone()))
        }
        RunError::Sink(SinkError::Io { path, .. }) => {
            let letters = args.dead_letter.as_deref().filter(|letters| letters.starts_with(path));
            if let Some(letters) = letters {
                return Some(("--dead-letter", shown(letters)));
            }
            let dir = &target.files()?.dir;
            let option = if args.out.is_some() { "--out" } else { "--sink" };
            dir.starts_with(path).then(|| (option, shown(dir)))
        }
        _ => None,
    }
}
