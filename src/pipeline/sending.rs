//! What the stages of a run send, where and how, as the settings say.

use super::Settings;
use super::settings::{Endpoint, Sending};
use crate::bridge;
use crate::policy::{Policy, PolicyChoice, Sends};

/// The stages whose records one bridge sends: they have the same function, send requests in the same way, and send
/// records or chunks of them.
pub(super) struct FunctionSettings<'s> {
    /// The names of the stages.
    pub stages: Vec<&'s str>,
    pub endpoint: &'s Endpoint,
    pub bridge: &'s bridge::Settings,
    /// How many records of the stream a record of a request stands for at most.
    pub weight: usize,
    /// Whether a policy of the stages sends what would be late.
    pub sends_late: bool,
}

/// Joins words to a list: `a, b and c`.
pub(super) fn joined(mut words: Vec<String>) -> String {
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} and {last}", words.join(", ")) }
}

impl Settings {
    /// Returns which records of the stage `name` are sent, where and how.
    pub(crate) fn sending_of(&self, name: &str) -> &Sending {
        let own = self.stages.iter().find(|(stage, _)| stage == name);
        own.map_or(&self.sending, |(_, sending)| sending)
    }

    /// Returns the stages whose records may be sent, by name.
    fn of_stages(&self) -> impl Iterator<Item = (&str, &Sending)> {
        self.dataflow.served().map(|stage| (&*stage.name, self.sending_of(&stage.name)))
    }

    /// Returns the same, or what the run's options say if there is no such stage.
    fn sendings(&self) -> Vec<(&str, &Sending)> {
        let of_stages: Vec<_> = self.of_stages().collect();
        if of_stages.is_empty() { vec![("", &self.sending)] } else { of_stages }
    }

    /// Returns the functions to which records are sent, in the order of their first stages.
    pub(super) fn functions(&self) -> Vec<FunctionSettings<'_>> {
        let mut functions: Vec<FunctionSettings> = Vec::new();
        if self.options.shadow {
            return functions;
        }
        for stage in self.dataflow.served() {
            let (name, weight) = (&*stage.name, stage.weight);
            let Sending { policy, endpoint, bridge } = self.sending_of(name);
            if !policy.needs_remote() {
                continue;
            }
            let sends_late = policy.spec().sends == Sends::Late;
            let is_same = |it: &&mut FunctionSettings| {
                (it.endpoint, it.bridge, it.weight) == (endpoint, bridge, weight)
            };
            match functions.iter_mut().find(is_same) {
                Some(function) => {
                    function.stages.push(name);
                    function.sends_late |= sends_late;
                }
                None => {
                    let stages = vec![name];
                    let function =
                        FunctionSettings { stages, endpoint, bridge, weight, sends_late };
                    functions.push(function);
                }
            }
        }
        functions
    }

    /// Returns the names of the functions to which records are sent, with commas between them. None if nothing is sent.
    pub(super) fn function_names(&self) -> Option<String> {
        let mut names: Vec<String> = Vec::new();
        for function in self.functions() {
            let name = function.endpoint.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns the endpoints that requests are sent to, but not the embedded Lambda.
    pub fn remote_endpoints(&self) -> Vec<&bridge::Endpoint> {
        let mut endpoints = Vec::new();
        for function in self.functions() {
            if let Endpoint::Remote(endpoint) = function.endpoint
                && !endpoints.contains(&endpoint)
            {
                endpoints.push(endpoint);
            }
        }
        endpoints
    }

    /// Whether a policy sends records in this way.
    pub(super) fn sends(&self, how: Sends) -> bool {
        self.sendings().iter().any(|(_, sending)| sending.policy.spec().sends == how)
    }

    /// Returns the policies that send records, each once.
    pub(super) fn sending_policies(&self) -> Vec<PolicyChoice> {
        let mut policies: Vec<PolicyChoice> = Vec::new();
        for (_, Sending { policy, .. }) in self.sendings() {
            if policy.needs_remote() && !policies.contains(policy) {
                policies.push(*policy);
            }
        }
        policies
    }

    /// Returns the policy of all stages. None if they have several.
    pub(super) fn common_policy(&self) -> Option<PolicyChoice> {
        let mut policies = self.sendings().into_iter().map(|(_, sending)| sending.policy);
        let first = policies.next()?;
        policies.all(|other| other == first).then_some(first)
    }

    /// Returns the name of the policy. If the stages have several, it says which stage has which.
    pub(crate) fn policy_names(&self) -> String {
        let sendings = self.sendings();
        let name = |sending: &Sending| sending.policy.name();
        match &sendings[..] {
            [(_, first), rest @ ..] if rest.iter().all(|(_, it)| name(it) == name(first)) => {
                name(first).to_owned()
            }
            all => {
                joined(all.iter().map(|(stage, it)| format!("{} for {stage}", name(it))).collect())
            }
        }
    }

    /// Creates the policy of the stage `name` on one worker, of `workers` in the dataflow.
    pub(super) fn policy(&self, name: &str, workers: usize) -> Box<dyn Policy> {
        let policy = match self.options.shadow {
            true => PolicyChoice::LOCAL,
            false => self.sending_of(name).policy,
        };
        policy.make(self.epoch_length_or_nominal(), self.options.model.deadline, workers)
    }
}
