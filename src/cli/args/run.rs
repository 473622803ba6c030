//! The options of `run`, `compare` and `explain`.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::Args;

use super::events::any_bytes;
use super::{BudgetArgs, EventArgs, NamedArgs, SendingArgs};
use crate::cli::given::Given;
use crate::cli::listen::{self, HostNames, ListenAddress};
use crate::cli::remote_options::parse_model;
use crate::cli::{help, policy_options, sink, source};
use crate::emulator::Model;
use crate::pipeline::{RunOptions, mark};
use crate::units::{parse_duration, parse_number, parse_share};

#[derive(Debug, Args)]
pub struct RunArgs {
    #[arg(long, value_parser = any_bytes(), value_name = "SOURCE")]
    #[arg(help = source::help(), long_help = source::long_help())]
    #[arg(help_heading = "Input", group = mark::OUTPUT, default_value = source::NEXMARK)]
    pub source: String,
    /// Keep reading as the file grows, until Ctrl-C.
    ///
    /// Of a glob, the last file is followed, and new files of the glob are read as they appear.
    #[arg(long, help_heading = "Input", group = mark::RUN)]
    pub follow: bool,
    #[command(flatten, next_help_heading = "Input")]
    pub events: EventArgs,
    #[command(flatten)]
    pub options: RunOptions,

    #[command(flatten)]
    pub sending: SendingArgs,
    #[command(flatten, next_help_heading = "Bursting")]
    pub named: NamedArgs,
    /// Share of the events that the first worker makes, for experiments [default: the same for all].
    #[arg(long, value_name = "SHARE", help_heading = "Work", group = mark::RUN)]
    #[arg(value_parser = parse_share)]
    pub skew: Option<f64>,
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(help = help::LOCAL_LAMBDA, long_help = help::LOCAL_LAMBDA_OF_RUN)]
    #[arg(value_parser = parse_model)]
    pub local_lambda: Option<Model>,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[arg(long, value_parser = any_bytes(), value_name = "SINK")]
    #[arg(help = sink::help(), long_help = sink::long_help())]
    #[arg(help_heading = "Output", group = mark::RUN, conflicts_with = "out")]
    pub sink: Option<String>,
    /// Output folder; short for --sink files:DIR.
    #[arg(long, value_name = "DIR", help_heading = "Output", group = mark::RUN)]
    #[arg(conflicts_with = "sink")]
    pub out: Option<PathBuf>,
    /// Replace the output of another run in the output folder.
    #[arg(long, help_heading = "Output", group = mark::PROCESS)]
    pub overwrite: bool,
    /// Folder that stores progress. Running the same command again resumes from it.
    #[arg(long, value_name = "DIR", help_heading = "Output", group = mark::RUN)]
    pub state: Option<PathBuf>,
    /// Address of the live page (/), metrics (/metrics) and health (/healthz).
    ///
    /// Whoever can reach the address can read them. Port 0 takes any free port. With several processes,
    /// process P listens on a port higher by P.
    #[arg(long, value_name = "HOST:PORT", help_heading = "Output", group = mark::PROCESS)]
    #[arg(value_parser = ListenAddress::from_str)]
    pub listen: Option<ListenAddress>,
    /// Host names by which the live page may be reached, with commas between them.
    ///
    /// It answers requests to an address, to localhost, to the name in --listen and to these. Otherwise a
    /// page of another site could read it under a name of its own.
    #[arg(long, value_name = "NAME[,NAME...]", help_heading = "Output", group = mark::PROCESS)]
    #[arg(value_parser = listen::parse_names)]
    pub allow_host: Option<HostNames>,
    /// How long the live page stays after the end of the run.
    #[arg(long, value_name = "D", help_heading = "Output", group = mark::PROCESS)]
    #[arg(default_value = "0s", value_parser = parse_duration)]
    pub listen_after: Duration,

    /// File with the same settings as TOML; options on the command line win.
    ///
    /// A setting has the name of its option, such as peak-rate = "100k" for --peak-rate 100k, overwrite =
    /// true, and timely = ["-w", "2"] for the arguments after --.
    #[arg(long, value_name = "FILE", group = mark::PROCESS)]
    pub config: Option<PathBuf>,
    /// Log level: error, warn, info, debug or trace, or MODULE=LEVEL with commas between them [default:
    /// warn].
    #[arg(long, value_name = "LEVEL", group = mark::PROCESS)]
    pub log: Option<String>,
    /// Timely's own arguments: -w WORKERS -n PROCESSES -p PROCESS -h HOSTFILE.
    #[arg(last = true, value_name = "TIMELY", group = mark::PROCESS)]
    pub timely: Vec<String>,
    /// All options with their values as text, and where these come from.
    #[arg(skip)]
    pub given: Given,
}

/// The options of `run`, and what is done with them several times.
#[derive(Debug, Args)]
pub struct CompareArgs {
    #[arg(long, value_name = "POLICIES", help_heading = "Comparison")]
    #[arg(help = policy_options::compare_help(), long_help = policy_options::compare_long_help())]
    pub policies: Option<String>,
    /// How many times each policy is run; the table has the medians.
    #[arg(long, value_name = "N", help_heading = "Comparison")]
    #[arg(default_value = "1", value_parser = parse_number)]
    pub rounds: usize,
    /// Length of a first run that is not counted; 0s for none.
    #[arg(long, value_name = "D", help_heading = "Comparison")]
    #[arg(default_value = "1s", value_parser = parse_duration)]
    pub warm_up_run: Duration,
    /// Folder for the report [default: a new folder in out/].
    #[arg(long, value_name = "DIR", help_heading = "Comparison")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
}

/// The options of `run`, for a short run that is explained.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Print the figures as JSON.
    #[arg(long, help_heading = "Explanation")]
    pub json: bool,
    #[command(flatten)]
    pub run: RunArgs,
}
