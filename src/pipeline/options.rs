//! Options of `floodway run` that a run takes as they are given. Each is declared here and nowhere else: its
//! name, help, parser and default, and its [`mark`]. The part of the run that an option is for reads it from
//! [`Settings::options`](super::Settings::options).

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::query::{self, Query};
use crate::source::Speed;
use crate::task::{self, Work};
use crate::units::{parse_above_zero, parse_bytes, parse_number};

/// How far the value of an option must stay the same. Every option of `run` has one of these marks, as a group of
/// clap's. The state's fingerprint, and what the processes of a run compare, are made from them.
pub mod mark {
    use clap::ArgGroup;

    /// The output depends on the value: it is the same in a resumed run, and in all processes of a run.
    pub const OUTPUT: &str = "mark-output";
    /// The value is the same in all processes of a run. A resumed run may have another.
    pub const RUN: &str = "mark-run";
    /// Each process may have a value of its own.
    pub const PROCESS: &str = "mark-process";

    /// All marks.
    pub const ALL: [&str; 3] = [OUTPUT, RUN, PROCESS];

    /// Returns the groups of a command whose options have marks. Options of one mark do not exclude each other.
    pub fn groups() -> impl Iterator<Item = ArgGroup> {
        ALL.into_iter().map(|mark| ArgGroup::new(mark).multiple(true))
    }
}

/// The options that a simulation of a run has too.
#[derive(Args, Clone, Debug)]
pub struct ModelOptions {
    /// Length of an epoch, over which the rate is measured.
    #[arg(long, value_name = "D", help_heading = "Input", group = mark::OUTPUT)]
    #[arg(default_value = "100ms", value_parser = parse_above_zero)]
    pub epoch: Duration,
    /// Deadline of a result: this long after the scheduled time of its record.
    #[arg(long, value_name = "D", help_heading = "Bursting", group = mark::RUN)]
    #[arg(default_value = "200ms", value_parser = parse_above_zero)]
    pub deadline: Duration,
    /// Records that wait on a worker before its source waits (backpressure).
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value = "500k", value_parser = parse_number)]
    pub max_backlog: usize,
}

