//! The options of `lambda`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::given::Given;
use crate::cli::help;
use crate::cli::listen::{self, HostNames};
use crate::cli::remote_options::parse_model;
use crate::emulator::Model;
use crate::quota::check_timeout;
use crate::units::parse_duration;

#[derive(Debug, Args)]
pub struct LambdaArgs {
    /// Address and port to listen on; port 0 takes any free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub bind: String,
    /// Host names by which a browser may reach it, with commas between them.
    ///
    /// Without --auth iam it answers requests of a browser to an address, to localhost, to the name in --bind
    /// and to these.
    #[arg(long, value_name = "NAME[,NAME...]", value_parser = listen::parse_names)]
    pub allow_host: Option<HostNames>,
    /// Folder of a function to run in real processes [default: the tasks that are built in].
    ///
    /// The function is in Python, Java or Node.js, or any program; it runs as in AWS Lambda. `init function` writes such
    /// a folder. Its function.toml says what it is. Without one, the folder holds bootstrap, lambda_function.py, or a
    /// single .jar (with --handler).
    #[arg(long, value_name = "DIR")]
    pub function: Option<PathBuf>,
    /// Handler of the function as AWS writes it: module.function or package.Class::method. It wins over
    /// function.toml.
    #[arg(long, value_name = "HANDLER")]
    pub handler: Option<String>,
    /// Longest time that an invocation of --function may take, up to 900s; it wins over function.toml
    /// [default: 30s].
    #[arg(long, value_name = "D", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,
    /// Print the output of the processes of --function on standard error.
    #[arg(long)]
    pub log_functions: bool,
    /// Which requests are accepted [default: none].
    ///
    /// iam accepts requests that are signed with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if set,
    /// AWS_SESSION_TOKEN, until AWS_CREDENTIAL_EXPIRATION if that is set.
    #[arg(long, value_enum, value_name = "AUTH")]
    pub auth: Option<LambdaAuth>,
    #[arg(long, value_name = "KEY=VALUE")]
    #[arg(help = help::LOCAL_LAMBDA, long_help = help::LOCAL_LAMBDA_OF_LAMBDA)]
    #[arg(value_parser = parse_model)]
    pub local_lambda: Option<Model>,
    /// Log level: error, warn, info, debug or trace, or MODULE=LEVEL with commas between them [default:
    /// warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// All options with their values as text.
    #[arg(skip)]
    pub given: Given,
}

/// Parses the value of `--timeout`. What is no duration gets the same error as a zero.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    check_timeout(parse_duration(text).unwrap_or_default())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LambdaAuth {
    /// All requests.
    None,
    /// Requests that are signed with the keys in the environment (Signature Version 4).
    Iam,
}
