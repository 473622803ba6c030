//! The options of requests, of what the function costs, and of the budget: those that `run` and `simulate` share. Their
//! defaults are the library's.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::bridge::{CostLimits, Settings};
use crate::cost::{Cost, Prices};
use crate::pipeline::mark;
use crate::units::{
    UnitError, parse_above_zero, parse_at_least_one, parse_duration, parse_number, parse_share,
};

/// What may be spent.
#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// US dollars that may be spent in any hour, such as 0.50/h; past it nothing is sent [default: no
    /// limit].
    #[arg(long, value_name = "USD/h", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(value_parser = parse_dollars_an_hour)]
    pub budget: Option<f64>,
    /// US dollars that may be spent in total; past it nothing is sent [default: no limit].
    ///
    /// `run --state DIR` counts what all runs with that folder have spent.
    #[arg(long, value_name = "USD", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(value_parser = parse_dollars)]
    pub budget_total: Option<f64>,
}

/// How records are sent to a function, and what it costs.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// Records per request.
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = Settings::default().batch_records, value_parser = parse_number)]
    pub batch: usize,
    /// Longest time that a record waits for its request to fill.
    #[arg(long, value_name = "D", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value = typed(Settings::default().linger), value_parser = parse_duration)]
    pub linger: Duration,
    /// Most requests in flight at a time.
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = Settings::default().max_in_flight, value_parser = parse_number)]
    pub max_in_flight: usize,
    /// Longest time that an attempt may take.
    #[arg(long, value_name = "D", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value = typed(Settings::default().timeout), value_parser = parse_above_zero)]
    pub timeout: Duration,
    /// Attempts per request before its records are returned to the worker.
    #[arg(long, value_name = "N", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = Settings::default().attempts, value_parser = parse_attempts)]
    pub attempts: u32,
    /// Share of the requests that may be hedged: sent a second time when they are late.
    #[arg(long, value_name = "SHARE", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = Settings::default().hedge, value_parser = parse_share)]
    pub hedge: f64,
    /// Start environments ahead of a burst: when the rate exceeds this share of the rate at which the
    /// policy begins to send; `off` never does.
    #[arg(long, value_name = "SHARE|off", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value = typed_warm_up(Settings::default().warm_up), value_parser = parse_warm_up)]
    pub warm_up: WarmUp,
    /// Processor of the function, for its price.
    #[arg(long, value_enum, value_name = "ARCH", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = ArchArg::X86)]
    pub arch: ArchArg,
    /// Price of a million requests in US dollars.
    #[arg(long, value_name = "USD", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(default_value_t = Prices::default().million_requests, value_parser = parse_price)]
    pub price_million_requests: f64,
    /// Price of a GB-second in US dollars [default: us-east-1's for --arch].
    #[arg(long, value_name = "USD", help_heading = "Bursting", group = mark::PROCESS)]
    #[arg(value_parser = parse_price)]
    pub price_gb_second: Option<f64>,
}

/// A value of `--warm-up`: the share, or none for `off`.
pub type WarmUp = Option<f64>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArchArg {
    /// $0.0000166667 a GB-second.
    X86,
    /// $0.0000133334 a GB-second.
    Arm,
}

impl BudgetArgs {
    /// Returns what may be spent, by the hour and in total.
    pub fn limits(&self) -> CostLimits {
        CostLimits { per_hour: self.budget, total: self.budget_total }
    }
}

impl RequestArgs {
    /// Returns the settings of a bridge without a budget, to a function with this memory.
    pub fn settings(&self, memory_mb: u32) -> Settings {
        Settings {
            batch_records: self.batch,
            linger: self.linger,
            max_in_flight: self.max_in_flight,
            timeout: self.timeout,
            attempts: self.attempts,
            hedge: self.hedge,
            warm_up: self.warm_up,
            cost: Cost { prices: self.prices(), memory_mb },
            ..Settings::default()
        }
    }

    fn prices(&self) -> Prices {
        let listed = match self.arch {
            ArchArg::Arm => Prices::arm(),
            ArchArg::X86 => Prices::default(),
        };
        Prices {
            million_requests: self.price_million_requests,
            gb_second: self.price_gb_second.unwrap_or(listed.gb_second),
        }
    }
}

/// Returns a duration as it is typed.
fn typed(duration: Duration) -> String {
    format!("{duration:?}")
}

fn typed_warm_up(share: WarmUp) -> String {
    share.map_or("off".to_owned(), |share| share.to_string())
}

fn parse_warm_up(text: &str) -> Result<WarmUp, UnitError> {
    match text {
        "off" => Ok(None),
        share => parse_share(share).map(Some),
    }
}

/// Parses a number of attempts. More than fit are as good as no limit.
fn parse_attempts(text: &str) -> Result<u32, UnitError> {
    parse_at_least_one(text).map(|attempts| attempts.try_into().unwrap_or(u32::MAX))
}

/// Parses US dollars above 0.
fn parse_dollars(text: &str) -> Result<f64, &'static str> {
    above_zero(text).ok_or("expected US dollars above 0, such as 2.00")
}

fn parse_dollars_an_hour(text: &str) -> Result<f64, &'static str> {
    let hourly = text.strip_suffix("/h").and_then(above_zero);
    hourly.ok_or("expected US dollars an hour above 0, such as 0.50/h")
}

fn above_zero(text: &str) -> Option<f64> {
    let dollars = text.strip_prefix('$').unwrap_or(text).parse().ok();
    dollars.filter(|usd: &f64| usd.is_finite() && *usd > 0.0)
}

fn parse_price(text: &str) -> Result<f64, &'static str> {
    let price = text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0);
    price.ok_or("expected US dollars, such as 0.20")
}
