//! A run while it lasts, over HTTP: metrics for Prometheus, a page with plots, whether it advances, and the
//! summary so far. `docs/live.md` says what each of them shows.
//!
//! One thread does all of it: it looks at the run's counters ten times a second and answers requests. It
//! reads numbers ([`Source::look`]) that nobody locks, so no worker waits for it, however many ask and however
//! slowly they read. Without `--listen` there is no such thread, and workers do not count for it. What holds a run up
//! ([`Diagnosis`]) is found of any run, shown or not: its last words say it.

mod bottleneck;
mod capacity;
mod diagnosis;
mod health;
mod metrics;
mod page;
mod sample;
mod series;
mod server;
mod view_state;

pub use diagnosis::Diagnosis;
pub use sample::{About, Breaker, Budget, Observation, Remote, Sample, Source, Writer};
pub use server::{Live, bind};
pub use view_state::End;
