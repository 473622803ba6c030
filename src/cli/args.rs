//! The command line as it is typed: a struct as close to the flags as possible, which does
//! nothing. [`settings`](super::settings) makes of it what the program runs on.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Cloud bursting for timely dataflow: what the workers cannot process in time goes to AWS Lambda.
#[derive(Debug, Parser)]
#[command(name = "floodway", version, about, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one dataflow: source → burst → sink. Without options: a demonstration.
    #[command(allow_negative_numbers = true)]
    Run(Box<RunArgs>),
    /// The same trace under several policies: a table, and a report with plots. Without options: a
    /// demonstration.
    #[command(allow_negative_numbers = true)]
    Compare(Box<CompareArgs>),
    /// Print Nexmark events.
    #[command(allow_negative_numbers = true)]
    Generate(GenerateArgs),
    /// What policies would do on a trace of rates: no network, no computation, the same policies.
    #[command(allow_negative_numbers = true, args_override_self = false)]
    Simulate(Box<SimulateArgs>),
    /// Serve a local Lambda; the first line on standard output is its URL.
    Lambda(LambdaArgs),
    /// Try an endpoint with one round trip, and say what is wrong.
    Check(CheckArgs),
    /// Print a completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How many events come, and when.
#[derive(Debug, Args)]
pub struct RateArgs {
    /// Stop after this many events.
    #[arg(long, value_name = "N")]
    pub events: Option<String>,
    /// Take the events that are due within this time.
    #[arg(long, value_name = "D")]
    pub duration: Option<String>,
    /// Events a second over all workers, or `max`: as fast as they are taken.
    #[arg(long, value_name = "R|max")]
    pub rate: Option<String>,
    /// How the rate changes: constant, square, sine, step, spike, or trace:FILE: rows `seconds,rate`,
    /// the seconds from 0 and increasing. A rate holds until the next row; the last row ends the trace.
    #[arg(long, value_name = "SHAPE")]
    pub shape: Option<String>,
    /// The peak of the shapes that have one.
    #[arg(long, value_name = "P")]
    pub peak_rate: Option<String>,
    /// The period of the shapes that have one; `step` steps once, after it.
    #[arg(long, value_name = "T")]
    pub period: Option<String>,
}

/// What the events are and when they come: the part that `run` and `generate` share.
#[derive(Debug, Args)]
pub struct EventArgs {
    #[command(flatten)]
    pub rates: RateArgs,
    /// Of the events: the same seed, the same events.
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// The generator's options, as KEY=VALUE[,KEY=VALUE...], for example person_proportion=2.
    #[arg(long, value_name = "KEY=VALUE")]
    pub nexmark: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// nexmark, lines:PATH, lines:- for standard input, or, built with the feature kafka,
    /// kafka://HOST:PORT/TOPIC [default: nexmark]. PATH is a file, or a glob such as 'logs/*.gz': its files
    /// are read in byte order of their paths, and output lines begin with FILE:LINE. Files that end in .gz or
    /// .zst are unpacked. After a topic, a ? and with & between them: from=latest to begin with what comes,
    /// until=end to end with what is there, config=FILE for properties of librdkafka's.
    #[arg(long, value_name = "SOURCE", help_heading = "Input")]
    pub source: Option<String>,
    /// Wait for what is added to the file, or to the last one of a glob, and for new files of the
    /// glob, until Ctrl-C.
    #[arg(long, help_heading = "Input")]
    pub follow: bool,
    #[command(flatten, next_help_heading = "Input")]
    pub events: EventArgs,
    /// Length of an epoch, which is the interval that the rate is measured over [default: 100ms].
    #[arg(long, value_name = "D", help_heading = "Input")]
    pub epoch: Option<String>,
    /// Longer records, in bytes, are bad [default: 1Mi].
    #[arg(long, value_name = "BYTES", help_heading = "Input")]
    pub max_record: Option<String>,

    /// What is computed of each record [default: words].
    #[arg(long, value_name = "TASK", help_heading = "Work")]
    pub task: Option<String>,
    /// Extra cost a record, for experiments: burnt on a worker, slept in the local Lambda. It may change
    /// in mid-run: 12us,60us@5s is 60us from second 5 on.
    #[arg(long, value_name = "D[,D@T]", help_heading = "Work")]
    pub work: Option<String>,

