//! Describes in one line why a command line cannot be parsed.

use std::error::Error as _;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Cli;
use super::config::FromFile;
use crate::terminal::plain;

/// The options of timely that have one letter and stand after `--`.
const TIMELY_OPTIONS: [&str; 6] = ["-w", "-n", "-p", "-h", "-r", "-z"];

/// Returns what clap says of an error under this kind.
fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(all)) if !all.is_empty() => Some(all.join(", ")),
        _ => None,
    }
}

/// Returns the option that an error is about, without the name of its value.
pub(super) fn option(error: &clap::Error) -> String {
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    argument.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Returns why the value of an option is refused, and what would be right.
pub(super) fn reason(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::ValueValidation {
        return error.source().map(ToString::to_string).unwrap_or_default();
    }
    let valid = context(error, ContextKind::ValidValue).map(|valid| format!("one of {valid}"));
    format!("expected {}", valid.unwrap_or_else(|| "a value".to_owned()))
}

/// Returns what is wrong, and what would be right. A setting that comes from a file is named with the file.
pub(super) fn describe(error: &clap::Error, from_file: &FromFile) -> String {
    let one = |kind| context(error, kind);
    let near = |kind| one(kind).map(|near| format!(", did you mean {near}?")).unwrap_or_default();
    let argument = one(ContextKind::InvalidArg).unwrap_or_default();
    let option = option(error);
    let setting = from_file.setting(&option);
    let named = || setting.as_ref().map_or(option.clone(), |setting| format!("{setting} ="));
    let text = match error.kind() {
        ErrorKind::UnknownArgument
            if TIMELY_OPTIONS.iter().any(|own| argument.starts_with(own)) =>
        {
            format!("{argument}: is an option of timely's; those stand after --, as in -- -w 2")
        }
        ErrorKind::UnknownArgument if !argument.starts_with('-') => {
            format!("{argument}: is not an option, and no option before it takes it as its value")
        }
        ErrorKind::UnknownArgument => {
            format!("{argument}: there is no such option{}", near(ContextKind::SuggestedArg))
        }
        ErrorKind::InvalidSubcommand => {
            let name = one(ContextKind::InvalidSubcommand).unwrap_or_default();
            let (cli, usage) = (Cli::command(), error.get(ContextKind::Usage));
            // The usage names the command that has the subcommands.
            let usage = usage.map(ToString::to_string).unwrap_or_default();
            let command = usage
                .split_whitespace()
                .fold(&cli, |command, word| command.find_subcommand(word).unwrap_or(command));
            let all: Vec<&str> = command.get_subcommands().map(|it| it.get_name()).collect();
            format!("{name}: there is no such command: expected one of {}", all.join(", "))
        }
        ErrorKind::InvalidValue => {
            let value = one(ContextKind::InvalidValue).filter(|value| !value.is_empty());
            let value = value.unwrap_or_else(|| "(no value)".to_owned());
            format!("{} {value}: {}", named(), reason(error))
        }
        ErrorKind::ValueValidation => {
            let value = one(ContextKind::InvalidValue).unwrap_or_default();
            format!("{} {value}: {}", named(), reason(error))
        }
        ErrorKind::ArgumentConflict => {
            let other = one(ContextKind::PriorArg).unwrap_or_default();
            format!("{}: cannot be used with {other}", setting.as_ref().unwrap_or(&argument))
        }
        ErrorKind::TooManyValues => {
            let value = one(ContextKind::InvalidValue).unwrap_or_default();
            format!("{argument} {value}: takes no value")
        }
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        _ => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            first.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    };
    plain(&text).into_owned()
}
