//! The program of a command line: Floodway itself, or a user's with a dataflow of its own.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _};

use super::args::{Cli, RunArgs};
use super::error::{Exit, UsageError};
use super::given::Given;
use super::help::EXIT_CODES;
use super::own_options;
use crate::emulator::{Builtin, ByTask, Function, Package};
use crate::job::{DataflowDescription, FunctionGraph, Graph, TextGraph};
use crate::pipeline::{RecordForm, RunError};
use crate::program_name;
use crate::query::{self, EventInput, QueryGraph};
use crate::task;

/// The program.
#[derive(Clone, Default)]
pub struct Program {
    /// None is Floodway itself, whose dataflow is a text task.
    user: Option<UserProgram>,
}

/// A user's program.
#[derive(Clone)]
struct UserProgram {
    name: &'static str,
    /// Its version, if the program sets one.
    version: Option<&'static str>,
    /// Adds its options to a command.
    add_options: fn(clap::Command) -> clap::Command,
    make: MakeGraph,
    /// What was parsed of its options. None before.
    matches: Option<Arc<ArgMatches>>,
}

/// Makes the graph by the values of the program's options.
type MakeGraph = Arc<dyn Fn(&ArgMatches) -> Result<Arc<dyn Graph>, clap::Error> + Send + Sync>;

/// The commands that have the options of a user's program, because they build its dataflow.
const WITH_OWN_OPTIONS: [&str; 5] = ["run", "compare", "explain", "check", "lambda"];

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_tuple("Program").field(&self.name()).finish()
    }
}

impl UserProgram {
    /// Makes the graph. Without a command line, as in a function, the options have their defaults.
    fn graph(&self) -> Result<Arc<dyn Graph>> {
        let defaults = || {
            let command = clap::Command::new(self.name).no_binary_name(true);
            (self.add_options)(command).try_get_matches_from([""; 0])
        };
        let made = match &self.matches {
            Some(matches) => (self.make)(matches),
            None => defaults().and_then(|matches| (self.make)(&matches)),
        };
        made.map_err(|error| anyhow!("{error}"))
    }

    /// Builds the dataflow once.
    fn dataflow(&self) -> Result<DataflowDescription> {
        let program = match self.version {
            Some(version) => format!("{}/{version}", self.name),
            None => self.name.to_owned(),
        };
        Ok(build(self.graph()?)?.of_program(&program, &self.values()))
    }

    /// Returns the values of the program's options that are not their defaults, on which results may depend.
    fn values(&self) -> Vec<String> {
        let Some(matches) = &self.matches else { return Vec::new() };
        let command = (self.add_options)(clap::Command::new(self.name));
        let value = |option: &clap::Arg| {
            let id = option.get_id().as_str();
            let given: Vec<_> = matches.try_get_raw(id).ok()??.collect();
            let defaults = option.get_default_values().iter().map(|value| value.as_os_str());
            let is_default = matches.value_source(id) == Some(ValueSource::DefaultValue)
                || defaults.eq(given.iter().copied());
            (!is_default).then(|| format!("{id}={given:?}"))
        };
        let mut values: Vec<String> = command.get_arguments().filter_map(value).collect();
        values.sort_unstable();
        values
    }

    /// Checks that no option is given that says what Floodway's own dataflow computes.
    ///
    /// # Errors
    /// If one is.
    fn refuse_options_of_text_tasks(&self, given: &Given) -> Result<(), UsageError> {
        let mut options = OF_TEXT_TASKS.iter().map(|name| format!("--{name}"));
        match options.find(|option| given.value(option).is_some()) {
            None => Ok(()),
            Some(option) => {
                let why = format!("is for the tasks of floodway, and {} has its own", self.name);
                Err(given.error(&option, why))
            }
        }
    }
}

/// The commands that have the option `--call`.
const WITH_CALLS: [&str; 4] = ["run", "compare", "explain", "check"];
/// The end of what `--version` prints for a user's program.
const ON_FLOODWAY: &str = concat!("on floodway ", env!("CARGO_PKG_VERSION"));

/// The options of `run` that say what Floodway's own dataflow computes.
const OF_TEXT_TASKS: [&str; 6] = ["task", "query", "work", "processes", "records", "log-functions"];

impl Program {
    /// Creates a program with a dataflow of its own, which `make` makes by the options `A`.
    pub(crate) fn own<A: clap::Args>(
        name: &'static str,
        version: Option<&'static str>,
        make: impl Fn(A) -> Arc<dyn Graph> + Send + Sync + 'static,
    ) -> Self {
        let make: MakeGraph = Arc::new(move |matches| Ok(make(A::from_arg_matches(matches)?)));
        let add_options = A::augment_args;
        Program { user: Some(UserProgram { name, version, add_options, make, matches: None }) }
    }

    /// Returns the program with these values of its options.
    pub(super) fn with(&self, matches: &ArgMatches) -> Self {
        let matches = Some(Arc::new(matches.clone()));
        Program { user: self.user.clone().map(|user| UserProgram { matches, ..user }) }
    }

