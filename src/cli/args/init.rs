//! The options of `init`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::given::Given;
use crate::cli::help;

#[derive(Debug, Args)]
pub struct InitArgs {
    #[command(subcommand)]
    pub what: Starter,
    /// All options with their values as text.
    #[arg(skip)]
    pub given: Given,
}

/// What a folder is the start of.
#[derive(Debug, Subcommand)]
pub enum Starter {
    /// Write a function to fill in, with its test and templates to deploy it.
    ///
    /// The function takes one record and returns its result. Floodway runs it in processes of this machine
    /// (lambda --function) and in AWS Lambda.
    #[command(after_help = help::INIT)]
    Function(InitFunctionArgs),
}

#[derive(Debug, Args)]
pub struct InitFunctionArgs {
    /// Folder to write, which is new or empty. Its name is the name of the function's task.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Language of the function.
    #[arg(long, value_enum, value_name = "python|java|node|rust")]
    pub lang: Language,
}

/// A language that a function may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Python 3.9 or newer.
    Python,
    /// Java 17 or newer, built by Maven.
    Java,
    /// JavaScript on Node.js 18 or newer.
    Node,
    /// Rust, built by Cargo.
    Rust,
}
