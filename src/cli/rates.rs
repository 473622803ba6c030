//! `--events`, `--duration`, `--rate` and `--shape`: how many events come, and when.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::args::RateArgs;
use super::given::Given;
use super::{UsageError, trace_file};
use crate::batch::Nanos;
use crate::schedule::{Schedule, Shape, Trace};
use crate::units::{UnitError, parse_rate};

/// The default rate: that of the reference generator.
pub(super) const DEFAULT_RATE: f64 = 10_000.0;

/// The value of `--rate` without a schedule.
pub(super) const MAX: &str = "max";

/// A value of `--rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RateArg {
    /// As fast as the events are taken.
    Max,
    /// Events per second.
    PerSecond(f64),
}

impl FromStr for RateArg {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            MAX => Ok(RateArg::Max),
            rate => parse_rate(rate).map(RateArg::PerSecond),
        }
    }
}

/// The shape of the rate if none is named.
pub(super) const DEFAULT_SHAPE: &str = "constant";

/// The shapes that have a name.
const SHAPES: [(&str, Shape); 5] = [
    (DEFAULT_SHAPE, Shape::Constant),
    ("square", Shape::Square),
    ("sine", Shape::Sine),
    ("step", Shape::Step),
    ("spike", Shape::Spike),
];

/// A value of `--shape`.
#[derive(Clone, Debug, PartialEq)]
pub enum ShapeArg {
    /// A shape that has a name.
    Named(Shape),
    /// The shape of the trace in this file.
    Trace(String),
}

impl ShapeArg {
    /// Parses a value.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(file) = text.strip_prefix("trace:") {
            return Ok(ShapeArg::Trace(file.to_owned()));
        }
        let named = SHAPES.into_iter().find(|(name, _)| *name == text);
        let (_, shape) = named.ok_or_else(|| format!("expected {}", shape_values()))?;
        Ok(ShapeArg::Named(shape))
    }

    /// Returns the name of the trace's file, if the shape is that of a trace.
    pub(super) fn trace(&self) -> Option<&str> {
        match self {
            ShapeArg::Trace(file) => Some(file),
            ShapeArg::Named(_) => None,
        }
    }
}

fn shape_values() -> String {
    let names = SHAPES.map(|(name, _)| name).join(", ");
    format!("{names} or trace:FILE")
}

pub(super) fn shape_help() -> String {
    format!("How the rate changes over time: {}", shape_values())
}

pub(super) fn shape_long_help() -> String {
    format!(
        "{}.\n\nsquare: --rate in the first half of each period and --peak-rate in the second. sine: a wave \
         between the two. step: --peak-rate from --period on. spike: --peak-rate in the second tenth of each \
         period. trace:FILE: rows `seconds,rate`, the seconds from 0 and increasing; a rate holds until the \
         next row, and the last row ends the input.",
        shape_help()
    )
}

/// Returns the schedule of the events. There is none if they come as fast as they are taken, which is the default of
/// a source that is not `paced`.
pub(super) fn schedule_of_source(
    rates: &RateArgs,
    given: &Given,
    paced: bool,
) -> Result<Option<Arc<Schedule>>, UsageError> {
    refuse_rate_of_trace(rates, given)?;
    let is_max = rates.rate.map_or(!paced, |rate| rate == RateArg::Max);
    // A trace has its own rates.
    let has_trace = rates.shape.trace().is_some();
    if is_max {
        let shape = (!has_trace).then_some("--shape");
        let needs_rate = shape.into_iter().chain(["--peak-rate", "--period"]);
        if let Some(option) = needs_rate.into_iter().find(|option| given.value(option).is_some()) {
            return Err(given.error(option, "needs a --rate that is not max"));
        }
    }
    let has_schedule = has_trace || !is_max;
    has_schedule.then(|| schedule(rates, given).map(Arc::new)).transpose()
}

/// Refuses a rate for a trace, which has its own.
pub(super) fn refuse_rate_of_trace(rates: &RateArgs, given: &Given) -> Result<(), UsageError> {
    match (rates.rate, rates.shape.trace()) {
        (Some(_), Some(file)) => {
            let why = format!("is not for --shape trace:{file}: a trace has its own rates");
            Err(given.error("--rate", why))
        }
        _ => Ok(()),
    }
}

/// Returns the schedule that the options describe, with the default rate if they have none.
pub(super) fn schedule(rates: &RateArgs, given: &Given) -> Result<Schedule, UsageError> {
    let wrong = |why: String| given.error("--shape", why);
    let shape = match &rates.shape {
        ShapeArg::Named(shape) => shape.clone(),
        ShapeArg::Trace(file) => {
            let text = trace_file::text(file).map_err(|error| wrong(error.to_string()))?;
            Shape::Trace(Trace::from_str(&text).map_err(|error| wrong(error.to_string()))?)
        }
    };
    let is_trace = matches!(shape, Shape::Trace(_));
    let has_peak = !is_trace && shape != Shape::Constant;
    for (option, is_given) in
        [("--peak-rate", rates.peak_rate.is_some()), ("--period", rates.period.is_some())]
    {
        if is_given && !has_peak {
            let why = format!(
                "--shape {} has no peak: use square, sine, step or spike",
                given.text("--shape")
            );
            return Err(given.error(option, why));
        }
        if !is_given && has_peak {
            return Err(wrong(format!("needs {option}")));
        }
    }
    let rate = match rates.rate {
        Some(RateArg::PerSecond(rate)) => rate,
        Some(RateArg::Max) | None => DEFAULT_RATE,
    };
    let peak = rates.peak_rate.unwrap_or(rate);
    let period = rates.period.unwrap_or(Duration::from_secs(1)).as_nanos() as Nanos;
    Schedule::new(shape, rate, peak, period).map_err(|error| match is_trace {
        true => wrong(error.to_string()),
        false => UsageError::new("--rate", rate.to_string(), error.to_string()),
    })
}
