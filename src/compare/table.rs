//! The table of a comparison, in plain text.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Comparison, Figures};
use crate::units::{show_count, show_duration};

/// The meaning of the column "of optimum".
pub(super) const OF_OPTIMUM: &str = "the share of work that the workers did, where 100 % is as much as they could have done \
                              with the whole input known beforehand and every deadline kept (a policy that misses deadlines can \
                              have more)";

/// Why that column is missing for a dataflow of several stages, or with operators behind its stage.
pub(super) const NO_OPTIMUM: &str = "not known for a dataflow of several stages, or with operators behind its stage: a worker takes \
                              another time for the records of each";

/// The columns: the name of each, and its value for a run.
pub(super) const COLUMNS: [(&str, fn(&Figures) -> String); 10] = [
    ("events/s", |run| show_count(run.events_eps.round() as u64)),
    ("p50", |run| latency(run.p50_ms)),
    ("p99", |run| latency(run.p99_ms)),
    ("p999", |run| latency(run.p999_ms)),
    ("max", |run| latency(run.max_ms)),
    ("offloaded", |run| share(Some(run.offloaded_fraction))),
    ("of optimum", |run| share(run.home_share_of_optimum)),
    ("cost", |run| dollars(run.cost_usd)),
    ("peak backlog", |run| show_count(run.peak_backlog.round() as u64)),
    ("backpressure", |run| latency(run.backpressured_ms)),
];

/// Returns the table, without colours and as wide as its content. Columns without a value are left out.
pub fn table(comparison: &Comparison) -> String {
    let rows = comparison.figures();
    let mut columns: Vec<(&str, Vec<String>)> =
        vec![("policy", rows.iter().map(|(policy, _)| policy.clone()).collect())];
    for (name, show) in COLUMNS {
        let cells: Vec<String> = rows.iter().map(|(_, figures)| show(figures)).collect();
        if cells.iter().any(|cell| cell != NOTHING) {
            columns.push((name, cells));
        }
    }
    let mut text = String::new();
    for row in 0..=rows.len() {
        let mut line = String::new();
        for (index, (name, cells)) in columns.iter().enumerate() {
            let width = cells.iter().map(String::as_str).chain([*name]);
            let width = width.map(|cell| cell.chars().count()).max().unwrap_or(0);
            let cell = if row == 0 { name } else { cells[row - 1].as_str() };
            let _ = match index {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

const NOTHING: &str = "-";

pub(super) fn latency(ms: f64) -> String {
    if ms <= 0.0 {
        return "0".to_owned();
    }
    show_duration(Duration::from_secs_f64(ms / 1e3))
}

pub(super) fn dollars(usd: f64) -> String {
    match usd {
        0.0 => "$0".to_owned(),
        usd if usd < 1.0 => format!("${usd:.6}"),
        usd => format!("${usd:.2}"),
    }
}

fn share(share: Option<f64>) -> String {
    share.map_or(NOTHING.to_owned(), |share| format!("{:.1} %", share * 100.0))
}
