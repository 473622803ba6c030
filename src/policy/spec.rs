//! What is known of a policy without running it, and the choice of one.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::{Local, POLICIES, Policy};
use crate::batch::Nanos;

/// What is known of a policy without running it. Two are the same if their names are.
pub struct Spec {
    /// Its name on the command line, in summaries and in reports.
    pub name: &'static str,
    /// Which records it sends, for the help: without a full stop.
    pub help: &'static str,
    /// When it sends records.
    pub sends: Sends,
    /// Its colour in plots, which no other policy has.
    pub color: Color,
    /// What to change where the workers cannot do what it leaves to them. None: only more workers help.
    pub advice: Option<&'static str>,
    /// Creates the policy of one worker.
    pub make: fn(&Parameters) -> Box<dyn Policy>,
}

/// When a policy sends records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Never: it needs no remote side.
    Nothing,
    /// Whatever the rate is.
    Always,
    /// While more is offered than a threshold, which it needs.
    AboveThreshold,
    /// When records would miss their deadline.
    Late,
}

/// What a policy is made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The threshold in records a second over all workers; 0 for a policy that has none.
    pub threshold: f64,
    /// The nominal length of an epoch.
    pub epoch: Nanos,
    /// The deadline: from a record's schedule to when its result is due.
    pub slack: Nanos,
    /// The workers of the dataflow.
    pub workers: usize,
}

/// A colour of Okabe and Ito's palette, whose colours people who see few colours tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "a colour's name says what it is")]
pub enum Color {
    Blue,
    Orange,
    Green,
    Red,
    Pink,
    Sky,
    Yellow,
}

/// The advice of policies whose threshold says how much stays with the workers.
pub(super) const LOWER_THE_THRESHOLD: &str =
    "Lower the --threshold: what is below it stays with the workers, and they cannot do that much.";

impl Spec {
    /// Returns the policy of this name.
    pub fn named(name: &str) -> Option<&'static Spec> {
        POLICIES.iter().copied().find(|spec| spec.name == name)
    }

    /// Whether the policy ever sends records.
    pub fn needs_remote(&self) -> bool {
        self.sends != Sends::Nothing
    }

    /// Whether the policy needs a threshold.
    pub fn needs_threshold(&self) -> bool {
        self.sends == Sends::AboveThreshold
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Spec) -> bool {
        self.name == other.name
    }
}

impl Eq for Spec {}

/// The name alone: it is the same in all processes, which a function's address is not.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A policy with its threshold, if it needs one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyChoice {
    spec: &'static Spec,
    threshold: Option<f64>,
}

/// A policy and a threshold do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChoiceError {
    /// The policy needs a threshold, and none was given.
    #[error("the policy needs a threshold")]
    NeedsThreshold,
    /// The policy has no threshold, and one was given.
    #[error("the policy has no threshold")]
    HasNoThreshold,
}

impl PolicyChoice {
    /// The policy that sends nothing.
    pub const LOCAL: PolicyChoice = PolicyChoice { spec: &Local::SPEC, threshold: None };

    /// Chooses a policy. Its threshold is in records a second over all workers.
    ///
    /// # Errors
    /// If it needs a threshold and has none, or the other way round.
    pub fn new(spec: &'static Spec, threshold: Option<f64>) -> Result<Self, ChoiceError> {
        match (spec.needs_threshold(), threshold) {
            (true, None) => Err(ChoiceError::NeedsThreshold),
            (false, Some(_)) => Err(ChoiceError::HasNoThreshold),
            _ => Ok(PolicyChoice { spec, threshold }),
        }
    }

    /// Returns the policy.
    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// Returns the policy's name.
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// Whether the policy ever sends records.
    pub fn needs_remote(&self) -> bool {
        self.spec.needs_remote()
    }

    /// Returns the threshold in records a second over all workers, if the policy has one.
    pub fn threshold(&self) -> Option<f64> {
        self.threshold
    }

    /// Creates the policy of one worker, of `workers` in the dataflow. `slack` is the deadline.
    pub fn make(&self, epoch: Duration, slack: Duration, workers: usize) -> Box<dyn Policy> {
        let threshold = self.threshold.unwrap_or_default();
        let [epoch, slack] = [epoch, slack].map(|duration| duration.as_nanos() as Nanos);
        (self.spec.make)(&Parameters { threshold, epoch, slack, workers })
    }
}
