//! Prints to standard output and standard error.

use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};

use crate::terminal::plain;

/// Prints `text`. A reader that has gone, such as `| head`, is no error; a full disk is.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    ignore_broken_pipe(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints a line and flushes it. Control characters from a remote side are escaped.
pub(super) fn print_line(line: impl std::fmt::Display) -> Result<()> {
    print(&format!("{}\n", plain(&line.to_string())))
}

/// Turns a broken pipe into success.
pub(super) fn ignore_broken_pipe(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Prints `line` to standard error, and ignores errors: nobody would see them.
pub(super) fn print_error(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
