//! A run: source → dataflow → sink, on all workers of a process, from its settings to its summary.

mod control;
mod error;
mod frontiers;
mod handshake;
mod hosts;
mod live_view;
mod mesh;
mod metrics_observer;
mod options;
mod prepare;
mod remote_side;
mod resume;
mod run;
mod run_end;
mod sending;
mod settings;
mod shadow;
mod spend_log;
mod start;
mod step_timer;
mod stop;
mod summary;
mod warnings;
mod worker;
mod worker_host;

pub use control::Disagreement;
pub use error::RunError;
pub use hosts::{local_hosts, read_hosts};
pub use mesh::MeshError;
pub use options::{FUNCTION, ModelOptions, RecordForm, RunOptions, mark, parse_task};
pub use resume::StateSettings;
pub use run::{Finished, RunListener, run};
pub use run_end::Failures;
pub use settings::{EVENTS_AN_EPOCH, Endpoint, ListenSettings, Sending, Settings, TimelySettings};
pub use shadow::simulated_lambda;
pub use stop::Stop;
