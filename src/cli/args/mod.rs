//! The command line as it is typed: structs as close to the options as possible, which do nothing.
//! [`settings`](super::settings) makes of them what the program runs on.

mod command;
mod events;
mod lambda;
mod remote;
mod run;
mod simulate;

pub(super) use command::{Cli, Command};
pub(super) use events::{EventArgs, FormatArg, GenerateArgs, RateArgs};
pub(super) use lambda::{LambdaArgs, LambdaAuth};
pub(super) use remote::{ArchArg, AuthArg, BridgeArgs, CheckArgs, EndpointArgs};
pub(super) use run::{CompareArgs, RunArgs};
pub(super) use simulate::SimulateArgs;
