//! What the options of the remote side mean together: the endpoint, the bridge, and the local Lambda.

use std::collections::HashSet;

use anyhow::anyhow;

use super::args::{FunctionArgs, NamedArgs, RequestArgs, RunArgs};
use super::given::Given;
use super::{UsageError, key_values, policy_options};
use crate::aws::{Environment, EnvironmentError};
use crate::bridge::{self, Auth, EndpointError, ProxyError, Settings};
use crate::cost::Cost;
use crate::emulator::Model;
use crate::job::DataflowDescription;
use crate::pipeline::{Endpoint, TimelySettings};

/// The value of `--lambda` that names the embedded Lambda.
pub(super) const LOCAL: &str = "local";

/// Returns the settings of a bridge without a budget, to a function with this memory.
pub(super) fn bridge(
    args: &RequestArgs,
    given: &Given,
    memory_mb: u32,
) -> Result<Settings, UsageError> {
    let settings = args.settings(memory_mb);
    if settings.timeout <= settings.linger {
        let why = format!("must be longer than --linger, which is {:?}", settings.linger);
        return Err(given.error("--timeout", why));
    }
    Ok(settings)
}

/// Parses the value of `--memory`.
pub(super) fn parse_memory(text: &str) -> Result<u32, &'static str> {
    let memory = text.parse().ok().filter(|mb| (128..=10_240).contains(mb));
    memory.ok_or("expected 128 to 10240 MB")
}

/// Returns the function's memory in MB.
pub(super) fn memory(
    memory: Option<u32>,
    given: &Given,
    endpoint: &Endpoint,
) -> Result<u32, UsageError> {
    match (endpoint, memory) {
        (Endpoint::Embedded(model), None) => Ok(model.memory_mb),
        (Endpoint::Embedded(_), Some(_)) => {
            let why =
                "is for a function elsewhere: the built-in Lambda has --local-lambda memory=MB";
            Err(given.error("--memory", why))
        }
        (Endpoint::Remote(_), memory) => Ok(memory.unwrap_or(Cost::default().memory_mb)),
    }
}

/// Checks that the simulator supports the model: there, failures and throttles last all the time or never
/// come.
pub(super) fn check_simulatable(model: &Model) -> Result<(), UsageError> {
    if model.trouble.is_some() && (model.failure_rate > 0.0 || model.throttle_rate > 0.0) {
        let why = "cannot be simulated together with failure_rate or throttle_rate, which the \
            simulator has all the time";
        return Err(UsageError::new("--local-lambda", "trouble", why));
    }
    Ok(())
}

/// Checks that a policy can want something done remotely (`sends`), if that is required.
pub(super) fn check_require_remote(args: &RunArgs, sends: bool) -> Result<(), UsageError> {
    match args.options.require_remote && !sends {
        true => Err(sends_nothing("--require-remote")),
        false => Ok(()),
    }
}

/// Checks that the policy can be tried without sending, if that is asked for. `sends` says whether it ever sends.
pub(super) fn check_shadow(args: &RunArgs, sends: bool) -> Result<(), UsageError> {
    match &args.local_lambda {
        _ if !args.options.shadow => Ok(()),
        _ if !sends => Err(sends_nothing("--shadow")),
        model => model.as_ref().map_or(Ok(()), check_simulatable),
    }
}

/// Returns the error of a given option that is about sending records, where the policy sends none.
fn sends_nothing(option: &str) -> UsageError {
    UsageError::new(option, "(given)", format!("needs {}", policy_options::that_sends()))
}

/// Parses the value of `--local-lambda`: the model of the embedded Lambda.
pub(super) fn parse_model(text: &str) -> Result<Model, String> {
    let mut model = Model::default();
    key_values::set_each(text, |key, value| model.set(key, value))?;
    match model.reserved {
        Some(reserved) if reserved > model.concurrency => Err(format!(
            "reserved={reserved}: must be at most concurrency, which is {}: it is a part of it",
            model.concurrency
        )),
        _ => Ok(model),
    }
}

/// Returns the remote side. `model` is that of the embedded Lambda.
pub(super) fn endpoint(
    args: &FunctionArgs,
    given: &Given,
    model: Option<&Model>,
) -> anyhow::Result<Endpoint> {
    let is_given = |option: &&&str| given.value(option).is_some();
    match args.lambda.as_deref() {
        Some(lambda) if lambda != LOCAL => remote(lambda, args, given).map(Endpoint::Remote),
        _ => {
            if let Some(option) = ["--auth", "--region"].iter().find(is_given) {
                let why = "is for a function elsewhere: --lambda URL, NAME or ARN";
                return Err(given.error(option, why).into());
            }
            Ok(Endpoint::Embedded(model.cloned().unwrap_or_default()))
        }
    }
}

