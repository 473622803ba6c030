//! The options of `simulate`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::Args;

use super::events::DEFAULT_SEED;
use super::{BudgetArgs, RateArgs, RequestArgs};
use crate::cli::given::Given;
use crate::cli::remote_options::parse_model;
use crate::cli::{help, policy_options};
use crate::emulator::Model;
use crate::pipeline::ModelOptions;
use crate::simulate::{Service, Spread, Stage};
use crate::units::{parse_above_zero, parse_rate};

#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten, next_help_heading = "Input")]
    pub rates: RateArgs,
    /// Seed of all that is random: the same seed gives the same figures.
    #[arg(long, value_name = "N", help_heading = "Input", default_value_t = DEFAULT_SEED)]
    pub seed: u64,
    #[command(flatten)]
    pub model: ModelOptions,

    /// Time that a record takes a worker, as D[,SPREAD]: 12us, 12us,exponential or 12us,lognormal=0.5.
    /// Needed unless --recorded is given. Given several times, each is a stage of a graph, in this order. NxD says
    /// that a stage receives N records for each result of the stage before it: --service 10us --service 3x30us.
    #[arg(long, value_name = "[Nx]D[,SPREAD]", help_heading = "Work", value_parser = parse_stage)]
    pub service: Vec<Stage>,
    /// Summary of a run (--summary) whose workers, time per record and local Lambda are taken where no
    /// option says otherwise.
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub recorded: Option<PathBuf>,

    #[arg(long, value_name = "POLICY", value_delimiter = ',', help_heading = "Bursting")]
    #[arg(help = policy_options::simulate_help())]
    pub policy: Vec<String>,
    #[arg(long, value_name = "R", help_heading = "Bursting", value_parser = parse_rate)]
    #[arg(help = policy_options::threshold_help(" [default with all: what the workers sustain]"))]
    pub threshold: Option<f64>,
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Bursting")]
    #[arg(help = help::LOCAL_LAMBDA, long_help = help::LOCAL_LAMBDA_OF_SIMULATE)]
    #[arg(value_parser = parse_model)]
    pub local_lambda: Option<Model>,
    /// How the time of a request in the function is spread: constant, exponential or lognormal=SIGMA.
    #[arg(long, value_name = "SPREAD", help_heading = "Bursting")]
    #[arg(default_value = "constant", value_parser = Spread::from_str)]
    pub remote_spread: Spread,
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub requests: RequestArgs,
    /// Refused: see `refuse_stage`.
    #[arg(long = "stage", value_name = "NAME.KEY=VALUE", hide = true, value_parser = refuse_stage)]
    pub stages: Option<String>,

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

/// Refuses `--stage`, which `run` has.
fn refuse_stage(_: &str) -> Result<String, &'static str> {
    Err(
        "is for run and compare: the stages of a simulation have no names, and all have the same policy and function",
    )
}

/// Parses the value of `--service`. The time in a function is that on a worker.
fn parse_stage(text: &str) -> Result<Stage, String> {
    let (time, spread) = text.split_once(',').unwrap_or((text, "constant"));
    let (records, record) = time.split_once('x').unwrap_or(("1", time));
    let records = records.parse().ok().filter(|records: &f64| (1e-6..=1e6).contains(records));
    let records = records.ok_or("expected a number from 0.000001 to 1,000,000 before the x")?;
    let record = parse_above_zero(record).map_err(|error| error.to_string())?;
    let spread = Spread::from_str(spread).map_err(|error| error.to_string())?;
    let service = Service { spread, ..Service::constant(record) };
    Ok(Stage { records, service, remote: record })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stage_has_a_time_and_may_have_a_spread_and_several_records_for_each_result() {
        for (text, records, micros, spread) in [
            ("12us", 1.0, 12, Spread::Constant),
            ("12us,exponential", 1.0, 12, Spread::Exponential),
            ("3x30us", 3.0, 30, Spread::Constant),
            ("0.5x1ms,lognormal=0.5", 0.5, 1_000, Spread::Lognormal(0.5)),
        ] {
            let record = Duration::from_micros(micros);
            let service = Service { spread, ..Service::constant(record) };
            let expected = Stage { records, service, remote: record };
            assert_eq!(parse_stage(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_stage_that_is_none_is_refused_with_what_would_be_right() {
        for (text, expected) in [
            ("x30us", "a number from 0.000001"),
            ("0x30us", "a number from 0.000001"),
            ("-1x30us", "a number from 0.000001"),
            ("nanx30us", "a number from 0.000001"),
            ("10000000x30us", "to 1,000,000 before the x"),
            ("3x0us", "above 0"),
            ("3x", "expected"),
            ("", "expected"),
            ("12us,wild", "lognormal"),
        ] {
            let refused = parse_stage(text).expect_err(text);
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
