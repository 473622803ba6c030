//! `--config FILE`: settings as TOML, named as the flags are.
//!
//! The settings of the file are put before the flags as if they had been typed, and of two flags the later
//! one wins. So only one part of the code knows the options, their values and their errors.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::CommandFactory as _;
use toml::Value;

use super::args::Cli;
use super::{UsageError, argv};

/// Returns `args` with the settings of the file that they name, if they name one, and the names of the
/// settings that come from the file alone.
pub(super) fn with_file(args: Vec<OsString>) -> Result<(Vec<OsString>, Vec<String>), UsageError> {
    let Some(path) = named(&args) else { return Ok((args, Vec::new())) };
    let wrong = |why: String| UsageError::new("--config", path.display().to_string(), why);
    let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error| wrong(format!("{error}")))?;
    let mut typed = Vec::new();
    let mut timely = Vec::new();
    let mut own = Vec::new();
    for (key, value) in table {
        if key != "timely" && !is_setting(&args, &key) {
            return Err(wrong(format!(
                "{key}: there is no such setting, because there is no \
            option --{key}"
            )));
        }
        if key == "config" {
            return Err(wrong("config: a file cannot name another one".to_owned()));
        }
        if !argv::contains(&args, &format!("--{key}")) {
            own.push(key.clone());
        }
        if key == "timely" {
            let Value::Array(values) = &value else {
                return Err(wrong("timely: expected an array of arguments".to_owned()));
            };
            timely.extend(values.iter().filter_map(scalar));
        } else if value == Value::Boolean(true) {
            typed.push(format!("--{key}"));
        } else if value != Value::Boolean(false) {
            let value = scalar(&value)
                .ok_or_else(|| wrong(format!("{key}: expected a string, a number or true")))?;
            typed.push(format!("--{key}={value}"));
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
    Ok((all, own))
}

/// Whether the command has an option of this name. An unknown command is reported later.
fn is_setting(args: &[OsString], key: &str) -> bool {
    let cli = Cli::command();
    let command = args.get(1).and_then(|name| cli.find_subcommand(name));
    command.is_none_or(|command| {
        command.get_arguments().any(|argument| argument.get_long() == Some(key))
    })
}

fn named(args: &[OsString]) -> Option<PathBuf> {
    let own = args.iter().take_while(|arg| *arg != "--");
    let mut own =
        own.skip_while(|arg| *arg != "--config" && !arg.to_string_lossy().starts_with("--config="));
    let flag = own.next()?;
    match flag.as_bytes().strip_prefix(b"--config=") {
        Some(path) => Some(OsStr::from_bytes(path).into()),
        None => own.next().map(PathBuf::from),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}
