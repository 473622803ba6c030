//! `--config FILE`: settings as TOML, named as the flags are.
//!
//! The settings of the file are put before the flags as if they had been typed, and of two flags the later
//! one wins. So only one part of the code knows the options, their values and their errors.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use clap::{Arg, Command};
use toml::Value;

use super::program::Program;
use super::{UsageError, argv, rates, sink, source};
use crate::policy::Spec;

/// The settings that come from the file of `--config`, because they were not typed.
#[derive(Clone, Debug, Default)]
pub(super) struct FromFile {
    file: PathBuf,
    /// The names of the settings.
    keys: Vec<String>,
}

impl FromFile {
    /// Whether `option`, such as `--rate`, comes from the file.
    pub(super) fn has(&self, option: &str) -> bool {
        option.strip_prefix("--").is_some_and(|option| self.keys.iter().any(|key| key == option))
    }

    /// Returns the name of an option as it stands in the file, if it comes from there.
    pub(super) fn setting(&self, option: &str) -> Option<String> {
        let key = option.strip_prefix("--").filter(|_| self.has(option))?;
        Some(format!("--config {}: {key}", self.file.display()))
    }

    /// Names the file in an error of one of its settings.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<UsageError>() {
            Ok(error) => error.of(self).into(),
            Err(error) => error,
        }
    }
}

/// An option of the command line, which of its values exclude settings, and the settings.
type Exclusion = (&'static str, fn(&str) -> bool, &'static [&'static str]);

/// Options of the command line that exclude settings: with such a value of the option, the settings have no
/// meaning. The forms of sources and of sinks have lists of their own, and what an option excludes whatever its
/// value is declared with it, as a conflict.
const EXCLUDED: [Exclusion; 6] = [
    ("--shape", |shape| shape.starts_with("trace:"), &["rate", "peak-rate", "period"]),
    ("--shape", |shape| shape == rates::DEFAULT_SHAPE, &["peak-rate", "period"]),
    ("--rate", |rate| rate == rates::MAX, &["shape", "peak-rate", "period"]),
    ("--policy", sends_nothing, &["shadow", "require-remote"]),
    ("--lambda", |lambda| lambda == "local", &["auth", "region", "memory"]),
    ("--lambda", |lambda| lambda != "local", &["local-lambda", "shadow"]),
];

fn sends_nothing(policy: &str) -> bool {
    Spec::named(policy).is_some_and(|policy| !policy.needs_remote())
}

/// Returns `args` with the settings of the file that they name, if they name one, and which these are.
pub(super) fn with_file(
    program: &Program,
    args: Vec<OsString>,
) -> Result<(Vec<OsString>, FromFile), UsageError> {
    let cli = program.command();
    // An unknown command or option is reported later.
    let command = args.get(1).and_then(|name| cli.find_subcommand(name));
    let takes_file = command.is_none_or(|command| {
        command.get_arguments().any(|argument| argument.get_long() == Some("config"))
    });
    if !takes_file {
        return Ok((args, FromFile::default()));
    }
    let mut files = argv::values(&args, "--config").into_iter().map(PathBuf::from);
    let Some(file) = files.next() else { return Ok((args, FromFile::default())) };
    let wrong = |why: String| UsageError::new("--config", file.display().to_string(), why);
    if let Some(second) = files.next() {
        let why = format!("is a second file, after {}: give one", file.display());
        return Err(UsageError::new("--config", second.display().to_string(), why));
    }
    let text = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error| wrong(describe(&text, &error)))?;
    let mut typed = Vec::new();
    let mut timely = Vec::new();
    let mut keys = Vec::new();
    for (key, value) in table {
        let wrong = |why: &str| wrong(format!("{key} = {value}: {why}"));
        if key == "timely" {
            let Value::Array(values) = &value else {
                return Err(wrong("expected an array of arguments"));
            };
            timely.extend(values.iter().filter_map(scalar));
            continue;
        }
        if key == "config" {
            return Err(wrong("a file cannot name another one"));
        }
        let is_key = |argument: &&Arg| argument.get_long() == Some(&key);
        let argument = command.and_then(|command| command.get_arguments().find(is_key));
        let takes_value = argument.is_none_or(|argument| argument.get_action().takes_values());
        let options = match (&value, scalar(&value)) {
            _ if command.is_some() && argument.is_none() => {
                let why = format!("there is no such setting, because there is no option --{key}");
                return Err(wrong(&why));
            }
            (Value::Boolean(false), _) => continue,
            (Value::Boolean(true), _) if !takes_value => vec![format!("--{key}")],
            (_, Some(value)) if takes_value => vec![format!("--{key}={value}")],
            (Value::Array(values), _) if argument.is_some_and(is_repeated) => {
                values.iter().filter_map(scalar).map(|value| format!("--{key}={value}")).collect()
            }
            _ if takes_value => return Err(wrong("expected a string or a number")),
            _ => return Err(wrong("expected true or false")),
        };
        // A command hides the options that it sets itself. A file may have them for other commands.
        let is_excluded = command.zip(argument).is_some_and(|(command, argument)| {
            argument.is_hide_set() || is_excluded(&args, command, argument)
        });
        if is_excluded {
            continue;
        }
        // What was typed counts, and a value that does not count need not be right.
        if !argv::contains(&args, &format!("--{key}")) {
            keys.push(key);
            typed.extend(options);
        }
    }
    // Program and command first, then the file, then what was typed.
    let mut args = args.into_iter();
    let mut all: Vec<OsString> = args.by_ref().take(2).collect();
    all.extend(typed.into_iter().map(OsString::from));
    all.extend(args);
    if !timely.is_empty() && !all.iter().any(|arg| arg == "--") {
        all.push("--".into());
        all.extend(timely.into_iter().map(OsString::from));
    }
    Ok((all, FromFile { file, keys }))
}

/// Whether an option may be given several times. In a file, its value may then be an array.
fn is_repeated(argument: &Arg) -> bool {
    matches!(argument.get_action(), clap::ArgAction::Append)
}

/// Whether a typed option excludes the setting of this `argument`, so that it does not count.
fn is_excluded(args: &[OsString], command: &Command, argument: &Arg) -> bool {
    let Some(name) = argument.get_long() else { return false };
    let conflicts = |typed: &Arg| {
        command
            .get_arg_conflicts_with(typed)
            .iter()
            .any(|found| found.get_id() == argument.get_id())
    };
    let is_typed = |other: &&Arg| {
        other.get_long().is_some_and(|name| argv::contains(args, &format!("--{name}")))
    };
    let has_value = |option: &str, excludes: &dyn Fn(&str) -> bool| {
        argv::values(args, option).pop().is_some_and(|value| excludes(&value.to_string_lossy()))
    };
    let option = format!("--{name}");
    command.get_arguments().filter(is_typed).any(conflicts)
        || has_value("--source", &|value| source::excludes(value, &option))
        || has_value("--sink", &|value| sink::excludes(value, &option))
        || EXCLUDED
            .iter()
            .any(|(option, excludes, keys)| keys.contains(&name) && has_value(option, excludes))
}

/// Describes in one line what is wrong with the text, and in which line of it.
fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return message };
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default().trim();
    format!("line {}: {line}: {message} (a value with a unit is a string: \"28k\")", number + 1)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}
