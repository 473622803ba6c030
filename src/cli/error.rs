//! Errors of the command line, and exit codes.

use std::process::ExitCode;

use super::config::FromFile;
use super::output::print_message;
use super::stage_options::StageArgs;
use crate::source::path_of;
use crate::terminal::plain;

/// A wrong setting. The error names the option, the value and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{option} {value}: {expected}")]
pub struct UsageError {
    option: String,
    value: String,
    expected: String,
}

impl UsageError {
    /// Creates the error of `option`, whose `value` is wrong, with what is `expected`.
    pub fn new(
        option: impl Into<String>,
        value: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        // A path may hold bytes that are no text.
        let value = path_of(&value.into()).to_string_lossy().into_owned();
        UsageError { option: option.into(), value, expected: expected.into() }
    }

    /// Names the file if the option comes from it.
    pub(super) fn of(mut self, from_file: &FromFile) -> Self {
        if let Some(setting) = from_file.setting(&self.option) {
            self.option = format!("{setting} =");
        }
        self
    }

    /// Names the stage to whose options the option belongs.
    pub(super) fn of_stage(mut self, stage: &StageArgs) -> Self {
        (self.option, self.value) = stage.shown(&self.option, &self.value);
        self
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
    /// Prints the error with its chain of causes to standard error, in one line.
    fn from(error: anyhow::Error) -> Self {
        print_message(plain(&format!("{error:#}")));
        if error.chain().any(|cause| cause.is::<UsageError>()) { Exit::Usage } else { Exit::Failed }
    }
}

impl Exit {
    /// Returns the code.
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
