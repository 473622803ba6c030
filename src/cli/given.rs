//! The options of a command line with their values as text, where they come from, and their marks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches as _};

use super::UsageError;
use super::args::{self, Cli};
use super::config::FromFile;
use super::program::Program;
use crate::pipeline::mark;
use crate::source::text_of;
use crate::units::{parse_bytes, parse_count, parse_duration, parse_share};

/// The options of a command line: those that were typed, come from the file of `--config`, or have a default.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// By name, such as `--rate`.
    options: BTreeMap<String, GivenOption>,
    pub from_file: FromFile,
    /// The program whose options they are.
    pub program: Program,
}

#[derive(Clone, Debug)]
struct GivenOption {
    text: String,
    is_default: bool,
    /// Whether it was typed, and does not come from the file of `--config`.
    is_typed: bool,
    mark: Option<&'static str>,
}

impl Given {
    /// Reads the options of `command` from what was parsed. The command is built, so that its groups are filled.
    pub(super) fn new(
        program: Program,
        command: &Command,
        matches: &ArgMatches,
        from_file: FromFile,
    ) -> Given {
        let mut options = BTreeMap::new();
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            if let Some(name) = argument.get_long()
                && let Some(text) = text(argument, matches)
            {
                let is_default = matches.value_source(id) == Some(ValueSource::DefaultValue);
                // All options of Floodway's have a mark. On those of a user's program the output depends.
                let own = program.is_own().then_some(mark::OUTPUT);
                let mark = mark_of(command, argument).or(own);
                let name = format!("--{name}");
                let is_typed = !is_default && !from_file.has(&name);
                options.insert(name, GivenOption { text, is_default, is_typed, mark });
            }
        }
        Given { options, from_file, program }
    }

    /// Returns the value of an option if it is given, or `(given)` if it takes none.
    pub(super) fn value(&self, option: &str) -> Option<&str> {
        let given = self.options.get(option).filter(|given| !given.is_default);
        given.map(|given| given.text.as_str())
    }

    /// Returns the value of an option if it was typed. Options from a file do not count: a file may hold
    /// the settings of several policies.
    pub(super) fn typed(&self, option: &str) -> Option<&str> {
        let given = self.options.get(option).filter(|given| given.is_typed);
        given.map(|given| given.text.as_str())
    }

    /// Lets only those options count as typed that `is_typed` selects.
    pub(super) fn keep_typed(&mut self, is_typed: impl Fn(&str) -> bool) {
        self.options.iter_mut().for_each(|(name, given)| given.is_typed &= is_typed(name));
    }

    /// Returns the value of an option, or its default.
    pub(super) fn text(&self, option: &str) -> &str {
        self.options.get(option).map_or("(not given)", |given| &given.text)
    }

    /// Returns the error of an option whose value is wrong.
    pub(super) fn error(&self, option: &str, expected: impl Into<String>) -> UsageError {
        UsageError::new(option, self.text(option), expected)
    }

    /// Returns the options that have one of these marks, with their values or defaults. The same quantity has
    /// the same text, however it was written.
    pub(super) fn marked(&self, marks: &[&str]) -> BTreeMap<String, String> {
        let has_mark = |given: &GivenOption| given.mark.is_some_and(|mark| marks.contains(&mark));
        let marked = self.options.iter().filter(|(_, given)| has_mark(given));
        marked.map(|(option, given)| (option.clone(), canonical(&given.text))).collect()
    }
}

/// Parses a command line, with the program's name first. `from_file` are the settings that it has from a file.
///
/// # Errors
/// If it is no command line, or asks for help.
pub(super) fn parse(
    program: &Program,
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    from_file: FromFile,
) -> Result<Cli, clap::Error> {
    let mut command = program.command();
    let matches = command.try_get_matches_from_mut(words)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let found = matches.subcommand();
    let found = found.and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    let given = found
        .map(|(command, matches)| Given::new(program.with(matches), command, matches, from_file));
    match &mut cli.command {
        args::Command::Run(args) => args.given = given.unwrap_or_default(),
        args::Command::Compare(args) => args.run.given = given.unwrap_or_default(),
        args::Command::Explain(args) => args.run.given = given.unwrap_or_default(),
        args::Command::Generate(args) => args.given = given.unwrap_or_default(),
        args::Command::Simulate(args) => args.given = given.unwrap_or_default(),
        args::Command::Lambda(args) => args.given = given.unwrap_or_default(),
        args::Command::Check(args) => args.given = given.unwrap_or_default(),
        args::Command::Package(args) => args.given = given.unwrap_or_default(),
        args::Command::Init(args) => args.given = given.unwrap_or_default(),
        args::Command::Completion { .. } => {}
    }
    Ok(cli)
}

/// Returns the value of an argument as text whatever bytes it has, or `(given)` if it takes none.
fn text(argument: &Arg, matches: &ArgMatches) -> Option<String> {
    let id = argument.get_id().as_str();
    if argument.get_action().takes_values() {
        let values = matches.try_get_raw(id).ok().flatten()?;
        let values: Vec<String> = values.map(|value| text_of(Path::new(value))).collect();
        return Some(values.join(","));
    }
    let is_set = matches.try_get_one::<bool>(id).ok().flatten().copied();
    is_set.unwrap_or_default().then(|| "(given)".to_owned())
}

/// Returns the mark of an argument of `command`.
fn mark_of(command: &Command, argument: &Arg) -> Option<&'static str> {
    let has = |mark: &str| {
        let mut groups = command.get_groups().filter(|group| group.get_id().as_str() == mark);
        groups.any(|group| group.get_args().any(|id| id == argument.get_id()))
    };
    mark::ALL.into_iter().find(|mark| has(mark))
}

/// Returns the same text for the same quantity, however it was written.
pub(super) fn canonical(value: &str) -> String {
    let duration = parse_duration(value).map(|duration| format!("{duration:?}"));
    duration
        .or_else(|_| parse_count(value).map(|count| count.to_string()))
        .or_else(|_| parse_bytes(value).map(|bytes| bytes.to_string()))
        .or_else(|_| parse_share(value).map(|share| share.to_string()))
        .unwrap_or_else(|_| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_quantity_has_the_same_text_however_it_is_written() {
        for same in [
            &["5%", "0.05", ".05", "5.0%"][..],
            &["57%", "0.57"],
            &["5.7%", "0.057"],
            &["0.1%", "0.001"],
            &["100%", "1", "1.0"],
            &["1500us", "1.5ms"],
            &["1500", "1.5k", "1500.0"],
            &["1Mi", "1024Ki"],
        ] {
            assert!(same.iter().all(|text| canonical(text) == canonical(same[0])), "{same:?}");
        }
        assert_ne!(canonical("5%"), canonical("0.5"));
    }

    #[test]
    fn every_option_of_run_has_exactly_one_mark() {
        let mut cli = Program::default().command();
        cli.build();
        let run = cli.find_subcommand("run").unwrap();
        let is_help = |argument: &&Arg| argument.get_id() == "help";
        for argument in run.get_arguments().filter(|argument| !is_help(argument)) {
            let groups = run.get_groups().filter(|group| {
                mark::ALL.contains(&group.get_id().as_str())
                    && group.get_args().any(|id| id == argument.get_id())
            });
            assert_eq!(groups.count(), 1, "{}", argument.get_id());
        }
    }
}
