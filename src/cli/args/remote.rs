//! The options of `check`, and those that name functions, services, calls and stages, which `run` shares with it.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::aws::Region;
use crate::bridge::Auth;
use crate::cli::given::Given;
use crate::cli::stage_options::{self, StageOptions};
use crate::pipeline::{RecordForm, mark, parse_task};
use crate::task;
use crate::units::parse_above_zero;

/// The function, and who signs the requests to it.
#[derive(Debug, Args)]
pub struct FunctionArgs {
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
    #[arg(long, value_name = "NAME", group = mark::PROCESS, value_parser = Region::from_str)]
    pub region: Option<Region>,
}

/// The options that name a stage or a call of the dataflow.
#[derive(Debug, Args)]
pub struct NamedArgs {
    #[arg(long = "stage", value_name = "NAME.KEY=VALUE", group = mark::PROCESS)]
    #[arg(help = stage_options::help(), long_help = stage_options::long_help())]
    #[arg(value_parser = stage_options::parse)]
    pub stages: Vec<StageOptions>,
    /// Endpoint of one of the program's calls, in place of the one in its code. May be given once for each call.
    ///
    /// The endpoint is a URL, or the name or ARN of a Lambda function. URLs are called without a signature.
    #[arg(long = "call", value_name = "NAME=URL", group = mark::PROCESS, value_parser = parse_call)]
    pub calls: Vec<NamedEndpoint>,
}

/// A value of `--call`: the call's name, and its endpoint as given.
pub type NamedEndpoint = (String, String);

fn parse_call(text: &str) -> Result<NamedEndpoint, &'static str> {
    match text.split_once('=') {
        Some((name, endpoint)) if !name.is_empty() && !endpoint.is_empty() => {
            Ok((name.to_owned(), endpoint.to_owned()))
        }
        _ => Err("expected the name of a call and its endpoint, such as lookup=http://HOST:PORT/"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthArg {
    /// Requests are not signed.
    None,
    /// Signature Version 4, with credentials from the environment or the profile files.
    Iam,
}

impl From<AuthArg> for Auth {
    fn from(auth: AuthArg) -> Auth {
        match auth {
            AuthArg::None => Auth::None,
            AuthArg::Iam => Auth::Iam,
        }
    }
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub function: FunctionArgs,
    #[command(flatten)]
    pub named: NamedArgs,
    /// Task to check: words, bpe, or function:DIR for a function of your own.
    #[arg(long, value_name = "TASK", default_value = task::DEFAULT, value_parser = parse_task)]
    pub task: String,
    /// Compute records in two processes of --task function:DIR, in another order, and compare the results.
    ///
    /// With --lambda, the results of the remote function are compared too. A difference ends the command with 1: the
    /// function is not pure.
    #[arg(long)]
    pub twice: bool,
    /// File whose first 1,000 lines are the records of --twice; - is standard input [default: Nexmark events].
    #[arg(long, value_name = "FILE", requires = "twice")]
    pub sample: Option<PathBuf>,
    /// What a record of --twice is for the function [default: text].
    #[arg(long, value_name = "FORM", requires = "twice", value_enum)]
    pub records: Option<RecordForm>,
    /// Longest time to wait for the answer.
    #[arg(long, value_name = "D", default_value = "10s", value_parser = parse_above_zero)]
    pub timeout: Duration,
    /// Log level: error, warn, info, debug or trace, or MODULE=LEVEL with commas between them [default:
    /// warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// All options with their values as text.
    #[arg(skip)]
    pub given: Given,
}
