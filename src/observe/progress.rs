//! Progress while a run lasts: a bar on a terminal, plain lines otherwise.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Counts, ProcessStats};
use crate::units::{show_count, show_duration};

/// How much there is to do, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// So many events over all processes.
    Events(u64),
    /// So much time.
    Time(Duration),
    /// Until the input ends or somebody stops it.
    Open,
}

/// Shows a process's figures. [`Progress::tick`] is called a few times a second.
pub struct Progress {
    stats: ProcessStats,
    goal: Goal,
    bar: Option<ProgressBar>,
    began: Instant,
    last: Instant,
    before: Counts,
}

/// How often a bar is drawn, and a line written.
const BAR_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(5);

impl Progress {
    /// Shows on standard error: a bar if that is a terminal.
    pub fn new(stats: ProcessStats, goal: Goal, began: Instant) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(goal));
        Progress { stats, goal, bar, began, last: began, before: Counts::default() }
    }

    /// Shows how things stand, if it is time to.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let every = if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        let since = now.saturating_duration_since(self.last);
        if since < every {
            return;
        }
        let counts = self.stats.counts();
        let message = self.message(&counts, since);
        self.last = now;
        self.before = counts;
        let elapsed = now.saturating_duration_since(self.began);
        match &self.bar {
            Some(bar) => {
                bar.set_position(match self.goal {
                    Goal::Events(_) => counts.done(),
                    Goal::Time(time) => elapsed.min(time).as_millis() as u64,
                    Goal::Open => counts.done(),
                });
                bar.set_message(message);
            }
            None => {
                // Nobody sees it: not worth failing for.
                let _ = writeln!(stderr(), "{:>6}  {message}", show_duration(elapsed));
            }
        }
    }

    fn message(&self, counts: &Counts, since: Duration) -> String {
        let done = counts.done() - self.before.done();
        let away = counts.remote - self.before.remote;
        let recent = self.stats.take_recent();
        let latency =
            |quantile| show_duration(Duration::from_secs_f64(recent.quantile_ms(quantile) / 1e3));
        format!(
            "{}/s  offloaded {:.0} %  p50 {}  p99 {}  backlog {}",
            show_count((done as f64 / since.as_secs_f64()) as u64),
            away as f64 * 100.0 / done.max(1) as f64,
            latency(0.5),
            latency(0.99),
            show_count(self.stats.backlog() as u64),
        )
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(goal: Goal) -> ProgressBar {
    let (length, template) = match goal {
        Goal::Events(events) => (Some(events), "[{bar:30}] {percent:>3} %  {msg}"),
        Goal::Time(time) => (Some(time.as_millis() as u64), "[{bar:30}] {percent:>3} %  {msg}"),
        Goal::Open => (None, "{spinner} {human_pos} events  {msg}"),
    };
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
