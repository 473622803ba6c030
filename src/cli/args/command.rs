//! The commands.

use clap::{Parser, Subcommand};

use super::{
    CheckArgs, CompareArgs, ExplainArgs, GenerateArgs, InitArgs, LambdaArgs, PackageArgs, RunArgs,
    SimulateArgs,
};
use crate::cli::{help, refused};
use crate::pipeline::mark;

/// Cloud bursting for timely dataflow: records that the workers cannot process in time are sent to AWS
/// Lambda, and their results rejoin the dataflow.
#[derive(Debug, Parser)]
#[command(
    name = "floodway",
    version,
    args_override_self = true,
    max_term_width = 100,
    after_help = help::ALL
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one dataflow: source → burst → sink. Without options, run a demonstration.
    #[command(allow_negative_numbers = true, after_help = help::RUN, groups = mark::groups())]
    Run(Box<RunArgs>),
    /// Run the same input under several policies and report how they compare.
    ///
    /// Prints a table, says which policy to choose, and writes a report with plots. It takes the options of
    /// `run`. Without options, it runs a demonstration.
    #[command(
        allow_negative_numbers = true,
        after_help = help::COMPARE,
        mut_args = |argument| refused::COMPARE.hide(argument),
        groups = mark::groups()
    )]
    Compare(Box<CompareArgs>),
    /// Say what limits the dataflow, from a short run, and what sending would buy.
    ///
    /// Prints for each stage the records per second that it is offered, the time of a record, the workers that it needs,
    /// the share that was sent and what that costs, and which stage is the bottleneck. It takes the options of `run`,
    /// reads 5 s of the input unless --duration or --events is given, and writes no output. Without --policy nothing is
    /// sent.
    #[command(
        allow_negative_numbers = true,
        after_help = help::EXPLAIN,
        mut_args = |argument| refused::EXPLAIN.hide(argument),
        groups = mark::groups()
    )]
    Explain(Box<ExplainArgs>),
    /// Print Nexmark events.
    #[command(allow_negative_numbers = true, after_help = help::GENERATE, groups = mark::groups())]
    Generate(GenerateArgs),
    /// Predict what policies would do, in simulated time.
    ///
    /// Nothing is computed and nothing is sent: the policies' own code decides on a trace of rates.
    #[command(
        allow_negative_numbers = true,
        args_override_self = false,
        after_help = help::SIMULATE,
        groups = mark::groups()
    )]
    Simulate(Box<SimulateArgs>),
    /// Serve a local Lambda.
    ///
    /// The first line on standard output is its URL, which is a value for --lambda. It serves until Ctrl-C.
    #[command(after_help = help::LAMBDA)]
    Lambda(LambdaArgs),
    /// Check credentials, endpoint and function with one request, and say what is wrong.
    #[command(after_help = help::CHECK, groups = mark::groups())]
    Check(CheckArgs),
    /// Write a folder to start from.
    #[command(after_help = help::INIT)]
    Init(InitArgs),
    /// Package the program as a zip for AWS Lambda.
    ///
    /// Lambda starts the program, which then serves the stages of its dataflow. The runtime is provided.al2023.
    // Only programs of one's own have this command: Floodway itself is no function.
    #[command(hide = true)]
    Package(PackageArgs),
    /// Print a completion script for a shell.
    #[command(after_help = help::COMPLETION)]
    Completion {
        /// The shell that the script is for.
        shell: clap_complete::Shell,
    },
}
