//! A run: source → burst → sink, on all workers of a process, from its settings to its summary.

mod beginning;
mod control;
mod run;
mod settings;
mod shadow;
mod steps;
mod stop;
mod watch;
mod worker;

pub use beginning::StateSettings;
pub use control::Disagreement;
pub use run::{Failures, RunError, run};
pub use settings::{
    EVENTS_AN_EPOCH, Endpoint, PolicyChoice, Settings, Source, Target, TimelySettings,
};
pub use shadow::simulated;
pub use stop::Stop;