/// Checks that one of `endpoints` is the embedded Lambda, if its model is given.
pub(super) fn refuse_unused_model<'e>(
    args: &RunArgs,
    mut endpoints: impl Iterator<Item = &'e Endpoint>,
) -> Result<(), UsageError> {
    let is_embedded = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Embedded(_));
    match args.local_lambda.is_some() && !endpoints.any(is_embedded) {
        true => Err(args.given.error("--local-lambda", "is for --lambda local")),
        false => Ok(()),
    }
}

/// Resolves an endpoint: a function, or any other address that takes requests.
pub(super) fn remote(
    lambda: &str,
    args: &FunctionArgs,
    given: &Given,
) -> anyhow::Result<bridge::Endpoint> {
    let (auth, region) = (args.auth.map(Auth::from), args.region.clone());
    let resolved = bridge::Endpoint::resolve(lambda, auth, region, &Environment::of_process());
    resolved.map_err(|error| {
        let why = error.to_string();
        let usage = match error {
            // No option is wrong.
            EndpointError::Environment(EnvironmentError::Profile(error)) => return error.into(),
            EndpointError::AlwaysSigned => given.error("--auth", why),
            EndpointError::OtherRegion { .. }
            | EndpointError::UnsignedRegion
            | EndpointError::NoRegion { .. }
            | EndpointError::Environment(_) => given.error("--region", why),
            _ => UsageError::new("--lambda", redact(lambda), why),
        };
        usage.into()
    })
}

/// Returns the settings of each call of the dataflow, with the endpoints that are given.
///
/// # Errors
/// If an endpoint is wrong, is missing or is given for a name that is not a call's, or if the settings in the code are
/// wrong.
pub(super) fn calls(
    args: &NamedArgs,
    given: &Given,
    dataflow: &DataflowDescription,
) -> anyhow::Result<Vec<(String, Settings)>> {
    let names: Vec<&str> = dataflow.calls().map(|(name, _)| name).collect();
    let mut seen = HashSet::new();
    for (name, endpoint) in &args.calls {
        let wrong =
            |why: String| UsageError::new("--call", format!("{name}={}", redact(endpoint)), why);
        if !names.contains(&name.as_str()) {
            let there = match names.is_empty() {
                true => "it has none".to_owned(),
                false => format!("its calls are {}", names.join(", ")),
            };
            return Err(wrong(format!("{} has no such call: {there}", given.program.name())).into());
        }
        if !seen.insert(name) {
            return Err(wrong("is the second endpoint of this call: give one".to_owned()).into());
        }
    }
    let call = |(name, settings): (&str, &Settings)| {
        let mut settings = settings.clone();
        if let Some((_, endpoint)) = args.calls.iter().find(|(of, _)| of == name) {
            let wrong = |error: EndpointError| {
                let value = format!("{name}={}", redact(endpoint));
                UsageError::new("--call", value, error.to_string())
            };
            settings.endpoint = endpoint.parse().map_err(wrong)?;
        }
        if settings.endpoint == bridge::Endpoint::Unset {
            let why = "the program does not say where this service is: give its URL";
            return Err(UsageError::new("--call", format!("{name}="), why).into());
        }
        let valid = settings.validate().map_err(|error| anyhow!("the call {name}: {error}"));
        valid.map(|()| (name.to_owned(), settings))
    };
    dataflow.calls().map(call).collect()
}

/// Checks that each process gets a share of the limits of each call.
pub(super) fn refuse_shares(
    calls: &[(String, Settings)],
    timely: &TimelySettings,
    typed: &[String],
) -> Result<(), UsageError> {
    for (name, settings) in calls {
        let least = settings.requests_per_second.map_or(usize::MAX, |most| most as usize);
        if least.min(settings.max_in_flight) < timely.processes {
            let why = format!(
                "each process needs a share of the requests of the call {name}, of which {} may be in flight{}: use \
                 fewer processes",
                settings.max_in_flight,
                match settings.requests_per_second {
                    Some(most) => format!(" and {most} be sent in a second"),
                    None => String::new(),
                }
            );
            return Err(UsageError::new("--", typed.join(" "), why));
        }
    }
    Ok(())
}

/// Returns the proxy that requests to the endpoint go by, if there is one.
pub(super) fn proxy(endpoint: &bridge::Endpoint) -> Result<Option<String>, UsageError> {
    endpoint.proxy().map_err(|ProxyError { variable, value, why }| {
        UsageError::new(variable, value, format!("{why}; {}", ProxyError::EXPECTED))
    })
}

/// Returns the endpoint as given, without parts that may be secret.
pub(super) fn redact(lambda: &str) -> String {
    let (plain, hidden) = match lambda.find(['?', '#']) {
        Some(at) => (&lambda[..at], "?…"),
        None => (lambda, ""),
    };
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}{hidden}")
        }
        None => format!("{plain}{hidden}"),
    }
}
