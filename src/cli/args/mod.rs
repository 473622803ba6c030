//! The command line: each option is declared here or in `RunOptions`, with its parser, its default and its mark.
//! [`settings`](super::settings) makes of them what the program runs on, and knows what they mean together.

mod bridge;
mod command;
mod events;
mod init;
mod lambda;
mod package;
mod remote;
mod run;
mod sending;
mod simulate;

pub(super) use bridge::{BudgetArgs, RequestArgs};
pub(super) use command::{Cli, Command};
pub(super) use events::{DEFAULT_SEED, EventArgs, FormatArg, GenerateArgs, RateArgs};
pub(super) use init::{InitArgs, InitFunctionArgs, Language, Starter};
pub(super) use lambda::{LambdaArgs, LambdaAuth};
pub(super) use package::{Arch, PackageArgs};
pub(super) use remote::{CheckArgs, FunctionArgs, NamedArgs};
pub(super) use run::{CompareArgs, ExplainArgs, RunArgs};
pub(super) use sending::SendingArgs;
pub(super) use simulate::SimulateArgs;
