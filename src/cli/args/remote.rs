//! The options of the remote side: those of `check`, and those that `run` shares with it and with `simulate`.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::pipeline::mark;
use crate::task;

/// Where requests go, and who signs them: the part that `run` and `check` share.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    /// The remote side: local, a URL, or the name or ARN of a Lambda function [default for `run`: local].
    ///
    /// local is a Lambda that is built into Floodway. A URL is a function URL, or any server that answers
    /// the same JSON. A name or ARN may have a qualifier.
    #[arg(long, value_name = "local|URL|NAME|ARN", group = mark::PROCESS)]
    pub lambda: Option<String>,
    /// Whether requests to a URL are signed with AWS credentials [default: none for a URL].
    ///
    /// A function URL of the auth type AWS_IAM needs iam. Requests to a function by name or ARN are always
    /// signed.
    #[arg(long, value_enum, value_name = "AUTH", group = mark::PROCESS)]
    pub auth: Option<AuthArg>,
    /// AWS region that requests are signed for [default: that of the ARN or function URL, then AWS_REGION,
    /// AWS_DEFAULT_REGION, and the profile's].
    #[arg(long, value_name = "NAME", group = mark::PROCESS)]
    pub region: Option<String>,
}

/// How the bridge behaves, and what the function costs: the part that `run` and `simulate` share.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// US dollars that may be spent in any hour, such as 0.50/h; past it nothing is sent [default: no
    /// limit].
    #[arg(long, value_name = "USD/h", help_heading = "Bursting", group = mark::PROCESS)]
    pub budget: Option<String>,
    /// US dollars that may be spent in total; past it nothing is sent [default: no limit].
    ///
    /// `run --state DIR` counts what all runs with that folder have spent.
    #[arg(long, value_name = "USD", help_heading = "Bursting", group = mark::PROCESS)]
    pub budget_total: Option<String>,
    /// Records per request [default: 1000].
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    pub batch: Option<String>,
    /// Longest time that a record waits for its request to fill [default: 5ms].
    #[arg(long, value_name = "D", help_heading = "Bursting", group = mark::PROCESS)]
    pub linger: Option<String>,
    /// Most requests in flight at a time [default: 1000].
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    pub max_in_flight: Option<String>,
    /// Longest time that an attempt may take [default: 10s].
    #[arg(long, value_name = "D", help_heading = "Bursting", group = mark::PROCESS)]
    pub timeout: Option<String>,
    /// Attempts per request before its records are returned to the worker [default: 3].
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    pub attempts: Option<String>,
    /// Share of the requests that may be hedged: sent a second time when they are late [default: 0.05].
    #[arg(long, value_name = "SHARE", help_heading = "Bursting", group = mark::PROCESS)]
    pub hedge: Option<String>,
    /// Start environments ahead of a burst: when the rate exceeds this share of the rate at which the
    /// policy begins to send; `off` never does [default: 0.8].
    #[arg(long, value_name = "SHARE|off", help_heading = "Bursting", group = mark::PROCESS)]
    pub warm_up: Option<String>,
    /// Processor of the function, for its price [default: x86].
    #[arg(long, value_enum, value_name = "ARCH", help_heading = "Bursting", group = mark::PROCESS)]
    pub arch: Option<ArchArg>,
    /// Price of a million requests in US dollars [default: 0.20].
    #[arg(long, value_name = "USD", help_heading = "Bursting", group = mark::PROCESS)]
    pub price_million_requests: Option<String>,
    /// Price of a GB-second in US dollars [default: us-east-1's for --arch].
    #[arg(long, value_name = "USD", help_heading = "Bursting", group = mark::PROCESS)]
    pub price_gb_second: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthArg {
    /// Requests are not signed.
    None,
    /// Signature Version 4, with credentials from the environment or the profile files.
    Iam,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArchArg {
    /// $0.0000166667 a GB-second.
    X86,
    /// $0.0000133334 a GB-second.
    Arm,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Task to check.
    #[arg(long, value_name = "TASK", default_value = task::DEFAULT)]
    #[arg(value_parser = PossibleValuesParser::new(task::NAMES))]
    pub task: String,
    /// Longest time to wait for the answer [default: 10s].
    #[arg(long, value_name = "D")]
    pub timeout: Option<String>,
    /// Log level: error, warn, info, debug or trace, or MODULE=LEVEL with commas between them [default:
    /// warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}
