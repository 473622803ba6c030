//! `floodway generate`.

use std::io::{BufWriter, Write as _};

use anyhow::Result;

use super::args::{EventArgs, FormatArg, GenerateArgs};
use super::output::ignore_broken_pipe;
use super::{logging, rates};
use crate::batch::BATCH_RECORDS;
use crate::nexmark::Generator;
use crate::source::{Pace, Rate, nominal};

pub(super) fn generate(args: &GenerateArgs) -> Result<()> {
    logging::init(None)?;
    let EventArgs { rates, seed, nexmark } = &args.events;
    let schedule = rates::schedule_of_source(rates, &args.given, true)?;
    if schedule.is_none() && rates.duration.is_some() {
        let why = "needs a --rate other than max: without one no event has a due time; use \
        --events";
        return Err(args.given.error("--duration", why).into());
    }
    let schedule = schedule.unwrap_or_else(nominal);
    let rate = Rate::Scheduled(schedule.clone(), std::time::Duration::from_secs(1));
    let end = Pace::new(rate, rates.events, rates.duration).end().unwrap_or(u64::MAX);
    let generator = Generator::new(nexmark.clone().unwrap_or_default(), *seed, schedule);
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut lines = Vec::new();
    let mut next = 0;
    while next < end {
        let range = next..end.min(next + BATCH_RECORDS as u64);
        next = range.end;
        lines.clear();
        match args.format.unwrap_or(FormatArg::Csv) {
            FormatArg::Csv | FormatArg::Text => generator.csv_lines(range, &mut lines),
            FormatArg::Json => generator.json_lines(range, &mut lines),
        }
        if let Err(error) = out.write_all(&lines) {
            return ignore_broken_pipe(Err(error));
        }
    }
    ignore_broken_pipe(out.flush())
}