    /// Where records are processed [default: local].
    #[arg(long, value_enum, value_name = "POLICY", help_heading = "Bursting")]
    pub policy: Option<PolicyArg>,
    /// Events a second over all workers, for threshold and spill.
    #[arg(long, value_name = "R", help_heading = "Bursting")]
    pub threshold: Option<String>,
    /// The share of the events that the first worker makes, for experiments [default: an equal one].
    #[arg(long, value_name = "SHARE", help_heading = "Work")]
    pub skew: Option<String>,
    /// How long after its schedule a result is due [default: 200ms].
    #[arg(long, value_name = "D", help_heading = "Bursting")]
    pub deadline: Option<String>,
    /// Send nothing, and say at the end what the policy would have sent, what it would have cost and how
    /// late results would have been, with the remote side that --local-lambda describes.
    #[arg(long, help_heading = "Bursting")]
    pub shadow: bool,
    #[command(flatten, next_help_heading = "Bursting")]
    pub endpoint: EndpointArgs,
    /// The embedded Lambda's model, as KEY=VALUE[,KEY=VALUE...]: network, cold_start, idle,
    /// concurrency, ramp, memory, failure_rate, throttle_rate, slow=10, trouble=3s-6s (when these three
    /// hold), outage=3s-6s, seed.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Bursting")]
    pub local_lambda: Option<String>,
    #[command(flatten)]
    pub bridge: BridgeArgs,
    /// Compute this share of remote records at home too, as 0.001 or 0.1%; a difference ends the
    /// run with 1 [default: 0].
    #[arg(long, value_name = "P", help_heading = "Bursting")]
    pub verify: Option<String>,
    /// The function's memory in MB, for the cost [default: 1769; the embedded Lambda's own].
    #[arg(long, value_name = "MB", help_heading = "Bursting")]
    pub memory: Option<String>,
    /// Records waiting on a worker before the source waits [default: 500k].
    #[arg(long, value_name = "N", help_heading = "Bursting")]
    pub max_backlog: Option<String>,

    /// files:DIR, null, or, built with the feature kafka and with --state, kafka://HOST:PORT/TOPIC, each line
    /// exactly once [default: a new folder in out/]. For files, after a ? and with & between them:
    /// format=jsonl for JSON lines, compress=zstd, roll_size=BYTES (of a file on the disk) and roll_age=D
    /// to end files sooner, sync=none not to wait for the disk, io=buffered not to write past the cache.
    #[arg(long, value_name = "SINK", help_heading = "Output")]
    pub sink: Option<String>,
    /// Short for --sink files:DIR.
    #[arg(long, value_name = "DIR", conflicts_with = "sink", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// How often finished epochs are committed [default: 1s].
    #[arg(long, value_name = "D", help_heading = "Output")]
    pub commit_every: Option<String>,
    /// Replace another run's output.
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Where it is kept what the same command needs to go on where it was ended, whatever ended it.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub state: Option<PathBuf>,
    /// Bad records with their reasons, as JSON lines.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub dead_letter: Option<PathBuf>,
    /// The run's figures, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub summary: Option<PathBuf>,
    /// The run's figures over time, as JSON lines: one for each 100 ms, and the latencies by path.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub series: Option<PathBuf>,
    /// Serve metrics (/metrics), a live page (/) and the run's health (/healthz) here, to whoever can reach
    /// it; port 0: any that is free. Process P of several listens P ports higher.
    #[arg(long, value_name = "HOST:PORT", help_heading = "Output")]
    pub listen: Option<String>,
    /// Go on to serve them for so long after the end [default: 0s].
    #[arg(long, value_name = "D", help_heading = "Output")]
    pub listen_after: Option<String>,

    /// The same settings as TOML, named as the flags are; flags win.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// error, warn, info, debug, trace, or a filter by module [default: warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Timely's own arguments: -w WORKERS -n PROCESSES -p PROCESS -h HOSTFILE.
    #[arg(last = true, value_name = "TIMELY")]
    pub timely: Vec<String>,
    /// The options that stand in the file of --config and were not typed, without their hyphens.
    #[arg(skip)]
    pub from_file: Vec<String>,
}

