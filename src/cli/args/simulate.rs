//! The options of `simulate`.

use std::path::PathBuf;

use clap::Args;

use super::{BridgeArgs, RateArgs};
use crate::cli::given::Given;
use crate::cli::{help, policy_options};
use crate::pipeline::ModelOptions;

#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten, next_help_heading = "Input")]
    pub rates: RateArgs,
    /// Seed of all that is random: the same seed gives the same figures [default: 1].
    #[arg(long, value_name = "N", help_heading = "Input")]
    pub seed: Option<String>,
    #[command(flatten)]
    pub model: ModelOptions,

    /// Time that a record takes a worker, as D[,SPREAD]: 12us, 12us,exponential or 12us,lognormal=0.5.
    /// Needed unless --recorded is given.
    #[arg(long, value_name = "D[,SPREAD]", help_heading = "Work")]
    pub service: Option<String>,
    /// Summary of a run (--summary) whose workers, time per record and local Lambda are taken where no
    /// option says otherwise.
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub recorded: Option<PathBuf>,

    #[arg(long, value_name = "POLICY", value_delimiter = ',', help_heading = "Bursting")]
    #[arg(help = policy_options::simulate_help())]
    pub policy: Vec<String>,
    #[arg(long, value_name = "R", help_heading = "Bursting")]
    #[arg(help = policy_options::threshold_help(" [default with all: what the workers sustain]"))]
    pub threshold: Option<String>,
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Bursting")]
    #[arg(help = help::LOCAL_LAMBDA, long_help = help::LOCAL_LAMBDA_OF_SIMULATE)]
    pub local_lambda: Option<String>,
    /// How the time of a request in the function is spread: constant, exponential or lognormal=SIGMA
    /// [default: constant].
    #[arg(long, value_name = "SPREAD", help_heading = "Bursting")]
    pub remote_spread: Option<String>,
    #[command(flatten)]
    pub bridge: BridgeArgs,

    /// File for the figures, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Timely's own arguments, of which the number of workers is used: -w WORKERS -n PROCESSES.
    #[arg(last = true, value_name = "TIMELY")]
    pub timely: Vec<String>,
    /// All options with their values as text, and where these come from.
    #[arg(skip)]
    pub given: Given,
}
