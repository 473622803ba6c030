//! The baseline `local`, which sends nothing.

use super::{Color, Entry, Policy, Rates, Sends, Spec, Take};
use crate::batch::Nanos;

/// A policy that leaves all records to the workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Local {
    /// The policy's entry in the list of policies.
    pub const SPEC: Spec = Spec {
        name: "local",
        help: "None: the source waits when the workers fall behind",
        sends: Sends::Nothing,
        color: Color::Blue,
        advice: None,
        make: |_| Box::new(Local),
    };
}

impl Policy for Local {
    fn offload_threshold(&self) -> Option<f64> {
        None
    }

    fn plan(&mut self, _: Nanos, _: &[&[Entry]; 2], _: Rates, _: &mut Vec<Take>) {}
}
