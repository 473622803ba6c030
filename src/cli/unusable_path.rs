//! Errors of files, folders and addresses that an option names and that cannot be used: they do not exist,
//! are of another kind, are not open to this user, or are taken. These are errors of the command line (2).
//! Wrong content of a file, and what happens later, is not (1).

use std::io::{self, ErrorKind};
use std::path::Path;

use super::args::RunArgs;
use super::{UsageError, sink};
use crate::pipeline::RunError;
use crate::sink::{Sink, SinkError};
use crate::state::StateError;

/// Returns `error`, as one of the command line if its cause is the name that `option` has.
pub(super) fn as_usage_error(
    option: &str,
    value: impl Into<String>,
    error: anyhow::Error,
) -> anyhow::Error {
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

/// Returns `error`, because of which a run did not start, with the option that names its cause, if there is
/// one.
pub(super) fn not_started(error: RunError, args: &RunArgs, sink: &dyn Sink) -> anyhow::Error {
    match option(&error, args, sink) {
        Some((option, value)) => as_usage_error(option, value, error.into()),
        None => error.into(),
    }
}

/// Returns the option that names what cannot be used, and its value.
fn option(error: &RunError, args: &RunArgs, sink: &dyn Sink) -> Option<(&'static str, String)> {
    let shown = |path: &Path| path.display().to_string();
    match error {
        RunError::Source(_) => Some(("--source", args.source.clone())),
        RunError::Write { what, path, .. } => {
            let option = if *what == "summary" { "--summary" } else { "--series" };
            Some((option, path.clone()))
        }
        RunError::State { folder, source: StateError::Io { path, .. } } => {
            Path::new(folder).starts_with(path).then(|| ("--state", folder.clone()))
        }
        RunError::Sink(SinkError::Io { path, .. }) => {
            let dead_letter = args.options.dead_letter.as_deref();
            if let Some(file) = dead_letter.filter(|file| file.starts_with(path)) {
                return Some(("--dead-letter", shown(file)));
            }
            let dir = &sink.files()?.dir;
            dir.starts_with(path).then(|| (sink::option(args), shown(dir)))
        }
        _ => None,
    }
}