/// The options of `run`, and what is done with them several times.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Policies, with commas between them [default: local,threshold,spill,deadline,remote]. Those
    /// that need a threshold get --threshold, or nine tenths of what the workers can do.
    #[arg(long, value_name = "POLICIES", help_heading = "Comparison")]
    pub policies: Option<String>,
    /// How often each policy is run; a round is all of them [default: 1].
    #[arg(long, value_name = "N", help_heading = "Comparison")]
    pub rounds: Option<String>,
    /// How long a first run lasts that does not count, or 0s for none [default: 1s].
    #[arg(long, value_name = "D", help_heading = "Comparison")]
    pub warm_up_run: Option<String>,
    /// The report's folder [default: a new folder in out/].
    #[arg(long, value_name = "DIR", help_heading = "Comparison")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub run: RunArgs,
}

/// Where requests go, and who signs them: the part that `run` and `check` share.
#[derive(Debug, Args)]
pub struct EndpointArgs {
    /// local (embedded, which `run` does without another), the URL of a function or of anything else that
    /// speaks the wire, or a function's name or ARN, with a qualifier if wanted.
    #[arg(long, value_name = "local|URL|NAME|ARN")]
    pub lambda: Option<String>,
    /// Whether requests to a URL are signed with AWS credentials: a function URL of the auth type AWS_IAM
    /// wants that. Those to a function by its name or ARN always are [default: none for a URL].
    #[arg(long, value_enum, value_name = "AUTH")]
    pub auth: Option<AuthArg>,
    /// The region that requests are signed for [default: that of the ARN or of the function URL, else
    /// AWS_REGION, AWS_DEFAULT_REGION or the profile's].
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
}

