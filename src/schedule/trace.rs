//! Traces: rates from a file.

use std::str::FromStr;

use super::segments::MicroRate;
use super::{RowProblem, Schedule, ScheduleError};
use crate::batch::Nanos;

/// A trace: rows of the form `seconds,rate`. The first row is at 0 seconds, and the seconds increase. A rate holds until
/// the next row. The last row only ends the trace, so its rate is ignored.
///
/// A trace may have a byte order mark, a header row without numbers, comments that begin with `#`, and blank lines before
/// the first row and after the last one. Anything else is refused with the number of its line.
///
/// ```
/// use floodway::schedule::{Schedule, Shape, Trace};
///
/// let trace: Trace = "0,100\n10,2500.5\n12.5,100\n60,0\n".parse()?;
/// let schedule = Schedule::new(Shape::Trace(trace), 0.0, 0.0, 0)?;
/// assert_eq!(schedule.count(10_000_000_000), 1_000);
/// assert_eq!(schedule.end(), Some(60_000_000_000));
///
/// let error = "0,100\n10,-3\n".parse::<Trace>().unwrap_err();
/// assert!(error.to_string().starts_with("line 2 of the trace: the rate -3 is not"));
/// # Ok::<(), floodway::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    rows: Vec<Row>,
    end: Nanos,
}

/// A rate from an instant on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) start: Nanos,
    pub(super) rate: MicroRate,
}

impl Trace {
    /// Returns the rows, except for the one that ends the trace.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns the end of the trace.
    pub fn end(&self) -> Nanos {
        self.end
    }
}

impl FromStr for Trace {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Trace, ScheduleError> {
        let mut rows: Vec<Row> = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut may_be_header = true;
        for (index, line) in text.trim_end().lines().enumerate() {
            let row = line.split_once('#').map_or(line, |(row, _)| row);
            let is_comment = row.len() < line.len() && row.trim().is_empty();
            if is_comment || (row.trim().is_empty() && rows.is_empty()) {
                continue;
            }
            if std::mem::take(&mut may_be_header) && is_header(row) {
                continue;
            }
            let row = read_row(row, rows.last().map(|row| row.start))
                .map_err(|problem| ScheduleError::Trace { line: index + 1, problem })?;
            rows.push(row);
        }
        match rows.pop() {
            Some(last) if !rows.is_empty() => Ok(Trace { rows, end: last.start }),
            last => Err(ScheduleError::ShortTrace(usize::from(last.is_some()))),
        }
    }
}

/// Whether a row is a header, which names the columns.
fn is_header(row: &str) -> bool {
    let is_name = |field: &str| field.contains(char::is_alphabetic) && number(field).is_none();
    row.split_once(',').is_some_and(|(seconds, rate)| is_name(seconds) && is_name(rate))
}

fn number(field: &str) -> Option<f64> {
    field.trim().parse().ok()
}

fn read_row(line: &str, before: Option<Nanos>) -> Result<Row, RowProblem> {
    let (seconds, rate) = line
        .split_once(',')
        .and_then(|(seconds, rate)| Some((number(seconds)?, number(rate)?)))
        .ok_or_else(|| RowProblem::Row(line.to_owned()))?;
    if !(0.0..=Schedule::MAX_RATE).contains(&rate) {
        return Err(RowProblem::Rate(rate));
    }
    // NaN becomes 0 and infinity becomes the largest time. Neither is after every row before it.
    let start = (seconds * 1e9).round() as Nanos;
    match before {
        None if seconds != 0.0 => Err(RowProblem::Start(seconds)),
        Some(before) if start <= before || !seconds.is_finite() => Err(RowProblem::Order(seconds)),
        _ => Ok(Row { start, rate: (rate * 1e6).round() as MicroRate }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (usize, RowProblem) {
        match text.parse::<Trace>() {
            Err(ScheduleError::Trace { line, problem }) => (line, problem),
            other => panic!("{text:?} gave {other:?}"),
        }
    }

    #[test]
    fn an_invalid_row_is_refused_with_its_line() {
        use RowProblem::*;
        for (text, rows) in [("", 0), ("# nothing\n\n", 0), ("0,5\n", 1), ("s,rate\n0,5\n\n", 1)] {
            assert_eq!(text.parse::<Trace>(), Err(ScheduleError::ShortTrace(rows)));
        }
        assert_eq!(problem("1,5\n2,5\n"), (1, Start(1.0)));
        assert_eq!(problem("0,5\n2,5\n2,6\n"), (3, Order(2.0)));
        assert_eq!(problem("0,5\n3,5\n2,6\n"), (3, Order(2.0)));
        assert_eq!(problem("0,5\n-1,5\n"), (2, Order(-1.0)));
        assert_eq!(problem("0,5\ninf,5\n"), (2, Order(f64::INFINITY)));
        assert_eq!(problem("0,5\n0.0000000001,5\n"), (2, Order(1e-10)));
        assert_eq!(problem("0,-5\n1,5\n"), (1, Rate(-5.0)));
        assert_eq!(problem("0,5\n1,2e9\n"), (2, Rate(2e9)));
        assert!(matches!(problem("0,5\n1,NaN\n"), (2, Rate(rate)) if rate.is_nan()));
        assert!(matches!(problem("0,5\nNaN,5\n"), (2, Order(_))));
        for hole in ["", ",5", "1,", "1", "1,5,9", "1;5", "seconds,rate"] {
            assert_eq!(problem(&format!("0,5\n{hole}\n9,9\n")), (2, Row(hole.to_owned())));
        }
    }

    #[test]
    fn headers_comments_and_blank_lines_around_the_rows_are_skipped() {
        let plain = "0,5\n1,6\n".parse::<Trace>();
        for text in [
            "\u{feff}seconds,rate\n0,5\n1,6\n",
            "# from the logs of May\n\nseconds, events a second\n0,5\n# higher\n1,6\n",
            "0,5 # as usual\n1,6# the end\n\n \n",
            "\u{feff}# time\r\nTime,Rate\r\n0,5\r\n1,6\r\n\r\n",
        ] {
            assert_eq!(text.parse::<Trace>(), plain, "{text}");
        }
        use RowProblem::*;
        assert_eq!(problem("a,b\nc,d\n0,5\n"), (2, Row("c,d".to_owned())));
        assert_eq!(problem("# a\nseconds,rate\n1,5\n"), (3, Start(1.0)));
        assert_eq!(problem("seconds,5\n0,5\n1,6"), (1, Row("seconds,5".to_owned())));
        assert_eq!(problem("0,5\n\n# \n"), (2, Row(String::new())));
    }

    #[test]
    fn rows_may_have_spaces_and_carriage_returns() {
        assert_eq!(" 0 , 5\r\n1,6\r\n".parse::<Trace>(), "0,5\n1,6".parse::<Trace>());
    }
}