/// The options.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// The options that a simulation has too.
    #[command(flatten)]
    pub model: ModelOptions,
    /// Longest record in bytes; longer ones are bad records.
    #[arg(long, value_name = "BYTES", help_heading = "Input", group = mark::OUTPUT)]
    #[arg(default_value = "1Mi", value_parser = parse_max_record)]
    pub max_record: usize,

    /// What is computed from each record.
    ///
    /// words splits the text into words. bpe computes byte-pair tokens with the vocabulary o200k, which is
    /// more work: about 14 us a record. function:DIR is a function of your own in the folder DIR, in Python,
    /// Java, Node.js or as any program: processes on this machine are the local side, and --lambda names the same
    /// function in the cloud.
    #[arg(long, value_name = "TASK", help_heading = "Work", group = mark::OUTPUT)]
    #[arg(default_value = task::DEFAULT, value_parser = parse_task)]
    pub task: String,
    /// How fast the schedule is played: 10 is ten times real time, max is as fast as records are taken.
    ///
    /// Event times, epochs and the output stay the same. With max, latency counts from when a record leaves the source.
    #[arg(long, value_name = "X|max", help_heading = "Input", group = mark::RUN)]
    #[arg(default_value_t = Speed::REAL_TIME)]
    pub speed: Speed,
    /// A query of Nexmark in place of --task: q0 to q23.
    #[arg(long, value_name = "qN", help_heading = "Work", group = mark::OUTPUT)]
    #[arg(long_help = query_help(), conflicts_with = "task", value_parser = parse_query)]
    pub query: Option<&'static Query>,
    /// What a record is for --task function:DIR.
    #[arg(long, value_name = "FORM", help_heading = "Work", group = mark::OUTPUT)]
    #[arg(value_enum, default_value_t = RecordForm::Text)]
    pub records: RecordForm,
    /// Processes of --task function:DIR on this machine [default: one for each processor].
    #[arg(long, value_name = "N", help_heading = "Work", group = mark::PROCESS)]
    #[arg(value_parser = parse_number)]
    pub processes: Option<usize>,
    /// Print the output of the processes of --task function:DIR on standard error.
    #[arg(long, help_heading = "Work", group = mark::PROCESS)]
    pub log_functions: bool,
    /// Extra time that each record takes, for experiments.
    ///
    /// The worker is busy for this time; the local Lambda sleeps instead. It may change during the run:
    /// 12us,60us@5s is 60us from second 5 on.
    #[arg(long, value_name = "D[,D@T]", help_heading = "Work", group = mark::RUN)]
    #[arg(default_value = "0us", value_parser = Work::from_str)]
    pub work: Work,

    /// Send nothing, and report at the end what the policy would have sent.
    ///
    /// The report says what it would have cost and how late results would have been, with a remote side as
    /// --local-lambda describes it.
    #[arg(long, help_heading = "Bursting", group = mark::RUN)]
    #[arg(conflicts_with_all = [
        "lambda", "auth", "region", "memory", "stages", "require_remote", "skew", "state",
    ])]
    pub shadow: bool,
    /// End with exit code 1 if the policy wanted to send records and none was done remotely.
    #[arg(long, help_heading = "Bursting", group = mark::PROCESS, conflicts_with = "shadow")]
    pub require_remote: bool,

    /// How often finished epochs are committed.
    #[arg(long, value_name = "D", help_heading = "Output", group = mark::RUN)]
    #[arg(default_value = "1s", value_parser = parse_above_zero)]
    pub commit_every: Duration,
    /// Longest time that a run takes to end after a signal.
    ///
    /// The signal is SIGINT, SIGTERM or SIGHUP. Epochs that are whole by then are committed; the rest is
    /// left to the run that resumes it.
    #[arg(long, value_name = "D", help_heading = "Output", group = mark::PROCESS)]
    #[arg(default_value = "10s", value_parser = parse_above_zero)]
    pub stop_within: Duration,
    /// Size of the state of a process past which the run ends with exit code 1.
    ///
    /// It is about windows and totals of a program of one's own. What is committed is whole, and the same command with
    /// more resumes.
    #[arg(long, value_name = "BYTES", help_heading = "Output", group = mark::PROCESS)]
    #[arg(value_parser = parse_bytes)]
    pub max_state: Option<u64>,
    /// File for bad records and why they are bad, as JSON lines.
    ///
    /// It belongs to the output: a resumed run continues it, and --overwrite replaces it.
    #[arg(long, value_name = "FILE", help_heading = "Output", group = mark::OUTPUT)]
    pub dead_letter: Option<PathBuf>,
    /// File for the summary of the run, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output", group = mark::PROCESS)]
    pub summary: Option<PathBuf>,
    /// File for figures over time, as JSON lines.
    ///
    /// One line for each 100 ms of the run, and then the latencies by where the results were made.
    #[arg(long, value_name = "FILE", help_heading = "Output", group = mark::RUN)]
    pub series: Option<PathBuf>,
}

/// What a record is for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordForm {
    /// The line, as a string.
    Text,
    /// The JSON value that the line is. A line that is none is a bad record.
    Json,
}

/// What the task of a function in a folder begins with.
pub const FUNCTION: &str = "function:";

/// Parses the name of a task.
pub fn parse_task(text: &str) -> Result<String, String> {
    let is_folder = text.strip_prefix(FUNCTION).is_some_and(|folder| !folder.is_empty());
    match is_folder || task::NAMES.contains(&text) {
        true => Ok(text.to_owned()),
        false => {
            let names = task::NAMES.join(", ");
            Err(format!("expected {names}, or function:DIR for a function of your own"))
        }
    }
}

fn query_help() -> String {
    format!(
        "A query of Nexmark in place of --task, on the events of --source nexmark or on lines with events as JSON. Its \
         output lines are an epoch, a difference and a row, with tabs between them.\n{}",
        query::help()
    )
}

/// Parses the name of a query.
fn parse_query(text: &str) -> Result<&'static Query, String> {
    query::named(text).ok_or_else(|| "expected q0 to q23".to_owned())
}

fn parse_max_record(text: &str) -> Result<usize, String> {
    const MOST: u64 = 4 << 20;
    match parse_bytes(text) {
        Ok(bytes) if (1..=MOST).contains(&bytes) => Ok(bytes as usize),
        Ok(_) => Err("expected 1 byte to 4Mi: a record must fit into a request".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
