//! The baseline `remote`, which sends everything.

use super::selection::take_all;
use super::{Color, Destination, Entry, Policy, Rates, Sends, Spec, Take};
use crate::batch::Nanos;

/// A policy that sends all records, as they arrive or as soon as there is room. Workers compute the records
/// that are returned or late, and those that arrive while the breaker is open or the budget is spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remote;

impl Remote {
    /// The policy's entry in the list of policies.
    pub const SPEC: Spec = Spec {
        name: "remote",
        help: "All",
        sends: Sends::Always,
        color: Color::Red,
        advice: None,
        make: |_| Box::new(Remote),
    };
}

impl Policy for Remote {
    fn offload_threshold(&self) -> Option<f64> {
        Some(0.0)
    }

    fn is_remote_only(&self) -> bool {
        true
    }

    fn plan(&mut self, _: Nanos, queue: &[&[Entry]; 2], rates: Rates, takes: &mut Vec<Take>) {
        let mut room = rates.room;
        let waiting = queue.iter().copied().flatten().enumerate();
        for (index, entry) in waiting.filter(|(_, entry)| !entry.returned) {
            if !take_all(index, entry, &mut room, Destination::Remote, takes) {
                return;
            }
        }
    }
}
