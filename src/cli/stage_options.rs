//! `--stage`: options of one stage, in place of those of the run.
//!
//! The options of a stage are those of [`SendingArgs`]. They are parsed like a command line that has what the run was
//! given, except for what `--stage` sets. So parsers, defaults and checks are those of the options themselves.

use anyhow::Context as _;
use clap::{Command, FromArgMatches as _};

use super::args::{NamedArgs, SendingArgs};
use super::given::Given;
use super::policy_options::PolicyArg;
use super::remote_options::redact;
use super::{UsageError, key_values, parse_error};
use crate::job::DataflowDescription;
use crate::pipeline::mark;
use crate::policy::Spec;

/// A value of `--stage`.
pub type StageOptions = Vec<StageOption>;

/// An option of a stage as it was given.
#[derive(Clone, Debug)]
pub struct StageOption {
    stage: String,
    /// The name of the option, such as `batch`.
    key: String,
    value: String,
}

impl StageOption {
    /// Returns the option as it is typed.
    fn typed(&self) -> String {
        typed(&self.stage, &self.key, &self.value)
    }
}

/// Returns an option of a stage as it is typed, without parts that may be secret.
fn typed(stage: &str, key: &str, value: &str) -> String {
    let value = if key == "lambda" { redact(value) } else { value.to_owned() };
    format!("{stage}.{key}={value}")
}

/// The options of a function, which a stage with a function of its own does not take from the run.
const OF_FUNCTION: [&str; 3] = ["auth", "region", "memory"];

/// Returns the command line of a stage's options.
fn command() -> Command {
    let command = Command::new("stage").no_binary_name(true).disable_help_flag(true);
    <SendingArgs as clap::Args>::augment_args(command.groups(mark::groups()))
}

/// Returns the names of the options that a stage may have.
fn keys() -> Vec<String> {
    let command = command();
    command.get_arguments().filter_map(|option| option.get_long()).map(str::to_owned).collect()
}

pub(super) fn help() -> &'static str {
    "Options of one stage, in place of the run's, as NAME.KEY=VALUE[,KEY=VALUE...]. May be given several times"
}

pub(super) fn long_help() -> String {
    format!(
        "{}.\n\nNAME is the name of the stage, and a key is one of these options: {}. So --stage \
         score.policy=spill,threshold=5k sends other records of the stage score than of the others, and --stage \
         score.lambda=URL sends them to another function. What is not set for a stage is as for the run; a stage with \
         a lambda of its own does not have the run's --auth, --region and --memory.",
        help(),
        keys().join(", ")
    )
}

/// Parses a value of `--stage`. A key without a name is for the stage of the key before it.
pub(super) fn parse(text: &str) -> Result<StageOptions, String> {
    let (keys, mut stage, mut options) = (keys(), String::new(), Vec::new());
    key_values::for_each(text, |name, value| {
        let key = match name.rsplit_once('.') {
            Some((of, key)) => {
                of.clone_into(&mut stage);
                key
            }
            None => name,
        };
        if stage.is_empty() {
            return Err("expected the name of a stage before the key: NAME.KEY=VALUE".to_owned());
        }
        if !keys.iter().any(|known| known == key) {
            return Err(format!(
                "a stage has no option {key}: expected one of {}",
                keys.join(", ")
            ));
        }
        let (key, value) = (key.to_owned(), value.to_owned());
        options.push(StageOption { stage: stage.clone(), key, value });
        Ok(())
    })?;
    Ok(options)
}

/// Returns the policies that are named for stages.
pub(super) fn policies(named: &NamedArgs) -> Vec<PolicyArg> {
    let options = named.stages.iter().flatten();
    options
        .filter(|option| option.key == "policy")
        .filter_map(|it| Spec::named(&it.value))
        .collect()
}

/// A stage with options of its own.
pub(super) struct StageArgs {
    pub name: String,
    /// Its options, with those that it has from the run.
    pub args: SendingArgs,
    pub given: Given,
    /// The names of its own options.
    own: Vec<String>,
}

impl StageArgs {
    /// Whether the option `key` is the stage's own.
    pub(super) fn has_own(&self, key: &str) -> bool {
        self.own.iter().any(|own| own == key)
    }

