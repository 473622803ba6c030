//! Which records are sent, where and how: the options of `run` that each stage may have of its own.

use clap::Args;

use super::{FunctionArgs, RequestArgs};
use crate::bridge;
use crate::cli::policy_options::{self, PolicyArg};
use crate::cli::remote_options::parse_memory;
use crate::pipeline::mark;
use crate::units::{parse_rate, parse_share};

/// Which records are sent, where and how. `--stage` sets any of these options for one stage.
#[derive(Debug, Args)]
pub struct SendingArgs {
    #[arg(long, value_name = "POLICY", help_heading = "Bursting", group = mark::RUN)]
    #[arg(value_parser = policy_options::policy_parser(), help = policy_options::policy_help())]
    #[arg(display_order = 0)]
    pub policy: Option<PolicyArg>,
    #[arg(long, value_name = "R", help_heading = "Bursting", group = mark::RUN)]
    #[arg(help = policy_options::threshold_help(""), display_order = 1, value_parser = parse_rate)]
    pub threshold: Option<f64>,
    #[command(flatten, next_help_heading = "Bursting")]
    pub function: FunctionArgs,
    #[command(flatten)]
    pub requests: RequestArgs,
    /// Share of remote results that are computed on a worker too, such as 0.001 or 0.1%; a difference ends
    /// the run with exit code 1.
    #[arg(long, value_name = "P", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = bridge::Settings::default().verify, value_parser = parse_share)]
    pub verify: f64,
    /// Memory of the function in MB, for its cost [default: 1769; the built-in Lambda has --local-lambda
    /// memory=MB].
    #[arg(long, value_name = "MB", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(value_parser = parse_memory)]
    pub memory: Option<u32>,
}