    /// Returns the name of the command.
    pub(super) fn name(&self) -> &'static str {
        self.user.as_ref().map_or("floodway", |user| user.name)
    }

    /// Whether it is a user's program.
    pub(super) fn is_own(&self) -> bool {
        self.user.is_some()
    }

    /// Checks that the options of a user's program have names of their own in all commands that have them.
    ///
    /// # Errors
    /// If one has the name of an option of Floodway's.
    pub(super) fn check_options(&self) -> Result<()> {
        let Some(user) = &self.user else { return Ok(()) };
        let own = (user.add_options)(clap::Command::new(user.name));
        let cli = Cli::command();
        let commands = WITH_OWN_OPTIONS.iter().filter_map(|name| cli.find_subcommand(name));
        own_options::clash(&own, commands).map_or(Ok(()), |why| Err(anyhow!(why)))
    }

    /// Returns the description of the command line.
    pub(super) fn command(&self) -> clap::Command {
        let mut command = Cli::command();
        let Some(user) = &self.user else {
            // Floodway's own dataflow has no calls.
            return WITH_CALLS.into_iter().fold(command, |command, name| {
                command.mut_subcommand(name, |it| it.mut_arg("calls", |calls| calls.hide(true)))
            });
        };
        let version: Vec<&str> = user.version.into_iter().chain([ON_FLOODWAY]).collect();
        command = command.name(user.name).bin_name(user.name).version(version.join(" ")).about(
            "A dataflow whose records are done by AWS Lambda where workers would be too late, built on Floodway",
        );
        for name in WITH_OWN_OPTIONS {
            command = command.mut_subcommand(name, |command| {
                (user.add_options)(command.next_help_heading(user.name))
            });
        }
        // The examples are of Floodway's own tasks, as is the demonstration.
        command = command.after_help(EXIT_CODES).mut_subcommands(|it| it.after_help(EXIT_CODES));
        let abouts = [
            ("run", "Run the dataflow between the source and the sink"),
            ("compare", "Run the same input under several policies and report how they compare"),
            (
                "explain",
                "Say what limits the dataflow, from a short run, and what sending would buy",
            ),
        ];
        for (name, about) in abouts {
            command = command.mut_subcommand(name, |command| {
                command.about(about).long_about(None).mut_args(|argument| {
                    let is_hidden = |name| OF_TEXT_TASKS.contains(&name);
                    let is_hidden = argument.get_long().is_some_and(is_hidden);
                    if is_hidden { argument.hide(true) } else { argument }
                })
            });
        }
        let command = command.mut_subcommand("package", |command| command.hide(false));
        let command = command.mut_subcommand("init", |command| command.hide(true));
        command.mut_subcommand("check", |command| {
            let of_folders = ["task", "twice", "sample", "records"].into_iter();
            of_folders.fold(command, |command, option| {
                command.mut_arg(option, |argument| argument.hide(true))
            })
        })
    }

    /// Returns the dataflow of a run with these options, whose task may be `function`. A query reads `events`.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(super) fn dataflow(
        &self,
        args: &RunArgs,
        function: Option<&Package>,
        events: EventInput,
    ) -> Result<DataflowDescription> {
        match (&self.user, function) {
            (None, Some(function)) => {
                let name = function.task().to_owned();
                build(Arc::new(match args.options.records {
                    RecordForm::Text => FunctionGraph::Text(name),
                    RecordForm::Json => FunctionGraph::Json(name),
                }))
            }
            (None, None) => {
                if let Some(query) = args.options.query {
                    let work = args.options.work.clone();
                    return build(Arc::new(QueryGraph { query, input: events, work }));
                }
                let task = task::text(&args.options.task, args.options.work.clone());
                build(Arc::new(TextGraph(task.expect("the option takes known names only"))))
            }
            (Some(user), _) => {
                user.refuse_options_of_text_tasks(&args.given)?;
                user.dataflow()
            }
        }
    }

    /// Returns the program's own dataflow. None for Floodway itself.
    ///
    /// # Errors
    /// If the dataflow cannot be built, or if an option is given that is about Floodway's tasks.
    pub(super) fn own_dataflow(&self, given: &Given) -> Result<Option<DataflowDescription>> {
        let Some(user) = &self.user else { return Ok(None) };
        user.refuse_options_of_text_tasks(given)?;
        user.dataflow().map(Some)
    }

    /// Serves the function of the program's dataflow with `serve`. Returns how the process ends.
    pub(crate) fn serve<E: std::fmt::Display>(
        &self,
        serve: impl FnOnce(Arc<dyn Function>) -> Result<(), E>,
    ) -> ExitCode {
        program_name::set(self.name());
        let served = self
            .function()
            .and_then(|function| serve(function).map_err(|error| anyhow!("{error}")));
        served.map_or_else(Exit::from, |()| Exit::Done).into()
    }

    /// Checks that the program can serve its stages in Lambda, which starts it without options.
    ///
    /// # Errors
    /// If an option has no default, or the dataflow cannot be built.
    pub(super) fn check_served(&self) -> Result<()> {
        let Some(user) = &self.user else { return Ok(()) };
        let served = UserProgram { matches: None, ..user.clone() };
        let built = served.dataflow().map(drop);
        built.context("the program cannot serve its stages in Lambda, where it has no options")
    }

    /// Returns the function that computes what the program's dataflow sends.
    ///
    /// # Errors
    /// If the dataflow cannot be built.
    pub(super) fn function(&self) -> Result<Arc<dyn Function>> {
        match &self.user {
            None => {
                let builtin: Arc<dyn Function> = Arc::new(Builtin::new());
                let tasks = task::NAMES.iter().map(|name| ((*name).to_owned(), builtin.clone()));
                let queries = query::functions().map_err(RunError::Dataflow)?;
                Ok(Arc::new(ByTask::new(tasks.chain(queries))))
            }
            Some(user) => Ok(user.dataflow()?.function()),
        }
    }
}

/// Builds the dataflow once. A panic of the user's code is an error, in one line.
fn build(graph: Arc<dyn Graph>) -> Result<DataflowDescription> {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let built = catch_unwind(AssertUnwindSafe(|| DataflowDescription::new(graph)));
    set_hook(hook);
    match built {
        Ok(built) => Ok(built.map_err(RunError::Dataflow)?),
        Err(panic) => {
            Err(anyhow!("the dataflow panicked while it was built: {}", text_of(&*panic)))
        }
    }
}

/// Returns what a panic says.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic")
}
