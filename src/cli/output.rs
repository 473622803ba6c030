//! What a command prints, and what it says.

use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};

use crate::terminal::plain;

/// Prints `text`. Whoever reads may have had enough: `| head` is no error, a full disk is.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints a line, at once: one line, whatever a remote side had in it.
pub(super) fn print_line(line: impl std::fmt::Display) -> Result<()> {
    print(&format!("{}\n", plain(&line.to_string())))
}

/// What it comes to that something was printed so.
pub(super) fn printed(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Says `line` on standard error. Nobody hears it: not worth failing for, and a terminal that is closed
/// should not be.
pub(super) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