    /// Names the stage in an error of one of its options.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<UsageError>() {
            Ok(error) => error.of_stage(self).into(),
            Err(error) => error.context(format!("the stage {}", self.name)),
        }
    }

    /// Returns how an option of the stage is named in an error, and its value.
    pub(super) fn shown(&self, option: &str, value: &str) -> (String, String) {
        match option.strip_prefix("--").filter(|key| self.has_own(key)) {
            Some(key) => ("--stage".to_owned(), typed(&self.name, key, value)),
            None => (format!("--stage {}: {option}", self.name), value.to_owned()),
        }
    }
}

/// Returns the stages of the dataflow that have options of their own. All others are as `run` says.
///
/// # Errors
/// If an option is for a stage that is not in the dataflow, is given twice, or has a wrong value.
pub(super) fn stages(
    named: &NamedArgs,
    run: &Given,
    dataflow: &DataflowDescription,
) -> anyhow::Result<Vec<StageArgs>> {
    let options: Vec<&StageOption> = named.stages.iter().flatten().collect();
    let mut names: Vec<&str> = Vec::new();
    for (index, option) in options.iter().enumerate() {
        let StageOption { stage, key, .. } = option;
        let wrong = |why: String| UsageError::new("--stage", option.typed(), why);
        refuse_unknown(stage, run, dataflow).map_err(wrong)?;
        let is_same = |other: &&StageOption| (&other.stage, &other.key) == (stage, key);
        if options[..index].iter().any(is_same) {
            return Err(wrong(format!("{stage}.{key} is given twice")).into());
        }
        if !names.contains(&&**stage) {
            names.push(stage);
        }
    }
    let of = |name: &str| {
        let own = options.iter().copied().filter(|option| option.stage == name);
        stage(name, &own.collect::<Vec<_>>(), run)
    };
    names.into_iter().map(of).collect()
}

/// Checks that the dataflow has the stage `name`, and that its records may be sent.
fn refuse_unknown(name: &str, run: &Given, dataflow: &DataflowDescription) -> Result<(), String> {
    let served: Vec<&str> = dataflow.served().map(|stage| &*stage.name).collect();
    if served.contains(&name) {
        return Ok(());
    }
    if dataflow.calls().any(|(call, _)| call == name) {
        return Err(format!(
            "{name} is a call, which no policy sends: --call {name}=URL sets its endpoint, and the program its other \
             settings"
        ));
    }
    Err(format!(
        "{} has no such stage: {}",
        run.program.name(),
        match served.is_empty() {
            true => "it has none".to_owned(),
            false => format!("expected one of {}", served.join(", ")),
        }
    ))
}

/// Parses the options of the stage `name`: its `own`, and those of the `run` in place of all others.
fn stage(name: &str, own: &[&StageOption], run: &Given) -> anyhow::Result<StageArgs> {
    let has_own = |key: &str| own.iter().any(|option| option.key == key);
    let has_function = has_own("lambda");
    let is_set = |key: &str| has_own(key) || has_function && OF_FUNCTION.contains(&key);
    let keys = keys();
    let inherited = keys.iter().filter(|key| !is_set(key)).filter_map(|key| {
        let option = format!("--{key}");
        run.value(&option).map(|value| format!("{option}={value}"))
    });
    let typed = own.iter().map(|option| format!("--{}={}", option.key, option.value));
    let mut command = command();
    // What the stage has from the run was parsed before.
    let matches = command.try_get_matches_from_mut(inherited.chain(typed)).map_err(|error| {
        let option = parse_error::option(&error);
        let option = own.iter().find(|own| option.strip_prefix("--") == Some(&*own.key));
        let value = option.map_or(name.to_owned(), |option| option.typed());
        UsageError::new("--stage", value, parse_error::reason(&error))
    })?;
    let args = SendingArgs::from_arg_matches(&matches).context("the options of a stage")?;
    // A file may have what a stage's policy does not use.
    let is_typed = run.typed("--stage").is_some();
    let mut given = Given::new(run.program.clone(), &command, &matches, run.from_file.clone());
    given.keep_typed(|option| is_typed && option.strip_prefix("--").is_some_and(has_own));
    let own = own.iter().map(|option| option.key.clone()).collect();
    Ok(StageArgs { name: name.to_owned(), args, given, own })
}
