//! The command line as it is typed: a struct as close to the flags as possible, which does
//! nothing. [`settings`](super::settings) makes of it what the program runs on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::pipeline::{ModelOptions, RunOptions, mark};
use crate::source::text_of;
use crate::task;

/// A value that may name a file, whatever bytes that has: as text of which `path_of` makes a path.
fn any_bytes() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|value| text_of(Path::new(&value)))
}

use super::config::FromFile;
use super::given::Given;
use super::policy_options::{self, PolicyArg};
use super::{compare, help, settings, sink, source};

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
        mut_args = compare::hide_refused,
        groups = mark::groups()
    )]
    Compare(Box<CompareArgs>),
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
    /// Print a completion script for a shell.
    #[command(after_help = help::COMPLETION)]
    Completion {
        /// The shell that the script is for.
        shell: clap_complete::Shell,
    },
}

/// Parses a command line, with the program's name first. `from_file` are the settings that it has from a file.
///
/// # Errors
/// If it is no command line, or asks for help.
pub(super) fn parse(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    from_file: FromFile,
) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(words)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let found = matches.subcommand();
    let found = found.and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    let given = found.map(|(command, matches)| Given::new(command, matches, from_file));
    match &mut cli.command {
        Command::Run(args) => args.given = given.unwrap_or_default(),
        Command::Compare(args) => args.run.given = given.unwrap_or_default(),
        Command::Simulate(args) => args.given = given.unwrap_or_default(),
        _ => {}
    }
    Ok(cli)
}

/// How many events come, and when.
#[derive(Debug, Args)]
pub struct RateArgs {
    /// Stop after exactly this many events.
    #[arg(long, value_name = "N", group = mark::OUTPUT)]
    pub events: Option<String>,
    /// Take the events that are due within this time, however long processing them lasts.
    ///
    /// Without it and without --events, Nexmark events come until Ctrl-C; `compare` takes 10s of them, and
    /// `simulate` needs one of the two. Files and traces end by themselves.
    #[arg(long, value_name = "D", group = mark::OUTPUT)]
    pub duration: Option<String>,
    /// Events per second over all workers, or `max`: as fast as they are taken [default: 10k for Nexmark
    /// events, max for lines].
    #[arg(long, value_name = "R|max", group = mark::OUTPUT)]
    pub rate: Option<String>,
    #[arg(long, value_parser = any_bytes(), value_name = "SHAPE", group = mark::OUTPUT)]
    #[arg(help = settings::shape_help(), long_help = settings::shape_long_help())]
    pub shape: Option<String>,
    /// Highest rate of the shapes square, sine, step and spike.
    #[arg(long, value_name = "P", group = mark::OUTPUT)]
    pub peak_rate: Option<String>,
    /// Period of the shapes square, sine and spike; for step, when the rate changes.
    #[arg(long, value_name = "T", group = mark::OUTPUT)]
    pub period: Option<String>,
}

/// What the events are and when they come: the part that `run` and `generate` share.
#[derive(Debug, Args)]
pub struct EventArgs {
    #[command(flatten)]
    pub rates: RateArgs,
    /// Seed of the event generator: the same seed gives the same events [default: 1].
    #[arg(long, value_name = "N", group = mark::OUTPUT)]
    pub seed: Option<String>,
    /// Options of the event generator, as KEY=VALUE[,KEY=VALUE...], such as person_proportion=2.
    #[arg(long, value_name = "KEY=VALUE", group = mark::OUTPUT)]
    pub nexmark: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[arg(long, value_parser = any_bytes(), value_name = "SOURCE")]
    #[arg(help = source::help(), long_help = source::long_help())]
    #[arg(help_heading = "Input", group = mark::OUTPUT)]
    pub source: Option<String>,
    /// Keep reading as the file grows, until Ctrl-C.
    ///
    /// Of a glob, the last file is followed, and new files of the glob are read as they appear.
    #[arg(long, help_heading = "Input", group = mark::RUN)]
    pub follow: bool,
    #[command(flatten, next_help_heading = "Input")]
    pub events: EventArgs,
    #[command(flatten)]
    pub options: RunOptions,

    #[arg(long, value_name = "POLICY", help_heading = "Bursting", group = mark::RUN)]
    #[arg(value_parser = policy_options::policy_parser(), help = policy_options::policy_help())]
    #[arg(display_order = 0)]
    pub policy: Option<PolicyArg>,
    #[arg(long, value_name = "R", help_heading = "Bursting", group = mark::RUN)]
    #[arg(help = policy_options::threshold_help(""), display_order = 1)]
    pub threshold: Option<String>,
    /// Share of the events that the first worker makes, for experiments [default: the same for all].
    #[arg(long, value_name = "SHARE", help_heading = "Work", group = mark::RUN)]
    pub skew: Option<String>,
    #[command(flatten, next_help_heading = "Bursting")]
    pub endpoint: EndpointArgs,
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(help = help::LOCAL_LAMBDA, long_help = help::LOCAL_LAMBDA_OF_RUN)]
    pub local_lambda: Option<String>,
    #[command(flatten)]
    pub bridge: BridgeArgs,
    /// Share of remote results that are computed on a worker too, such as 0.001 or 0.1%; a difference ends
    /// the run with exit code 1 [default: 0].
    #[arg(long, value_name = "P", help_heading = "Bursting", group = mark::PROCESS)]
    pub verify: Option<String>,
    /// Memory of the function in MB, for its cost [default: 1769; the built-in Lambda has --local-lambda
    /// memory=MB].
    #[arg(long, value_name = "MB", help_heading = "Bursting", group = mark::PROCESS)]
    pub memory: Option<String>,
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
    pub listen: Option<String>,
    /// Host names by which the live page may be reached, with commas between them.
    ///
    /// It answers requests to an address, to localhost, to the name in --listen and to these. Otherwise a
    /// page of another site could read it under a name of its own.
    #[arg(long, value_name = "NAME[,NAME...]", help_heading = "Output", group = mark::PROCESS)]
    pub allow_host: Option<String>,
    /// How long the live page stays after the end of the run [default: 0s].
    #[arg(long, value_name = "D", help_heading = "Output", group = mark::PROCESS)]
    pub listen_after: Option<String>,

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
    /// How many times each policy is run; the table has the medians [default: 1].
    #[arg(long, value_name = "N", help_heading = "Comparison")]
    pub rounds: Option<String>,
    /// Length of a first run that is not counted; 0s for none [default: 1s].
    #[arg(long, value_name = "D", help_heading = "Comparison")]
    pub warm_up_run: Option<String>,
    /// Folder for the report [default: a new folder in out/].
    #[arg(long, value_name = "DIR", help_heading = "Comparison")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
}

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
pub struct GenerateArgs {
    /// Format of the lines [default: csv, which is the text that `run` takes for its records].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<FormatArg>,
    #[command(flatten)]
    pub events: EventArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// One object a line.
    Json,
    /// An event's fields with commas between them.
    Csv,
    /// An event's text as a task sees it: the same lines as csv.
    Text,
}

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
