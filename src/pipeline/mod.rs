//! A run: source → burst → sink, on all workers of a process, from its settings to its summary.

mod beginning;
mod control;
mod error;
mod figures;
mod greeting;
mod hosts;
mod look;
mod mesh;
mod prepare;
mod run;
mod settings;
mod shadow;
mod spending;
mod start;
mod steps;
mod stop;
mod verdict;
mod watch;
mod worker;

pub use beginning::StateSettings;
pub use control::Disagreement;
pub use error::RunError;
pub use hosts::{Host, HostsError, local_hosts, read_hosts};
pub use mesh::MeshError;
pub use run::{Failures, run};
pub use settings::{
    EVENTS_AN_EPOCH, Endpoint, PolicyChoice, Settings, Source, Target, TimelySettings,
};
pub use shadow::simulated;
pub use stop::Stop;
