//! What a command prints, and what it says.

use std::io::{ErrorKind, Write as _};

use anyhow::{Context as _, Result};

/// Prints `text`. Whoever reads may have had enough: `| head` is no error, a full disk is.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Says `line` on standard error. Nobody hears it: not worth failing for, and a terminal that is closed
/// should not be.
pub(super) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
