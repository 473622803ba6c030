//! Progress while a run lasts: a bar on a terminal, plain lines otherwise. Neither is wider than the terminal.

use std::io::{Write as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Counts, OnTime, ProcessStats};
use crate::terminal;
use crate::units::{show_count, show_duration};

/// The amount of work, if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// This many events over all processes.
    Events(u64),
    /// This much time.
    Time(Duration),
    /// The input has no known end.
    Open,
}

/// Shows a process's progress. [`Progress::tick`] is called a few times a second.
pub struct Progress {
    stats: ProcessStats,
    goal: Goal,
    bar: Option<ProgressBar>,
    began: Instant,
    last: Instant,
    before: Counts,
    late_before: Counts,
}

/// The interval at which the bar is drawn, and that of lines.
const BAR_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    /// Shows progress on standard error: as a bar if that is a terminal that can redraw a line.
    pub fn new(stats: ProcessStats, goal: Goal, began: Instant) -> Self {
        let bar = terminal::is_capable().then(|| bar(goal));
        Progress {
            stats,
            goal,
            bar,
            began,
            last: began,
            before: Counts::default(),
            late_before: Counts::default(),
        }
    }

    /// Shows the current counts, if the interval is over.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let every = if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        let since = now.saturating_duration_since(self.last);
        if since < every {
            return;
        }
        // What is late was counted as done before.
        let late = self.stats.late();
        let counts = self.stats.counts();
        let parts = self.parts(&counts, &late, since);
        self.last = now;
        (self.before, self.late_before) = (counts, late);
        let elapsed = now.saturating_duration_since(self.began);
        match &self.bar {
            Some(bar) => {
                let position = match self.goal {
                    Goal::Events(_) | Goal::Open => counts.done(),
                    Goal::Time(time) => elapsed.min(time).as_millis() as u64,
                };
                let (template, before) = layout(self.goal, position, terminal::width());
                if let Ok(style) = ProgressStyle::with_template(&template) {
                    bar.set_style(style.progress_chars("=> "));
                }
                bar.set_position(position);
                // A line as wide as the terminal would wrap in some of them.
                bar.set_message(fitted(&parts, terminal::width().saturating_sub(before + 1)));
            }
            None => {
                let time = format!("{:>7}  ", show_duration(elapsed));
                let message = fitted(&parts, LINE.saturating_sub(time.len()));
                // Nobody sees it: not worth failing for.
                let _ = writeln!(stderr(), "{time}{message}");
            }
        }
    }

    /// Returns the parts of a line, the most important first. Parts that do not fit are omitted from the end.
    fn parts(&self, counts: &Counts, late: &Counts, since: Duration) -> Vec<String> {
        let done = counts.done() - self.before.done();
        let away = counts.remote - self.before.remote;
        let recent = self.stats.take_recent();
        let latency =
            |quantile| show_duration(Duration::from_secs_f64(recent.quantile_ms(quantile) / 1e3));
        let on_time = OnTime {
            results: counts.since(&self.before).results(),
            late: late.since(&self.late_before).results(),
        };
        vec![
            format!("{}/s", show_count((done as f64 / since.as_secs_f64()) as u64)),
            format!("on time {on_time}"),
            format!("remote {:.0} %", away as f64 * 100.0 / done.max(1) as f64),
            format!("p99 {}", latency(0.99)),
            format!("backlog {}", show_count(self.stats.backlog() as u64)),
            format!("p50 {}", latency(0.5)),
        ]
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The width of a line without a terminal.
const LINE: usize = 80;

/// Joins the parts that fit into `columns`, and at least the first one.
fn fitted(parts: &[String], columns: usize) -> String {
    const BETWEEN: &str = "  ";
    let mut line = String::new();
    for part in parts {
        let more = part.chars().count() + if line.is_empty() { 0 } else { BETWEEN.len() };
        if !line.is_empty() && line.chars().count() + more > columns {
            break;
        }
        if !line.is_empty() {
            line.push_str(BETWEEN);
        }
        line.push_str(part);
    }
    line
}

/// Returns the beginning of a line for a terminal of `columns` as a template, and its length.
fn layout(goal: Goal, position: u64, columns: usize) -> (String, usize) {
    match goal {
        Goal::Open => {
            let events = show_count(position);
            let before = "* ".len() + events.len() + " events  ".len();
            ("{spinner} {human_pos} events  {msg}".to_owned(), before)
        }
        Goal::Events(_) | Goal::Time(_) => match (columns / 2).saturating_sub(20).min(30) {
            0..5 => ("{percent:>3} %  {msg}".to_owned(), "100 %  ".len()),
            bar => {
                let before = "[] 100 %  ".len() + bar;
                (format!("[{{bar:{bar}}}] {{percent:>3}} %  {{msg}}"), before)
            }
        },
    }
}

fn bar(goal: Goal) -> ProgressBar {
    let length = match goal {
        Goal::Events(events) => Some(events),
        Goal::Time(time) => Some(time.as_millis() as u64),
        Goal::Open => None,
    };
    ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_as_wide_as_the_terminal() {
        let parts = ["1,234,567/s", "remote 100 %", "p99 1.83 s", "backlog 500,000", "p50 24.3 ms"];
        let parts = parts.map(str::to_owned);
        for goal in [Goal::Open, Goal::Events(10), Goal::Time(Duration::from_secs(9))] {
            for columns in 40..200 {
                let (_, before) = layout(goal, 1_234_567, columns);
                let message = fitted(&parts, columns.saturating_sub(before + 1));
                assert!(before + message.len() < columns, "{goal:?}, {columns}: {message}");
                let all = fitted(&parts, 200).len() + before < columns;
                assert_eq!(all, message.ends_with("ms"), "{goal:?}, {columns}: {message}");
            }
        }
        let (_, before) = layout(Goal::Events(10), 5, 80);
        assert!(fitted(&parts, 79 - before).contains("p99"), "the latency has room in 80 columns");
    }
}
