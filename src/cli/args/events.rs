//! The options of the events: those of `generate`, which other commands share.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::cli::given::Given;
use crate::cli::rates::{self, DEFAULT_SHAPE, RateArg, ShapeArg};
use crate::cli::source;
use crate::nexmark::Config;
use crate::pipeline::mark;
use crate::source::text_of;
use crate::units::{parse_above_zero, parse_at_least_one, parse_duration, parse_rate};

/// The default seed of all that is random.
pub const DEFAULT_SEED: u64 = 1;

/// A value that may name a file, whatever bytes that has: as text of which `path_of` makes a path.
pub(super) fn any_bytes() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|value| text_of(Path::new(&value)))
}

/// How many events come, and when.
#[derive(Debug, Args)]
pub struct RateArgs {
    /// Stop after exactly this many events.
    #[arg(long, value_name = "N", group = mark::OUTPUT, value_parser = parse_at_least_one)]
    pub events: Option<u64>,
    /// Take the events that are due within this time, however long processing them lasts.
    ///
    /// Without it and without --events, Nexmark events come until Ctrl-C; `compare` takes 10s of them, `explain`
    /// 5s, and `simulate` needs one of the two. Files and traces end by themselves.
    #[arg(long, value_name = "D", group = mark::OUTPUT, value_parser = parse_above_zero)]
    pub duration: Option<Duration>,
    /// Events per second over all workers, or `max`: as fast as they are taken [default: 10k for Nexmark
    /// events, max for lines].
    #[arg(long, value_name = "R|max", group = mark::OUTPUT, value_parser = RateArg::from_str)]
    pub rate: Option<RateArg>,
    #[arg(long, value_name = "SHAPE", group = mark::OUTPUT)]
    #[arg(default_value = DEFAULT_SHAPE)]
    #[arg(value_parser = any_bytes().try_map(|text| ShapeArg::parse(&text)))]
    #[arg(help = rates::shape_help(), long_help = rates::shape_long_help())]
    pub shape: ShapeArg,
    /// Highest rate of the shapes square, sine, step and spike.
    #[arg(long, value_name = "P", group = mark::OUTPUT, value_parser = parse_rate)]
    pub peak_rate: Option<f64>,
    /// Period of the shapes square, sine and spike; for step, when the rate changes.
    #[arg(long, value_name = "T", group = mark::OUTPUT, value_parser = parse_duration)]
    pub period: Option<Duration>,
}

/// What the events are and when they come: the part that `run` and `generate` share.
#[derive(Debug, Args)]
pub struct EventArgs {
    #[command(flatten)]
    pub rates: RateArgs,
    /// Seed of the event generator: the same seed gives the same events.
    #[arg(long, value_name = "N", group = mark::OUTPUT, default_value_t = DEFAULT_SEED)]
    pub seed: u64,
    /// Options of the event generator, as KEY=VALUE[,KEY=VALUE...], such as person_proportion=2.
    #[arg(long, value_name = "KEY=VALUE", group = mark::OUTPUT, value_parser = source::parse_nexmark)]
    pub nexmark: Option<Config>,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Format of the lines [default: csv, which is the text that `run` takes for its records].
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<FormatArg>,
    #[command(flatten)]
    pub events: EventArgs,
    /// All options with their values as text.
    #[arg(skip)]
    pub given: Given,
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
