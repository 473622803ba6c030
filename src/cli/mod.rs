//! The command line, in two stages: `args` holds what was typed, `settings` what it means. Each command has a
//! file of its own.

mod args;
mod argv;
mod check;
mod check_twice;
mod compare;
mod config;
mod demo;
mod error;
mod explain;
mod folder_conflicts;
mod form;
mod function_folder;
mod function_task;
mod generate;
mod given;
mod help;
mod home_dir;
mod init;
#[cfg_attr(not(feature = "kafka"), path = "no_kafka.rs")]
mod kafka;
mod key_values;
mod lambda;
mod listen;
mod logging;
mod output;
mod own_options;
mod package;
mod parse_error;
mod path_conflicts;
mod policy_options;
mod program;
mod rates;
mod refused;
mod remote_options;
mod run;
mod run_summary;
mod settings;
mod signals;
mod simulate;
mod sink;
mod source;
mod stage_options;
mod state;
mod trace_file;
mod unusable_path;

pub use error::{Exit, UsageError};
pub use program::Program;

use clap::error::ErrorKind;

use std::path::Path;

use args::Command;

use crate::program_name;
use crate::source::text_of;

/// Runs the command line `args` of `program`, with its name first. Returns how the process ends.
pub fn main(program: &Program, args: Vec<std::ffi::OsString>) -> Exit {
    program_name::set(program.name());
    crate::descriptors::raise();
    if let Err(error) = program.check_options() {
        return Exit::from(error);
    }
    let read = home_dir::expand_all(argv::join_hyphen_values(program, args))
        .and_then(|args| config::with_file(program, args));
    let (args, from_file) =
        match read.and_then(|(args, own)| Ok((home_dir::expand_all(args)?, own))) {
            Ok(read) => read,
            Err(error) => return Exit::from(anyhow::Error::from(error)),
        };
    let typed = typed(&args);
    let cli = match given::parse(program, args, from_file.clone()) {
        Ok(cli) => cli,
        Err(error) => {
            use ErrorKind::{
                DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
            };
            match error.kind() {
                DisplayHelp | DisplayVersion => {
                    let printed = output::ignore_broken_pipe(error.print());
                    return printed.map_or_else(Exit::from, |()| Exit::Done);
                }
                // To standard error: it is not what was asked for.
                DisplayHelpOnMissingArgumentOrSubcommand => drop(error.print()),
                _ => output::print_message(parse_error::describe(&error, &from_file)),
            }
            return Exit::Usage;
        }
    };
    let result = match cli.command {
        Command::Run(args) => return run::run(&args),
        Command::Compare(args) => {
            compare::compare(&args, &typed).map_err(|error| args.run.given.from_file.explain(error))
        }
        Command::Explain(args) => {
            let from_file = args.run.given.from_file.clone();
            explain::explain(*args).map_err(|error| from_file.explain(error))
        }
        Command::Generate(args) => generate::generate(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Lambda(args) => lambda::lambda(&args),
        Command::Check(args) => check::check(&args),
        Command::Init(args) => init::init(&args),
        Command::Package(args) => package::package(&args),
        Command::Completion { shell } => {
            let (mut command, mut script) = (program.command(), Vec::new());
            clap_complete::generate(shell, &mut command, program.name(), &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    };
    match result {
        Ok(()) => Exit::Done,
        Err(error) => Exit::from(error),
    }
}

/// Returns the options that were typed or come from the configuration file, as text whatever bytes they hold.
fn typed(args: &[std::ffi::OsString]) -> Vec<String> {
    let options = args.iter().skip(2).take_while(|arg| *arg != "--");
    options.map(|arg| text_of(Path::new(arg))).collect()
}
