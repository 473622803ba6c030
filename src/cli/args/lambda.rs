//! The options of `lambda`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::help;

#[derive(Debug, Args)]
pub struct LambdaArgs {
    /// Address and port to listen on; port 0 takes any free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub bind: String,
    /// Host names by which a browser may reach it, with commas between them.
    ///
    /// Without --auth iam it answers requests of a browser to an address, to localhost, to the name in --bind
    /// and to these.
    #[arg(long, value_name = "NAME[,NAME...]")]
    pub allow_host: Option<String>,
    /// Folder of a function to run in real processes [default: the tasks that are built in].
    ///
    /// The function is in Python, Java, or any program; it runs under AWS's own runtime clients. Its
    /// function.toml says what it is. Without one, the folder holds bootstrap, lambda_function.py, or a
    /// single .jar (with --handler).
    #[arg(long, value_name = "DIR")]
    pub function: Option<PathBuf>,
    /// Handler of the function as AWS writes it: module.function or package.Class::method. It wins over
    /// function.toml.
    #[arg(long, value_name = "HANDLER")]
    pub handler: Option<String>,
    /// Longest time that an invocation of --function may take, up to 900s; it wins over function.toml
    /// [default: 30s].
    #[arg(long, value_name = "D")]
    pub timeout: Option<String>,
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
    pub local_lambda: Option<String>,
    /// Log level: error, warn, info, debug or trace, or MODULE=LEVEL with commas between them [default:
    /// warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LambdaAuth {
    /// All requests.
    None,
    /// Requests that are signed with the keys in the environment (Signature Version 4).
    Iam,
}
