//! How the command ends.

use std::process::ExitCode;

use super::output::say;
use crate::source::path_of;
use crate::terminal::plain;

/// A setting that cannot be: it names the option, the value and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{option} {value}: {expected}")]
pub struct UsageError {
    option: String,
    value: String,
    expected: String,
}

impl UsageError {
    /// `option`'s `value` is wrong, and this is what would be right.
    pub fn new(
        option: impl Into<String>,
        value: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        // A path may hold bytes that are no text.
        let value = path_of(&value.into()).to_string_lossy().into_owned();
        UsageError { option: option.into(), value, expected: expected.into() }
    }
}

/// The process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or stopped in good order.
    Done,
    /// 1: failed.
    Failed,
    /// 2: the command line or the configuration is wrong.
    Usage,
}

impl From<anyhow::Error> for Exit {
    /// Says what is wrong: one line, the chain of causes, to standard error.
    fn from(error: anyhow::Error) -> Self {
        say(format_args!("floodway: {}", plain(&format!("{error:#}"))));
        if error.chain().any(|cause| cause.is::<UsageError>()) { Exit::Usage } else { Exit::Failed }
    }
}

impl Exit {
    /// Its number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
