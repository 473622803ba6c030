//! Serves the state of a run over HTTP: metrics for Prometheus, a page with plots, the health, and the summary so far.
//! `docs/live.md` says what each of them shows.
//!
//! One thread reads the counters of the run ten times per second and answers requests. It reads them
//! ([`ObservedRun::observe`]) without locks, so no worker waits for it, whatever the clients do. Without `--listen` there is
//! no such thread, and workers do not count for it. The bottleneck ([`Diagnosis`]) is found in every run, because the last
//! lines of a run name it.

mod bottleneck;
mod bridge_metrics;
mod capacity;
mod diagnosis;
mod health;
mod metrics;
mod page;
mod sample;
mod series;
mod server;
mod stage_metrics;
mod stage_view;
mod state_metrics;
mod view_state;

pub use diagnosis::Diagnosis;
pub use sample::{
    About, Breaker, Budget, Function, Link, Observation, ObservedRun, Remote, Sample, StageSample,
    Writer,
};
pub use server::{Live, bind};
pub use view_state::End;
