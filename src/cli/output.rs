//! Prints to standard output and standard error.

use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};
use rustix::fs::{OFlags, fcntl_getfl};

use crate::program_name;
use crate::terminal::plain;

/// Prints `text`. A reader that has gone, such as `| head`, is no error; a full disk is.
pub(super) fn print(text: &str) -> Result<()> {
    ignore_broken_pipe(write_stdout(text))
}

/// Prints the summary of a run. It goes to standard error if standard output cannot be written, or was closed
/// before the command started. If the reader of standard output has gone, nobody wants to see it.
pub(super) fn print_or_error(text: &str) {
    if is_stdout_closed() {
        return print_error(text.trim_end());
    }
    if let Err(error) = ignore_broken_pipe(write_stdout(text)) {
        print_message(format_args!("{error:#}"));
        print_error(text.trim_end());
    }
}

fn write_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Whether standard output may have been closed when the command started. The standard library has then opened
/// `/dev/null` in its place, for reading too. `> /dev/null` opens it for writing only, but some programs that
/// start others open it for both.
fn is_stdout_closed() -> bool {
    let is_null = || {
        let null = rustix::fs::stat("/dev/null");
        let out = rustix::fs::fstat(io::stdout());
        matches!((null, out), (Ok(null), Ok(out)) if (null.st_dev, null.st_ino) == (out.st_dev, out.st_ino))
    };
    fcntl_getfl(io::stdout()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR) && is_null()
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

/// Prints a message to standard error, after the name of the program.
pub(super) fn print_message(message: impl std::fmt::Display) {
    print_error(format_args!("{}: {message}", program_name::get()));
}

/// Prints `line` to standard error, and ignores errors: nobody would see them.
pub(super) fn print_error(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
