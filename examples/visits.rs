//! Visits of pages, counted by minute, by session or in total: a program of one's own with state. Running the same command
//! again resumes it, with other numbers of workers too:
//!
//!     cargo run --example visits -- run --source lines:examples/visits.jsonl --out out/visits --state out/state
//!     cargo run --example visits -- run --help

use std::time::Duration;

use floodway::job::{BuildError, Job, Lines, Output};
use floodway::merge::{Count, Max, Set};
use floodway::stateful::EventTimesExt as _;
use floodway::task::{Code, Rows};
use floodway::window::{Lateness, Windows};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::Map as _;

#[derive(clap::Args)]
struct Options {
    /// What visits are counted by.
    #[arg(long, default_value = "minute")]
    by: By,
    /// How much later than others a visit may come, in milliseconds.
    #[arg(long, default_value_t = 0)]
    late: u64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum By {
    /// Page, in windows of a minute.
    Minute,
    /// Page, in windows of ten seconds that begin each two seconds.
    Sliding,
    /// User, in sessions: visits that come less than 30 s after the one before.
    Session,
    /// Page, in total.
    Page,
}

/// What a line says: `{"user":"ada","page":"/b/c","time":1767225600000}`.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
struct Visit {
    user: String,
    page: String,
    time: i64,
}

/// What is known of a key: visits, the different users, and the latest visit.
type Known = (Count, Set<String>, Max<i64>);

fn visits<'scope>(
    job: &mut Job<'scope>,
    lines: Lines<'scope>,
    options: &Options,
) -> Result<Output<'scope>, BuildError> {
    let by = options.by;
    let seconds = Duration::from_secs;
    let windows = match by {
        By::Minute => Some(Windows::tumbling(seconds(60))?),
        By::Sliding => Some(Windows::sliding(seconds(10), seconds(2))?),
        By::Session => Some(Windows::session(seconds(30))?),
        By::Page => None,
    };
    let lateness = Lateness { allowed: Duration::from_millis(options.late), ..Lateness::default() };
    let (visits, times) = job.json::<Visit>(lines).event_times(lateness, |visit| visit.time);
    // What a function or a worker makes of visits: a row for each key and pane of windows.
    let count = move |visit: &Visit, rows: &mut Rows<(String, i64), Known>| {
        let path = visit.page.strip_prefix('/').ok_or(Code("no_page".into()))?;
        let folder = path.split('/').next().unwrap_or_default();
        let key = if matches!(by, By::Session) { &visit.user } else { folder };
        let pane = windows.map_or(0, |windows| windows.pane(visit.time));
        let known = (Count(1), Set::of(visit.user.clone()), Max(visit.time));
        rows.add((key.to_owned(), pane), known);
        Ok(())
    };
    let rows = job.aggregate("count", visits, count);
    let Some(windows) = windows else {
        let pages = job.totals("pages", rows.map(|((page, _), known)| (page, known)));
        let lines = pages.map(|((page, (Count(visits), users, _)), epoch, change)| {
            (format!("{page},{visits},{}", users.0.len()), epoch, change)
        });
        return Ok(job.changes(lines));
    };
    let windows = job.windows("visits", rows, &times, windows);
    Ok(job.json_lines(windows.results))
}

fn main() -> std::process::ExitCode {
    floodway::app("visits").version(env!("CARGO_PKG_VERSION")).dataflow_with(visits).main()
}