/// How the bridge behaves, and what the function costs: the part that `run` and `simulate` share.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// US dollars that may be spent in any hour, such as 0.50/h; then work stays home.
    #[arg(long, value_name = "USD/h", help_heading = "Bursting")]
    pub budget: Option<String>,
    /// US dollars that may be spent in all, with --state by all its runs together.
    #[arg(long, value_name = "USD", help_heading = "Bursting")]
    pub budget_total: Option<String>,
    /// Records a request [default: 1000].
    #[arg(long, value_name = "N", help_heading = "Bursting")]
    pub batch: Option<String>,
    /// How long a record may wait for its request to fill [default: 5ms].
    #[arg(long, value_name = "D", help_heading = "Bursting")]
    pub linger: Option<String>,
    /// Requests in flight at most [default: 1000].
    #[arg(long, value_name = "N", help_heading = "Bursting")]
    pub max_in_flight: Option<String>,
    /// How long an attempt may take [default: 10s].
    #[arg(long, value_name = "D", help_heading = "Bursting")]
    pub timeout: Option<String>,
    /// Attempts a request has before its records come home [default: 3].
    #[arg(long, value_name = "N", help_heading = "Bursting")]
    pub attempts: Option<String>,
    /// The share of requests that may be sent a second time when they are late [default: 0.05].
    #[arg(long, value_name = "SHARE", help_heading = "Bursting")]
    pub hedge: Option<String>,
    /// Start environments ahead when the rate is above this share of the rate at which the policy
    /// begins to send, or `off` [default: 0.8].
    #[arg(long, value_name = "SHARE|off", help_heading = "Bursting")]
    pub warm_up: Option<String>,
    /// The function's processor, for the list price: x86 or arm [default: x86].
    #[arg(long, value_enum, value_name = "ARCH", help_heading = "Bursting")]
    pub arch: Option<ArchArg>,
    /// Price of a million requests in US dollars [default: 0.20].
    #[arg(long, value_name = "USD", help_heading = "Bursting")]
    pub price_million_requests: Option<String>,
    /// Price of a GB-second in US dollars [default: of us-east-1, by --arch].
    #[arg(long, value_name = "USD", help_heading = "Bursting")]
    pub price_gb_second: Option<String>,
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten, next_help_heading = "Input")]
    pub rates: RateArgs,
    /// Of all that is random: the same seed, the same figures [default: 1].
    #[arg(long, value_name = "N", help_heading = "Input")]
    pub seed: Option<String>,
    /// Length of an epoch, which is the interval that the rate is measured over [default: 100ms].
    #[arg(long, value_name = "D", help_heading = "Input")]
    pub epoch: Option<String>,

    /// What a record costs a worker, all included, as D[,SPREAD]: 12us, 12us,exponential or
    /// 12us,lognormal=0.5.
    #[arg(long, value_name = "D[,SPREAD]", help_heading = "Work")]
    pub service: Option<String>,
    /// The summary of a run: its workers, what a record cost, and its local Lambda's model are taken
    /// where no option says otherwise.
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub recorded: Option<PathBuf>,
    /// Records that a worker holds before its source waits [default: 500k].
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub max_backlog: Option<String>,

    /// local, remote, threshold, spill, deadline, or all; several times or with commas between
    /// [default: all].
    #[arg(long, value_name = "POLICY", value_delimiter = ',', help_heading = "Bursting")]
    pub policy: Vec<String>,
    /// Events a second over all workers, for threshold and spill [default with all: what the workers
    /// do].
    #[arg(long, value_name = "R", help_heading = "Bursting")]
    pub threshold: Option<String>,
    /// How long after its schedule a result is due [default: 200ms].
    #[arg(long, value_name = "D", help_heading = "Bursting")]
    pub deadline: Option<String>,
    /// The remote side, as KEY=VALUE[,KEY=VALUE...]: network, cold_start, idle, concurrency, ramp,
    /// memory, failure_rate, throttle_rate, slow=10, trouble=3s-6s (when it is slow), outage=3s-6s. A record
    /// takes a function of 1,769 MB as long as it takes a worker.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Bursting")]
    pub local_lambda: Option<String>,
    /// How a request's time in the function is spread: constant, exponential or lognormal=SIGMA
    /// [default: constant].
    #[arg(long, value_name = "SPREAD", help_heading = "Bursting")]
    pub remote_spread: Option<String>,
    #[command(flatten)]
    pub bridge: BridgeArgs,

    /// The figures as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Timely's own arguments, of which the number of workers is used: -w WORKERS -n PROCESSES.
    #[arg(last = true, value_name = "TIMELY")]
    pub timely: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyArg {
    /// Everything on the workers: backpressure when they cannot.
    Local,
    /// Everything to the remote side.
    Remote,
    /// Everything, while the offered rate is above the threshold.
    Threshold,
    /// What is in excess of the threshold.
    Spill,
    /// What would be late at home, at the last moment at which it can still be in time remotely.
    Deadline,
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
    /// What a line is [default: csv, which is what `run` tokenizes].
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
    /// Address and port to listen on; port 0 lets the system choose.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub bind: String,
    /// A folder with a function in Python, Java, or any program: it runs in processes of its own, under AWS's
    /// own runtime clients. Its function.toml says what it is; without one: bootstrap, lambda_function.py,
    /// or a single .jar with --handler. Default: the tasks that come with Floodway.
    #[arg(long, value_name = "DIR")]
    pub function: Option<PathBuf>,
    /// The function's handler, as AWS writes it: module.function, or package.Class::method; wins over
    /// function.toml.
    #[arg(long, value_name = "HANDLER")]
    pub handler: Option<String>,
    /// How long an invocation of --function may take, up to 900s; wins over function.toml [default: 30s].
    #[arg(long, value_name = "D")]
    pub timeout: Option<String>,
    /// Show on standard error what the processes of --function print.
    #[arg(long)]
    pub log_functions: bool,
    /// none, or iam: only requests that are signed with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if it
    /// is set, AWS_SESSION_TOKEN, until AWS_CREDENTIAL_EXPIRATION if that is set [default: none].
    #[arg(long, value_enum, value_name = "AUTH")]
    pub auth: Option<LambdaAuth>,
    /// The model, as KEY=VALUE[,KEY=VALUE...]: network, cold_start (not with --function), concurrency, ramp,
    /// memory, failure_rate, throttle_rate, slow=10, trouble=3s-6s, outage=3s-6s, idle, seed.
    #[arg(long, value_name = "KEY=VALUE")]
    pub local_lambda: Option<String>,
    /// error, warn, info, debug, trace, or a filter by module [default: warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LambdaAuth {
    /// Everybody may invoke it.
    None,
    /// Signature Version 4, for the service lambda.
    Iam,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// The task to try [default: words].
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// How long it may take [default: 10s].
    #[arg(long, value_name = "D")]
    pub timeout: Option<String>,
    /// error, warn, info, debug, trace, or a filter by module [default: warn].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}
