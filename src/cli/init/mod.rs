//! `floodway init`: writes a folder to start from.

mod language;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use self::language::{COMMON, File, Template};
use super::args::{InitArgs, InitFunctionArgs, Starter};
use super::output::print;
use super::{UsageError, unusable_path};
use crate::atomic_file;
use crate::cleanup_guard::CleanupGuard;
use crate::emulator::task_name;
use crate::terminal::plain;

pub(super) fn init(args: &InitArgs) -> Result<()> {
    let program = &args.given.program;
    if program.is_own() {
        let why = "is a command of floodway itself: the function of a program is its own file, which package packs";
        return Err(UsageError::new(program.name(), "init", why).into());
    }
    match &args.what {
        Starter::Function(args) => function(args),
    }
}

/// Writes the folder of a function.
fn function(args: &InitFunctionArgs) -> Result<()> {
    let folder = &args.folder;
    check_is_free(folder)?;
    // The name of `.` is in its absolute path.
    let absolute = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    let name = task_name(&absolute.unwrap_or_else(|_| folder.clone()));
    let template = args.lang.template();
    let files = files(template, &name);
    let shown = folder.display().to_string();
    write(folder, &files).map_err(|error| unusable_path::as_usage_error("DIR", &shown, error))?;
    print(&report(&shown, &files, &template.next.map(|command| fill(command, template, &name))))
}

/// Checks that nothing would be written into a folder that holds something.
fn check_is_free(folder: &Path) -> Result<(), UsageError> {
    let wrong = |why: String| Err(UsageError::new("DIR", folder.display().to_string(), why));
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => wrong("is not empty: name a new folder, or remove what is in it".to_owned()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            wrong("is a file: name a new folder".to_owned())
        }
        Err(error) => wrong(format!("cannot be read ({error}): name a new folder")),
    }
}

/// Returns the files of a function whose task is called `name`, by their paths in its folder. The handler is the first.
fn files(template: &Template, name: &str) -> Vec<(&'static str, String)> {
    let all = template.files.iter().chain(&COMMON);
    all.map(|(path, text): &File| (*path, fill(text, template, name))).collect()
}

/// Replaces the placeholders in a text.
fn fill(text: &str, template: &Template, name: &str) -> String {
    // Values have placeholders too.
    let own = [("name", name), ("stack", &format!("floodway-{}", name.replace('_', "-")))];
    let values = template.values.iter().copied().chain(own);
    values
        .fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
}

/// Writes the files into a folder. If one cannot be written, those that were are removed.
fn write(folder: &Path, files: &[(&str, String)]) -> Result<()> {
    let mut written = CleanupGuard::default();
    for (name, text) in files {
        let path = folder.join(name);
        let parent = atomic_file::parent_of(&path);
        let created = atomic_file::create_dir_durable(parent)
            .with_context(|| format!("cannot create the folder {}", parent.display()))?;
        written.append(created);
        written.track(&path);
        atomic_file::write(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    written.keep();
    Ok(())
}

/// Says what was written, and what to do next.
fn report(folder: &str, files: &[(&str, String)], next: &[String; 3]) -> String {
    let folder = plain(folder);
    let mut text = String::new();
    for (index, (name, _)) in files.iter().enumerate() {
        let path = PathBuf::from(&*folder).join(name);
        let about = if index == 0 { "   <- the function: edit this file" } else { "" };
        text.push_str(&format!("{}{about}\n", path.display()));
    }
    text.push_str(&format!("\nNext:\n  cd {}\n", quoted(&folder)));
    next.iter().for_each(|command| text.push_str(&format!("  {command}\n")));
    text
}

/// Returns a path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.chars().all(is_plain) && !path.starts_with('-') {
        return path.to_owned();
    }
    format!("-- '{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_not_take_it_as_it_is() {
        assert_eq!(quoted("work/prices-2"), "work/prices-2");
        assert_eq!(quoted("my prices"), "-- 'my prices'");
        assert_eq!(quoted("it's"), r"-- 'it'\''s'");
        assert_eq!(quoted("-x"), "-- '-x'");
    }
}
